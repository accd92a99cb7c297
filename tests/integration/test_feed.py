"""The feed over a real log: pages join up, what cannot be decoded is delivered, what came true was scheduled."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from db.pool import Dsns, make_pool
from db.waiting import Waiter
from read_side.cloudevents import Notice
from read_side.feed import LAST_POSITION, PAGE_BYTES, Feed, Instant, Selection
from read_side.following import Follower, Start
from read_side.queries import ReadModel
from read_side.questions import Asked, Slice
from shared.core.events import (
    EntityRegistered,
    EntityRetired,
    ExternalKeyClaimed,
    entity_stream,
    external_key_stream,
)
from tests.appending import Append, append
from tests.integration.projecting import JOHN, Histories, add, come_true, execute, fetch, fold_all, revised, run, uid
from tests.integration.test_log_plans import FILL, LONG

EVERYTHING = Selection()
BEGINNING, END = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


@asynccontextmanager
async def feeding(conninfo: str) -> AsyncIterator[tuple[Feed, ReadModel]]:
    """Give the feed and the read model of a database, as the reader has them."""
    dsn = Dsns(conninfo).of("read")
    waiter = Waiter(dsn)
    async with make_pool(dsn, 2) as pool:
        await waiter.start()
        try:
            yield Feed(pool, waiter), ReadModel(pool, 10, 2.0, waiter)
        finally:
            await waiter.stop()


async def pages(feed: Feed, selection: Selection, limit: int, after: int = 0) -> list[list[int]]:
    """Return the positions of each page, up to the head."""
    found = []
    while True:
        page = await feed.page(selection, after, limit)
        found.append([event.position for event in page.events])
        assert page.after > after or page.after == page.head
        if page.after >= page.head:
            return found
        after = page.after


def test_with_a_filter_a_page_ends_with_its_window_and_says_where_to_go_on(unchecked_database: str) -> None:
    execute(unchecked_database, FILL)
    rare = frozenset({"EntityRetired"})

    async def work() -> None:
        async with feeding(unchecked_database) as (feed, _):
            page = await feed.page(Selection(rare), 0, 100)
            assert (page.events, page.after, page.head) == ([], 10_000, 30_000)
            assert await pages(feed, Selection(rare), 100) == [[], [20_000], []]
            of_entity = Selection(rare, UUID(int=1))
            assert entity_stream(UUID(int=1)) == LONG
            page = await feed.page(of_entity, 0, 100)
            assert ([event.position for event in page.events], page.after) == ([20_000], 20_000)
            assert await pages(feed, of_entity, 100) == [[20_000], []]
            assert await pages(feed, of_entity, 1) == [[20_000], []]
            every = await pages(feed, Selection(None, UUID(int=1)), 1000)
            assert [position for page in every for position in page] == list(range(2, 30_001, 2))
            assert (await feed.page(EVERYTHING, LAST_POSITION, 1)).events == []

    run(work())


@pytest.mark.parametrize("of_entity", [False, True])
def test_a_page_holds_so_many_bytes_and_one_event_at_least(unchecked_database: str, of_entity: bool) -> None:  # noqa: FBT001
    third = PAGE_BYTES // 3 + 1
    noise = random.Random(1)  # noqa: S311  # what cannot be compressed
    for size in (third, third, third, 2 * PAGE_BYTES, 10, 10):
        for text in (noise.randbytes(size // 2).hex(), "x" * size):
            add(unchecked_database, 1, EntityRegistered("Long", "PERSON", {"EMAIL": text}))

    async def work() -> None:
        async with feeding(unchecked_database) as (feed, _):
            selection = Selection(None, uid(1)) if of_entity else EVERYTHING
            found = await pages(feed, selection, 100)
            assert found == [[1, 2, 3], [4, 5, 6], [7], [8], [9, 10, 11, 12]]
            assert await pages(feed, selection, 2) == [[1, 2], [3, 4], [5, 6], [7], [8], [9, 10], [11, 12]]

    run(work())


def test_about_an_entity_are_the_claims_of_its_keys_too(unchecked_database: str) -> None:
    def claim(key: str, number: int) -> None:
        with psycopg.connect(unchecked_database) as connection:
            event = ExternalKeyClaimed("crm", key, uid(number))
            append(connection, Append(stream=external_key_stream("crm", key), events=[event]))

    claim("before", 1)
    add(unchecked_database, 1, JOHN)
    add(unchecked_database, 2, JOHN)
    claim("other", 2)
    claim("between", 1)
    add(unchecked_database, 1, revised("Jo"), revised("Jim"))
    claim("after", 1)

    async def work() -> None:
        async with feeding(unchecked_database) as (feed, _):
            about = Selection(None, uid(1))
            for limit in (1, 2, 3, 100):
                found = await pages(feed, about, limit)
                assert [position for page in found for position in page] == [1, 2, 5, 6, 7, 8]
            claims = Selection(frozenset({"ExternalKeyClaimed"}), uid(1))
            assert await pages(feed, claims, 2) == [[1, 5], [8]]
            assert await pages(feed, Selection(frozenset({"EntityRevised"}), uid(1)), 100) == [[6, 7]]
            assert {event.subject for event in (await feed.page(claims, 0, 100)).events} == {str(uid(1))}

    run(work())


def test_an_event_that_this_release_does_not_know_is_delivered_in_its_place(unchecked_database: str) -> None:
    last = add(unchecked_database, 1, JOHN, revised("Jo"), EntityRetired())
    for position, change in (
        (last - 2, "type = 'EntityAdmired'"),
        (last - 1, "schema_version = 9"),
        (last, """payload = '{"data":{"name":1},"context":{"ip_address":"192.0.2.1"}}', metadata = '[]'"""),
    ):
        execute(
            unchecked_database,
            "ALTER TABLE log.event DISABLE TRIGGER event_is_immutable",
            f"UPDATE log.event SET {change} WHERE position = {position}",  # noqa: S608  # of ours
        )

    async def work() -> None:
        async with feeding(unchecked_database) as (feed, _):
            found = (await feed.page(EVERYTHING, 0, 100)).events
            assert [event.position for event in found] == list(range(1, last + 1))
            for event in found[-3:]:
                assert event.data is None
                assert (event.subject, event.stream) == (str(uid(1)), entity_stream(uid(1)))
            assert found[-3].type == "cockpit.EntityAdmired"
            assert (found[-2].schemaversion, found[-2].actor) == (9, "user_1")
            assert "not known here" in str(found[-2].undecodable)
            assert "name" in str(found[-1].undecodable)
            assert "192.0.2.1" not in str(found[-1])

    run(work())


@pytest.mark.parametrize("seed", range(4))
def test_what_came_true_is_what_was_scheduled_and_recorded_before(database: str, seed: int) -> None:
    """The notices come from indexes of what was recorded ahead; /scheduled goes through every change there is."""
    Histories(seed).extend(database, 60)
    run(fold_all(database))
    recorded_at = dict(fetch(database, "SELECT event_id, recorded_at FROM log.event"))

    async def work() -> None:
        async with feeding(database) as (feed, read_model):
            asked = Asked(as_of=BEGINNING)
            scheduled = (await read_model.scheduled(None, Slice(size=10_000), asked)).items
            expected = [
                (change.entity_uid, change.effective_at, change.field, change.before, change.after, change.event_id)
                for change in scheduled
                if recorded_at[change.event_id] < change.effective_at
            ]
            assert expected
            found, place = [], Instant.before(BEGINNING)
            while place < Instant.behind(END):
                notices, place = await feed.came_true(None, place, END)
                found += notices
            told = [
                (notice.subject, notice.time, *(notice.data[name] for name in ("field", "before", "after", "event_id")))
                for notice in found
            ]
            assert told == expected
            assert len({notice.id for notice in found}) == len(found)

    run(work())


def test_a_change_that_is_projected_after_its_instant_was_passed_is_told_all_the_same(database: str) -> None:
    """The projector was behind: its clock was past the instant before it had the event."""
    add(database, 1, JOHN)
    run(fold_all(database))

    async def work() -> None:
        async with feeding(database) as (feed, _):
            follower = await Follower.begin(feed, EVERYTHING, Start(None, "after"))
            ((now,),) = fetch(database, "SELECT clock_timestamp()")
            due = now + timedelta(seconds=0.2)
            add(database, 1, revised("Jo"), effective_at=due)
            await come_true(lambda: fetch(database, "SELECT clock_timestamp()")[0][0] > due)
            execute(database, "UPDATE read_model.checkpoint SET clock_at = clock_timestamp()")
            assert await follower.notices() == []
            await asyncio.to_thread(lambda: asyncio.run(fold_all(database)))
            found: list[Notice] = []
            async with asyncio.timeout(10):
                while not found:
                    found = await follower.notices()
                    await asyncio.sleep(0.05)
            assert [(notice.subject, notice.time) for notice in found] == [(uid(1), due)]

    run(work())


def test_who_follows_is_woken_by_an_append_and_by_what_fell_due_and_by_nothing_else(database: str) -> None:
    position = add(database, 1, JOHN)
    run(fold_all(database))

    async def work() -> None:
        async with feeding(database) as (feed, _):
            clock = await feed.clock(0)
            assert await feed.wait_for_news(position - 1, None, 10)
            assert not await feed.wait_for_news(position, clock.at, 0.6)
            waiting = asyncio.create_task(feed.wait_for_news(position, None, 10))
            await asyncio.sleep(0)
            await asyncio.to_thread(add, database, 1, revised("Jo"))
            assert await waiting
            waiting = asyncio.create_task(feed.wait_for_news(position + 1, clock.at, 10))
            await asyncio.sleep(0)
            await asyncio.to_thread(lambda: asyncio.run(fold_all(database)))
            assert await waiting

    run(work())
