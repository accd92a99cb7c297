"""Commands on an entity that this release cannot fold, and the one that mends it: refused clearly, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from uuid import UUID

import psycopg
import pytest
from msgspec import UNSET

from cockpit.services import Writers, writers
from db.pool import Dsns
from shared.core.errors import (
    BehindParked,
    CanBeFolded,
    CockpitError,
    EntityParked,
    KeyReused,
    NotSkippable,
    Retired,
    Unavailable,
    Unknown,
)
from shared.core.events import REGISTRY_STREAM, Context, Kind, Metadata, entity_stream
from shared.settings import Settings
from tests.appending import Append, Stored, append
from tests.integration.parking import VANISHED, event_id, from_tomorrow, upgrade
from tests.integration.projecting import JOHN as REGISTERED
from tests.integration.projecting import add, fetch, fold_all, revised, run, uid
from write_side.appends import Receipt
from write_side.entity import Cancel, Command, Register, Reopen, Replace, Retire, Revise
from write_side.handler import Request
from write_side.registry import RegisterType
from write_side.skipping import Skipped

METADATA = Metadata(actor="user_2", request_id="request-9")
REQUEST = Request(metadata=METADATA)
WHY = Request(metadata=METADATA, context=Context(reason="nobody needs it"))
JOHN = Register(display_name="John", entity_type="PERSON", details={})
TYPES = [RegisterType(Kind.ENTITY, "PERSON", "Person"), RegisterType(Kind.DETAIL, "EMAIL", "E-mail")]
COMMANDS: list[Command] = [
    JOHN,
    Revise(display_name="Jane"),
    Revise(display_name="John"),
    Replace(display_name="Jane", entity_type="PERSON"),
    Retire(),
    Reopen(display_name=UNSET, entity_type=UNSET),
    Cancel(event_id=UUID(int=1)),
]


def with_writers(conninfo: str, work: Callable[[Writers], Coroutine[Any, Any, None]]) -> None:
    """Do the work with a command side of its own, on a log that has two types at positions 1 and 2."""

    async def run() -> None:
        async with writers(Dsns(conninfo), Settings(_env_file=None)) as writing:
            for command in TYPES:
                await writing.handler.registry(command, REQUEST)
            await work(writing)

    asyncio.run(run())


async def refused(work: Awaitable[object], error: type[CockpitError]) -> str:
    with pytest.raises(error) as found:
        await work
    assert type(found.value) is error
    return str(found.value)


def keyed(key: bytes, digest: bytes = b"request", reason: str = "nobody needs it") -> Request:
    return Request(metadata=METADATA, context=Context(reason=reason), receipt=Receipt(key, digest, 200, None))


def stream(conninfo: str) -> list[str]:
    """Return the types of John's events."""
    rows = fetch(conninfo, "SELECT type FROM log.event WHERE stream = %s ORDER BY version", entity_stream(uid(1)))
    return [name for (name,) in rows]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: type(command).__name__)
def test_any_command_is_refused_and_says_which_event_it_is(database: str, command: Command) -> None:
    async def work(writing: Writers) -> None:
        await writing.handler.entity(uid(1), JOHN, REQUEST)
        add(database, 1, VANISHED)
        for request in (REQUEST, keyed(b"once"), keyed(b"once")):
            told = await refused(writing.handler.entity(uid(1), command, request), EntityParked)
            assert "event 4 cannot be folded" in told
        async with writers(Dsns(database), Settings(_env_file=None)) as fresh:  # with nothing kept
            await refused(fresh.handler.entity(uid(1), command, REQUEST), EntityParked)
        assert (await writing.handler.entity(uid(2), JOHN, REQUEST)).event_id is not None

    with_writers(database, work)
    assert stream(database) == ["EntityRegistered", "EntityVanished"]


