"""An event that is skipped lets its entity go on; one entity is made anew beside a projector that leads."""

from __future__ import annotations

import psycopg
import pytest

from db.pool import Dsns
from projector.batch import Fenced
from projector.refold import Refolded, refold
from projector.verify import verify
from shared.core.events import EventSkipped, ExternalKeyClaimed, external_key_stream
from tests import oracle
from tests.appending import Append, append
from tests.integration.projecting import (
    JOHN,
    Histories,
    add,
    execute,
    fetch,
    fold_all,
    projecting,
    revised,
    run,
    tables,
    tamper,
    uid,
)
from tests.oracle_log import read_log

UNKNOWN = "UPDATE {} SET type = 'EntityVanished', schema_version = 7 WHERE position = 2"


async def anew(conninfo: str, number: int = 1) -> Refolded | None:
    async with await psycopg.AsyncConnection.connect(Dsns(conninfo).of("project"), autocommit=True) as connection:
        return await refold(connection, uid(number))


def names(conninfo: str) -> list[str]:
    query = "SELECT display_name FROM read_model.entity_version WHERE entity_uid = %s ORDER BY valid_from"
    return [name for (name,) in fetch(conninfo, query, uid(1))]


def event_id(conninfo: str, position: int) -> object:
    return fetch(conninfo, "SELECT event_id FROM log.event WHERE position = %s", position)[0][0]


def check(conninfo: str) -> None:
    """Hold the tables against the oracle; the log was tampered with, so its chain is left out."""
    with psycopg.connect(conninfo) as connection:
        log = read_log(connection)
        ((clock,),) = connection.execute("SELECT clock_at FROM read_model.checkpoint").fetchall()
        for table, rows in oracle.expected_tables(log, clock).items():
            oracle._compare(table, rows, oracle._read(connection, table))


@pytest.mark.parametrize("limit", [1, 100])
def test_a_skipped_event_asserts_nothing_and_what_was_parked_behind_it_is_folded(
    unchecked_database: str, limit: int
) -> None:
    database = unchecked_database
    add(database, 1, JOHN, revised("lost"), revised("behind"))
    tamper(database, UNKNOWN)
    run(fold_all(database, limit))
    assert names(database) == ["John"]
    skipping = EventSkipped(event_id(database, 2))  # type: ignore[arg-type]  # a uuid
    add(database, 1, skipping, revised("after"))
    add(database, 2, JOHN)
    run(fold_all(database, limit))
    assert names(database) == ["John", "behind", "after"]
    assert fetch(database, "SELECT * FROM read_model.parked_event") == []
    check(database)
    add(database, 1, revised("later"))
    run(fold_all(database, limit))
    assert names(database) == ["John", "behind", "after", "later"]
    check(database)


def test_a_skipped_registration_leaves_an_entity_without_existence(unchecked_database: str) -> None:
    database = unchecked_database
    add(database, 1, JOHN)
    tamper(database, UNKNOWN.replace("position = 2", "position = 1"))
    run(fold_all(database))
    add(database, 1, EventSkipped(event_id(database, 1)))  # type: ignore[arg-type]  # a uuid
    run(fold_all(database))
    assert fetch(database, "SELECT version, registered_at FROM read_model.entity_head") == [(2, None)]
    check(database)


def test_a_second_event_that_cannot_be_folded_is_parked_when_the_first_is_skipped(unchecked_database: str) -> None:
    database = unchecked_database
    add(database, 1, JOHN, revised("lost"), revised("lost too"), revised("behind"))
    tamper(database, UNKNOWN.replace("position = 2", "position IN (2, 3)"))
    run(fold_all(database))
    add(database, 1, EventSkipped(event_id(database, 2)))  # type: ignore[arg-type]  # a uuid
    run(fold_all(database))
    assert fetch(database, "SELECT position FROM read_model.parked_event ORDER BY 1") == [(3,), (4,), (5,)]


def test_one_entity_is_made_anew_and_nothing_else_is_touched(database: str) -> None:
    Histories(5).extend(database, 80)
    run(fold_all(database))
    right = tables(database)
    execute(
        database,
        f"UPDATE read_model.entity_version SET display_name = 'damaged' WHERE entity_uid = '{uid(1)}'",  # noqa: S608
        f"DELETE FROM read_model.audit_entry WHERE entity_uid = '{uid(1)}'",  # noqa: S608
    )
    assert tables(database) != right
    run_and_compare = []

    async def work() -> None:
        async with projecting(database) as (_, projection):
            found = await anew(database)
            assert found is not None
            run_and_compare.append(found)
            add(database, 7, JOHN)
            with pytest.raises(Fenced):
                await projection.advance(10)

    run(work())
    (found,) = run_and_compare
    assert found.parked == []
    assert (found.position, found.events > 0, found.rows > 0) == (80, True, True)
    assert tables(database) == right
    run(fold_all(database))


def test_an_entity_that_the_log_does_not_have_is_not_made_anew(database: str) -> None:
    async def work() -> None:
        assert await anew(database, 9) is None

    run(work())


def test_a_release_that_can_fold_what_was_parked_takes_it_up(unchecked_database: str) -> None:
    database = unchecked_database
    add(database, 1, JOHN, revised("once unknown"), revised("behind"))
    tamper(database, UNKNOWN)
    run(fold_all(database))
    tamper(database, "UPDATE {} SET type = 'EntityRevised', schema_version = 1 WHERE position = 2")

    async def work() -> None:
        found = await anew(database)
        assert found is not None
        assert found.parked == []

    run(work())
    assert names(database) == ["John", "once unknown", "behind"]
    check(database)


def test_a_claim_of_a_key_is_folded_once_and_a_second_one_is_parked(database: str) -> None:
    add(database, 1, JOHN)
    stream, claim = external_key_stream("legacy", "4:2"), ExternalKeyClaimed("legacy", "4:2", uid(1))
    with psycopg.connect(database) as connection:
        append(connection, Append(stream=stream, events=[claim]), Append(stream=stream, events=[claim]))
        append(connection, Append(stream=external_key_stream("legacy", "5"), events=[claim]))
    run(fold_all(database))
    keys = fetch(database, "SELECT source, external_id, entity_uid, position FROM read_model.external_key")
    assert keys == [("legacy", "4:2", uid(1), 2)]
    assert fetch(database, "SELECT position FROM read_model.parked_event ORDER BY 1") == [(3,), (4,)]
    assert verify(Dsns(database).of("project")).parked == 2
