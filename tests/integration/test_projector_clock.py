"""What time alone changes: rows that fall due become current, and the log is settled; behind the same fence."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest

from db.pool import Dsns
from db.queries import statement
from projector.batch import Fenced
from shared.core.events import EntityRetired, EntityRevised, entity_stream
from tests.appending import Append, append
from tests.conftest import Clone
from tests.given import day
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
    uid,
    working,
)


def now(conninfo: str) -> datetime:
    ((instant,),) = fetch(conninfo, "SELECT clock_timestamp()")
    assert isinstance(instant, datetime)
    return instant


def names(conninfo: str) -> list[str]:
    rows = fetch(conninfo, "SELECT display_name FROM read_model.entity_version WHERE is_current ORDER BY entity_uid")
    return [name for (name,) in rows]


def checkpoint(conninfo: str) -> tuple[datetime, datetime, datetime]:
    (row,) = fetch(conninfo, "SELECT recorded_at, clock_at, settled_at FROM read_model.checkpoint")
    return row


def test_a_scheduled_change_becomes_effective_within_a_second_announced_and_once(
    database: str, capfd: pytest.CaptureFixture[str]
) -> None:
    add(database, 1, JOHN)
    add(database, 2, JOHN)

    async def work() -> None:
        async with working(database):
            await come_true(lambda: names(database) == ["John", "John"])
            due = now(database) + timedelta(seconds=2)
            add(database, 1, EntityRevised(display_name="Jo", details={"EMAIL": None}), effective_at=due)
            last = add(database, 2, EntityRetired(), effective_at=due)
            with psycopg.connect(database, autocommit=True) as listening:
                await come_true(lambda: fetch(database, "SELECT position FROM read_model.checkpoint") == [(last,)])
                assert names(database) == ["John", "John"]
                listening.execute("LISTEN cockpit_projected")
                await asyncio.to_thread(lambda: list(listening.notifies(timeout=10, stop_after=1)))
            assert names(database) == ["Jo"]
            _, clock_at, _ = checkpoint(database)
            assert due <= clock_at < due + timedelta(seconds=1)

    run(work())
    said = "".join(capfd.readouterr())
    assert re.findall(r"became effective.*?count=.*?(\d+)", re.sub(r"\x1b\[\d*m", "", said)) == ["5"]


def test_what_fell_due_while_no_projector_ran_is_caught_up(database: str) -> None:
    due = now(database) + timedelta(seconds=2)
    add(database, 1, JOHN)
    add(database, 1, revised("Jo"), effective_at=due)
    run(fold_all(database))
    assert names(database) == ["John"]

    async def work() -> None:
        await come_true(lambda: now(database) > due)
        async with working(database):
            await come_true(lambda: names(database) == ["Jo"])

    run(work())


def test_a_batch_lets_what_fell_due_meanwhile_become_current_and_forgets_nothing_that_falls_due_later(
    database: str,
) -> None:
    start = now(database)
    add(database, 1, JOHN)
    falling_due = ("Jo", 2), ("Jack", 3)  # late enough for a busy machine to fold them before
    for name, seconds in falling_due:
        add(database, 1, revised(name), effective_at=start + timedelta(seconds=seconds))

    async def work() -> None:
        async with projecting(database) as (_, projection):
            await projection.advance(10)
            assert names(database) == ["John"]
            for name, seconds in falling_due:
                due = start + timedelta(seconds=seconds)
                await come_true(lambda due=due: now(database) > due)  # type: ignore[misc]
                add(database, 2, JOHN if name == "Jo" else revised("Other"))
                batch = await projection.advance(10)
                assert batch is not None
                assert batch.flipped == 2
                assert names(database)[0] == name

    run(work())


def test_a_projection_that_another_has_overtaken_neither_flips_nor_settles(database: str) -> None:
    add(database, 1, JOHN)

    async def work() -> None:
        async with projecting(database) as (_, first), projecting(database) as (_, zombie):
            await first.advance(1)
            before = checkpoint(database)
            with pytest.raises(Fenced):
                await zombie.fall_due()
            assert await zombie.settle() is False
            assert checkpoint(database) == before
            assert await first.settle()
            assert checkpoint(database)[2] > before[2]

    run(work())


def test_what_was_settled_a_while_ago_is_settled_up_to_now_and_at_once_for_who_asks(database: str) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    execute(database, "UPDATE read_model.checkpoint SET settled_at = now() - interval '2 minutes'")

    async def work() -> None:
        async with working(database, poll_seconds=0.2):
            await come_true(lambda: checkpoint(database)[2] > checkpoint(database)[0])
        assert checkpoint(database)[2] < now(database)
        async with working(database, poll_seconds=30):
            wanted = now(database)

            def is_settled() -> bool:
                execute(database, "NOTIFY cockpit_settle")
                return checkpoint(database)[2] >= wanted

            await come_true(is_settled)

    run(work())


def test_nothing_is_settled_while_somebody_appends_and_then_it_is(database: str) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    before = checkpoint(database)[2]

    async def work() -> None:
        async with projecting(database) as (_, projection):
            with psycopg.connect(database) as appending:
                append(appending, Append(stream=entity_stream(uid(2)), events=[JOHN]))
                assert await projection.settle() is False
                appending.commit()
            assert await projection.settle() is False
            assert checkpoint(database)[2] == before
            assert await projection.advance(10)
            assert checkpoint(database)[2] == checkpoint(database)[0] > before

    run(work())


FALLING_DUE: dict[str, dict[str, Any]] = {
    "projector/read_outlook": {},
    "projector/clear_current": {"after": day(1000), "clock": day(1001)},
    "projector/set_current": {"after": day(1000), "clock": day(1001)},
    "projector/read_open_entities": {"uids": [uid(1)]},
    "projector/read_open_details": {"uids": [uid(1)], "codes": ["EMAIL"]},
    "projector/read_entity_rows": {"uids": [uid(1)]},
    "projector/read_detail_rows": {"uids": [uid(1)]},
}


COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = 'read_model' AND table_name = %s
  AND column_name NOT IN ('id', 'entity_uid', 'valid_from', 'is_current', 'asserted_to')
  AND column_name NOT LIKE 'valid_to%%'
"""


@pytest.fixture(scope="module")
def filled(clone: Clone) -> Any:
    """A read model with rows enough that to read them all would show."""
    with clone() as database:
        Histories(1).extend(database, 60)
        run(fold_all(database))
        for table in ("entity_version", "entity_detail_version"):
            rest = ", ".join(name for (name,) in fetch(database, COLUMNS, table))
            execute(
                database,
                f"INSERT INTO read_model.{table} (id, entity_uid, valid_from, is_current, asserted_to, {rest})"  # noqa: S608
                " SELECT n, gen_random_uuid(), '2000-01-01'::timestamptz + n * interval '1 hour', false, now(),"
                f" {rest}"
                f" FROM generate_series(1, 6000) n, (SELECT {rest} FROM read_model.{table} LIMIT 1) v",
            )
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
        yield database


@pytest.mark.parametrize("name", FALLING_DUE)
def test_what_falls_due_and_what_is_open_is_found_by_index(filled: str, name: str) -> None:
    with psycopg.connect(Dsns(filled).of("project")) as connection:
        explain = "EXPLAIN (FORMAT JSON) " + statement(name)
        ((plan,),) = connection.execute(explain.encode(), FALLING_DUE[name]).fetchall()
        assert "Index" in str(plan)
        assert not re.search("'Seq Scan', .{0,200}_version", str(plan)), plan