def test_a_command_that_was_answered_before_is_answered_again_as_far_as_it_can_be(database: str) -> None:
    rename = Revise(display_name="Jane")

    async def work(writing: Writers) -> None:
        first = await writing.handler.entity(uid(1), JOHN, keyed(b"1"))
        second = await writing.handler.entity(uid(1), rename, keyed(b"2"))
        add(database, 1, VANISHED, revised("behind"), Stored("EventSkipped", 9))
        again = await writing.handler.entity(None, JOHN, keyed(b"1"))
        assert (again.replayed, again.event_id) == (True, first.event_id)
        await writing.skipper.skip(5, WHY)
        again = await writing.handler.entity(uid(1), rename, keyed(b"2"))
        assert (again.replayed, again.event_id, again.state.version) == (True, second.event_id, 2)

    with_writers(database, work)


def test_a_replay_of_what_came_after_a_skipped_event_folds_without_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(writing: Writers) -> None:
        await writing.handler.entity(uid(1), JOHN, REQUEST)
        with monkeypatch.context() as newer:
            upgrade(newer)
            add(database, 1, from_tomorrow("Jane"))
            later = await writing.handler.entity(uid(1), Retire(), keyed(b"later"))
        async with writers(Dsns(database), Settings(_env_file=None)) as older:
            await refused(older.handler.entity(uid(1), Retire(), keyed(b"later")), EntityParked)
            await refused(older.handler.entity(None, JOHN, keyed(b"later")), EntityParked)
            await older.skipper.skip(4, WHY)
            again = await older.handler.entity(uid(1), Retire(), keyed(b"later"))
            assert (again.replayed, again.event_id, again.state.version) == (True, later.event_id, 3)

    with_writers(database, work)


def test_what_another_process_kept_with_the_event_is_folded_again_without_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(newer: Writers) -> None:
        await newer.handler.entity(uid(1), JOHN, REQUEST)
        with monkeypatch.context() as patched:
            upgrade(patched)
            add(database, 1, from_tomorrow("Jane"))
            kept = await newer.handler.entity(uid(1), Revise(display_name="Jane"), REQUEST)
            assert (kept.event_id, kept.state.version) == (None, 2)  # that is what it is, there
        async with writers(Dsns(database), Settings(_env_file=None)) as older:
            await older.skipper.skip(4, WHY)
        same = await newer.handler.entity(uid(1), Revise(display_name="John"), REQUEST)
        assert (same.event_id, same.state.version) == (None, 3)  # it is what it was before

    with_writers(database, work)


def test_without_the_types_commands_wait_for_another_release(database: str) -> None:
    async def work(writing: Writers) -> None:
        with psycopg.connect(database) as connection:
            append(connection, Append(stream=REGISTRY_STREAM, events=[VANISHED]))
        async with writers(Dsns(database), Settings(_env_file=None)) as fresh:
            assert await fresh.handler.knows_types()
            for side in (writing, fresh):
                for work in (
                    side.handler.entity(uid(1), JOHN, REQUEST),
                    side.handler.entity(None, JOHN, keyed(b"once")),
                    side.handler.registry(TYPES[0], REQUEST),
                    side.handler.registry(RegisterType(Kind.ENTITY, "TRUST", "Trust"), REQUEST),
                ):
                    assert "Event 3 of the registry stream cannot be folded" in await refused(work, Unavailable)

    with_writers(database, work)
    assert fetch(database, "SELECT count(*) FROM log.event") == [(3,)]
    run(fold_all(database))


def test_a_skip_tells_what_it_did_and_again_the_same_and_appends_once(database: str) -> None:
    async def work(writing: Writers) -> None:
        await writing.handler.entity(uid(1), JOHN, REQUEST)
        add(database, 1, VANISHED, revised("Jane"))
        done = await writing.skipper.skip(4, WHY)
        assert (done.entity_uid, done.skipped_event_id) == (uid(1), event_id(database, 4))
        assert (done.position, done.event_id) == (6, event_id(database, 6))
        assert (done.reason, done.replayed) == ("nobody needs it", False)
        again = await writing.skipper.skip(4, Request(metadata=METADATA, context=Context(reason="another")))
        assert again == Skipped(**{name: getattr(done, name) for name in done.__struct_fields__} | {"replayed": True})
        after = await writing.handler.entity(uid(1), Revise(display_name="Joan"), REQUEST)
        assert after.state.version == 5

    with_writers(database, work)
    run(fold_all(database))
    told = fetch(
        database,
        "SELECT position, actor, operation, reason, before_value FROM read_model.audit_entry WHERE event_id = %s",
        event_id(database, 6),
    )
    assert told == [(6, "user_2", "UPDATE", "nobody needs it", None)]


