"""The projector: one leads and the fence holds, only what cannot be folded is parked, and batches do not matter."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db.pool import Dsns
from projector.batch import Fenced, Projection
from projector.replay import BEHIND
from projector.verify import verify
from shared.core.events import Event, Kind, TypeRegistered
from tests import oracle
from tests.acceptance.processes import running
from tests.integration.projecting import (
    JOHN,
    Histories,
    add,
    come_true,
    execute,
    fetch,
    fold_all,
    projecting,
    revised,
    run,
    tables,
    tamper,
    working,
)
from tests.integration.rebuilding import rebuilt


def checkpoint(conninfo: str) -> int:
    ((position,),) = fetch(conninfo, "SELECT position FROM read_model.checkpoint")
    return int(position)


def parked(conninfo: str) -> list[tuple[Any, ...]]:
    return fetch(conninfo, "SELECT position, reason FROM read_model.parked_event ORDER BY position")


def test_a_projection_whose_checkpoint_another_has_moved_writes_nothing(database: str) -> None:
    add(database, 1, JOHN, revised("Jo"))

    async def work() -> None:
        async with projecting(database) as (_, first), projecting(database) as (connection, second):
            assert await first.advance(1)
            before = tables(database)
            with pytest.raises(Fenced):
                await second.advance(2)
            assert tables(database) == before
            assert await first.advance(10)
            assert await first.advance(10) is None
            add(database, 1, revised("John"))
            assert await (await Projection.open(connection)).advance(10)  # on the connection as it was left

    run(work())
    assert checkpoint(database) == 3


def test_a_retired_set_of_tables_takes_nothing_more(unchecked_database: str) -> None:
    add(unchecked_database, 1, JOHN)

    async def work() -> None:
        async with projecting(unchecked_database) as (_, projection):
            execute(unchecked_database, "UPDATE read_model.checkpoint SET retired = true")
            with pytest.raises(Fenced):
                await projection.advance(10)
        with pytest.raises(Fenced):
            async with projecting(unchecked_database):
                pass

    run(work())
    assert tables(unchecked_database)["entity_version"] == []


def test_of_two_projectors_one_leads_and_when_it_is_killed_the_other_takes_over(database: str, tmp_path: Path) -> None:
    with (
        running("project", folder=tmp_path, database_url=database) as first,
        running("project", folder=tmp_path, database_url=database) as second,
    ):
        first_or_second = [first, second]

        def leader() -> bool:
            first_or_second.sort(key=lambda process: "projector leads" not in process.errors)
            return "projector leads" in first_or_second[0].errors

        run(come_true(leader, 20))
        leads, waits = first_or_second
        run(come_true(lambda: checkpoint(database) == add(database, 1, JOHN) if not checkpoint(database) else True))
        assert "projector leads" not in waits.errors
        leads.kill()
        last = add(database, 1, revised("Jo"))
        waits.wait_for("projector leads", 5)
        run(come_true(lambda: checkpoint(database) == last, 5))
        assert waits.stop() == 0


def test_a_worker_that_loses_its_connections_goes_on(database: str) -> None:
    async def work() -> None:
        async with working(database):
            last = add(database, 1, JOHN)
            await come_true(lambda: checkpoint(database) == last)
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cockpit-project'"
            assert len(fetch(database, f"{cut} AND datname = current_database()")) == 2
            last = add(database, 1, revised("Jo"))
            await come_true(lambda: checkpoint(database) == last)

    run(work())


BAD = {
    "an unknown type": ("UPDATE {} SET type = 'EntityVanished' WHERE position = 2", "EntityVanished"),
    "a later schema version": ("UPDATE {} SET schema_version = 99 WHERE position = 2", "schema version 99"),
    "a payload of another shape": ("UPDATE {} SET payload = '{{\"data\": 1}}' WHERE position = 2", "Expected"),
    "a cancellation of nothing": (
        "UPDATE {} SET type = 'EventCancelled', payload = json_build_object('context', '{{}}'::json, 'data',"  # noqa: ISC004
        " json_build_object('event_id', event_id)) WHERE position = 2",
        "of which nothing stands",
    ),
}


@pytest.mark.parametrize("limit", [1, 100])
@pytest.mark.parametrize(("sql", "reason"), BAD.values(), ids=BAD)
def test_what_cannot_be_folded_is_parked_with_what_follows_of_its_entity_alone(
    unchecked_database: str, sql: str, reason: str, limit: int
) -> None:
    database = unchecked_database
    history: list[tuple[int, Event]] = [
        (1, JOHN),
        (1, revised("bad")),
        (2, JOHN),
        (1, revised("behind")),
        (2, revised("good")),
    ]
    for number, event in history:
        add(database, number, event)
    tamper(database, sql)
    run(fold_all(database, limit))
    (first, why), *rest = parked(database)
    assert first == 2
    assert reason in why
    assert rest == [(4, BEHIND)]
    add(database, 1, revised("behind too"))
    last = add(database, 3, JOHN)
    run(fold_all(database))
    assert parked(database)[2:] == [(6, BEHIND)]
    assert checkpoint(database) == last
    named = fetch(database, "SELECT display_name FROM read_model.entity_version WHERE is_current ORDER BY entity_uid")
    assert named == [("John",), ("good",), ("John",)]


def test_an_event_in_a_stream_it_does_not_belong_in_is_parked(database: str) -> None:
    add(database, 1, JOHN, TypeRegistered(Kind.ENTITY, "PERSON", "Person"))
    run(fold_all(database))
    assert [position for position, _ in parked(database)] == [2]


def test_a_fault_of_the_database_parks_nothing_and_is_tried_again_ever_more_slowly(
    database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    add(database, 1, JOHN)
    execute(
        database,
        "INSERT INTO read_model.entity_version SELECT 1, (SELECT substr(stream, 8)::uuid FROM log.event), '', '', '',"
        " '1000-01-01', NULL, false, '1000-01-01', 1, NULL, now(), now(), '', ''",
    )

    async def work() -> None:
        async with working(database, poll_seconds=0.1):
            said = ""

            def is_slower() -> bool:
                nonlocal said
                said += "".join(capfd.readouterr())
                return "ExclusionViolation" in said and "retry_in=1.0" in said

            await come_true(is_slower, 15)
            assert parked(database) == []
            assert checkpoint(database) == 0
            execute(database, "DELETE FROM read_model.entity_version WHERE id = 1")
            await come_true(lambda: checkpoint(database) == 1)

    run(work())
    assert parked(database) == []


@pytest.mark.parametrize("seed", range(6))
def test_whatever_the_batches_the_tables_are_what_the_log_says(database: str, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  # it picks the batches
    histories = Histories(seed)

    async def work() -> None:
        for _ in range(6):
            await asyncio.to_thread(histories.extend, database, 40)
            async with projecting(database) as (_, projection):
                for _ in range(chance.randrange(12)):
                    await projection.advance(chance.choice([1, 2, 3, 10, 100]))
            with psycopg.connect(database) as connection:
                oracle.check(connection)
        await fold_all(database)

    run(work())
    assert parked(database) == []
    conninfo = Dsns(database).of("project")
    before, right = tables(database), verify(conninfo)
    assert (right.position, right.events, right.parked) == (240, 240, 0)
    assert rebuilt(database).differences == []
    assert tables(database) == before
    assert verify(conninfo) == right