def test_of_many_skips_at_once_through_two_processes_one_appends(database: str) -> None:
    async def work(one: Writers) -> None:
        await one.handler.entity(uid(1), JOHN, REQUEST)
        add(database, 1, VANISHED)
        async with writers(Dsns(database), Settings(_env_file=None)) as two:
            answers = await asyncio.gather(*(side.skipper.skip(4, WHY) for side in (one, two) * 10))
        assert len({answer.event_id for answer in answers}) == 1
        assert [answer.replayed for answer in answers].count(False) == 1

    with_writers(database, work)
    assert stream(database) == ["EntityRegistered", "EntityVanished", "EventSkipped"]


def test_a_skip_with_a_key_is_known_by_it(database: str) -> None:
    async def work(writing: Writers) -> None:
        await writing.handler.entity(uid(1), JOHN, REQUEST)
        add(database, 1, VANISHED, VANISHED)
        first = await writing.skipper.skip(4, keyed(b"key"))
        assert (await writing.skipper.skip(4, keyed(b"key"))).event_id == first.event_id
        await refused(writing.skipper.skip(4, keyed(b"key", b"other")), KeyReused)
        again = await writing.skipper.skip(4, keyed(b"second"))
        assert (again.event_id, again.replayed) == (first.event_id, True)
        await refused(writing.skipper.skip(5, keyed(b"second", b"other")), KeyReused)
        assert (await writing.skipper.skip(5, keyed(b"third"))).replayed is False

    with_writers(database, work)


def test_what_cannot_be_skipped_says_why(database: str) -> None:
    async def work(writing: Writers) -> None:
        await writing.handler.entity(uid(1), JOHN, REQUEST)
        add(database, 1, revised("Jane"), VANISHED, Stored(schema_version=3), revised("behind"))
        add(database, 2, REGISTERED)
        skip = writing.skipper.skip
        await refused(skip(99, WHY), Unknown)
        assert "is of no entity" in await refused(skip(1, WHY), NotSkippable)
        for position in (3, 4, 8):
            assert f"Event {position} can be folded" in await refused(skip(position, WHY), CanBeFolded)
        for position in (6, 7):
            assert "behind event 5" in await refused(skip(position, WHY), BehindParked)
        await skip(5, WHY)
        assert "behind event 6" in await refused(skip(7, WHY), BehindParked)
        await skip(6, WHY)
        await refused(skip(7, WHY), CanBeFolded)

    with_writers(database, work)
    run(fold_all(database))
    assert stream(database)[-2:] == ["EventSkipped", "EventSkipped"]


def test_an_event_that_decodes_but_cannot_follow_is_skipped_as_well(database: str) -> None:
    async def work(writing: Writers) -> None:
        await writing.handler.entity(uid(1), JOHN, REQUEST)
        add(database, 1, REGISTERED)
        told = await refused(writing.handler.entity(uid(1), Retire(), REQUEST), EntityParked)
        assert "an entity is registered once" in told
        await writing.skipper.skip(4, WHY)
        assert (await writing.handler.entity(uid(1), Retire(), REQUEST)).event_id is not None

    with_writers(database, work)
    run(fold_all(database))


def test_an_entity_whose_registration_was_skipped_is_brought_into_being_by_a_reopening(database: str) -> None:
    async def work(writing: Writers) -> None:
        add(database, 1, VANISHED)
        await writing.skipper.skip(3, WHY)
        assert "reopen" in await refused(writing.handler.entity(uid(1), JOHN, REQUEST), Retired)
        await refused(writing.handler.entity(uid(1), Revise(display_name="Jane"), REQUEST), Retired)
        reopening = Reopen(display_name="Jane", entity_type="PERSON")
        assert (await writing.handler.entity(uid(1), reopening, REQUEST)).event_id is not None

    with_writers(database, work)
    run(fold_all(database))
    assert fetch(database, "SELECT display_name FROM read_model.entity_version") == [("Jane",)]
