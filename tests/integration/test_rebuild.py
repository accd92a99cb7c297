"""A rebuild: whatever was in the tables, they are what the log says; nobody notices, and what differed is told."""

from __future__ import annotations

import asyncio
from threading import Timer

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.pool import Dsns
from projector.rebuild import NoSwitch, RolledBack
from projector.runs import LOCK, Runs
from projector.sets import CannotMakeSet, NotKept
from projector.verify import verify
from shared.core.errors import UnderWay
from shared.core.events import EventSkipped
from tests import oracle
from tests.integration.projecting import (
    JOHN,
    Histories,
    add,
    come_true,
    execute,
    fetch,
    fold_all,
    revised,
    run,
    tables,
    tamper,
    working,
)
from tests.integration.rebuilding import at_each_phase, done, last_run, reading, rebuilt

PHASES = ["load", "index", "catch_up", "compare", "switch"]


def folded(conninfo: str, seed: int = 1, events: int = 100) -> Histories:
    histories = Histories(seed)
    histories.extend(conninfo, events)
    asyncio.run(fold_all(conninfo))
    return histories


def name_of_john(conninfo: str) -> list[str]:
    with reading(conninfo) as connection:
        return [name for (name,) in connection.execute("SELECT display_name FROM entity_version ORDER BY id")]


def test_it_brings_back_what_was_damaged_and_tells_where(database: str) -> None:
    folded(database)
    right = tables(database)
    execute(
        database,
        "DELETE FROM read_model.entity_version",
        "UPDATE read_model.entity_head SET version = 99",
        "INSERT INTO read_model.parked_event VALUES (5, 'x', '')",
        "DROP INDEX read_model.entity_version_starts",
    )
    outcome = rebuilt(database)
    assert tables(database) == right
    differences = {difference.table: difference for difference in outcome.differences}
    assert differences.keys() == {"entity_head", "entity_version", "parked_event"}
    assert differences["entity_version"].rows == len(right["entity_version"])
    assert (differences["entity_head"].column, differences["entity_head"].live) == ("version", "99")
    assert (differences["parked_event"].key, differences["parked_event"].anew) == ("5", None)
    assert last_run(database)["phase"] == "done"
    assert fetch(database, "SELECT to_regclass('read_model.entity_version_starts') IS NOT NULL") == [(True,)]
    assert rebuilt(database).differences == []
    assert tables(database) == right


@pytest.mark.parametrize(
    ("table", "change", "column"),
    [
        ("entity_version", "is_current = NOT is_current", "is_current"),
        ("audit_entry", """before_value = '{"x": 1}'""", "before_value"),
        ("entity_head", "schedule = schedule || now()", "schedule"),
        ("detail_type", "description = description || 'x'", "description"),
    ],
)
def test_one_cell_of_any_kind_is_a_difference(database: str, table: str, change: str, column: str) -> None:
    folded(database, 2)
    execute(
        database,
        f"UPDATE read_model.{table} SET {change} WHERE ctid = (SELECT ctid FROM read_model.{table} LIMIT 1)",  # noqa: S608
    )
    (difference,) = rebuilt(database).differences
    assert (difference.table, difference.rows, difference.column) == (table, 1, column)


def test_an_empty_log_makes_an_empty_read_model(database: str) -> None:
    assert rebuilt(database).position == 0
    assert not any(tables(database).values())


def test_what_is_written_and_folded_in_any_phase_is_in_the_new_tables(database: str) -> None:
    histories = folded(database, 3)
    phases: list[str] = []

    def write(phase: str) -> None:
        phases.append(phase)
        if phase in PHASES:
            histories.extend(database, 300 if phase == "index" else 7)
            asyncio.run(fold_all(database))

    outcome = rebuilt(database, tell=at_each_phase(write))
    assert phases == [*PHASES, "done"]
    assert outcome.differences == []
    assert outcome.position == fetch(database, "SELECT max(position) FROM log.event")[0][0]


def test_where_no_projector_runs_the_rest_of_the_log_is_folded_too(database: str) -> None:
    histories = folded(database, 4)
    histories.extend(database, 50)
    assert rebuilt(database).position == 150


def test_a_projector_that_leads_goes_on_with_the_new_tables(database: str) -> None:
    add(database, 1, JOHN)

    async def work() -> None:
        async with working(database):
            await come_true(lambda: name_of_john(database) == ["John"])
            execute(database, "UPDATE read_model.entity_version SET display_name = 'Wrong'")
            await asyncio.to_thread(rebuilt, database)
            assert name_of_john(database) == ["John"]
            position = add(database, 2, JOHN)
            await come_true(lambda: fetch(database, "SELECT position FROM read_model.checkpoint") == [(position,)])

    run(work())
    assert fetch(database, "SELECT retired FROM read_model_previous.checkpoint") == [(True,)]


def test_a_read_that_began_before_goes_on_and_prepared_statements_find_the_new_tables(database: str) -> None:
    add(database, 1, JOHN, revised("Jo"))
    run(fold_all(database))
    execute(database, "UPDATE read_model.entity_version SET display_name = 'Wrong'")
    names = "SELECT display_name FROM entity_version ORDER BY id"
    with reading(database) as slow, reading(database) as prepared:
        for _ in range(2):
            assert prepared.execute(names, prepare=True).fetchone() == ("Wrong",)
        with slow.transaction(), slow.cursor("slow") as cursor:
            cursor.execute(names)
            assert cursor.fetchone() == ("Wrong",)
            rebuilt(database)
            assert cursor.fetchall() == [("Wrong",)]
            assert slow.execute(names).fetchone() == ("John",)
        assert prepared.execute(names, prepare=True).fetchall() == [("John",), ("Jo",)]


def test_a_reader_of_the_set_before_delays_its_end_and_blocks_nobody(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    monkeypatch.setattr("projector.rebuild.PATIENCE_SECONDS", 0.0)
    with reading(database) as slow, slow.transaction():
        slow.execute("SELECT * FROM entity_version")
        rebuilt(database)
        with pytest.raises(NoSwitch):
            rebuilt(database)
        assert name_of_john(database) == ["John"]
    assert last_run(database)["phase"] == "failed"
    rebuilt(database)


def test_only_to_compare_changes_nothing_and_leaves_nothing(database: str) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    assert rebuilt(database, "check").differences == []
    execute(database, "UPDATE read_model.entity_version SET display_name = 'Wrong'")
    outcome = rebuilt(database, "check")
    assert [(one.table, one.live, one.anew) for one in outcome.differences] == [("entity_version", "Wrong", "John")]
    assert not outcome.switched
    assert name_of_john(database) == ["Wrong"]
    assert fetch(database, "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'read_model_')") == []
    rebuilt(database)


def test_a_roll_back_goes_to_the_tables_before_brought_up_to_the_log(unchecked_database: str) -> None:
    database = unchecked_database
    add(database, 1, JOHN)
    run(fold_all(database))
    with pytest.raises(NotKept):
        done(database, "rollback")
    execute(database, "UPDATE read_model.entity_version SET display_name = 'Wrong'")
    rebuilt(database)
    for number, expected in ((2, "Wrong"), (3, "John"), (4, "Wrong")):
        position = add(database, number, revised("before it is registered: parked"), JOHN)
        run(fold_all(database))
        outcome = done(database, "rollback")
        assert isinstance(outcome, RolledBack)
        assert outcome.position == position
        assert name_of_john(database)[0] == expected
        add(database, 1, revised(f"{expected} {number}"))
        run(fold_all(database))
    assert len(fetch(database, "SELECT * FROM read_model.parked_event")) == 6
    assert len(rebuilt(database).differences) > 0
    verify(Dsns(database).of("project"))


@pytest.mark.parametrize("kind", ["rebuild", "rollback"])
def test_tables_of_an_older_schema_are_never_switched_to(database: str, kind: str) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    rebuilt(database)
    newer = "INSERT INTO public.cockpit_migration VALUES ('9999_newer.sql', '')"
    if kind == "rollback":
        execute(database, newer)
        with pytest.raises(CannotMakeSet, match="A migration has been applied since"):
            done(database, "rollback")
    else:

        def migrate(phase: str) -> None:
            if phase == "compare":
                execute(database, newer)

        with pytest.raises(CannotMakeSet, match="was made before migration 9999_newer"):
            rebuilt(database, tell=at_each_phase(migrate))
    assert last_run(database)["phase"] == "failed"
    assert name_of_john(database) == ["John"]
    rebuilt(database)


def test_it_waits_for_who_migrates(database: str) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    with psycopg.connect(database, autocommit=True) as migrating:
        ends = Timer(1.0, lambda: migrating.execute("SELECT pg_advisory_unlock(4011, 2)"))

        def migrate(phase: str) -> None:
            if phase == "switch":
                migrating.execute("SELECT pg_advisory_lock(4011, 2)")
                ends.start()

        assert rebuilt(database, tell=at_each_phase(migrate)).seconds > 1
        ends.join()


def test_one_goes_on_at_a_time_and_what_was_left_has_failed(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("projector.runs.LOCK_SECONDS", 0.2)
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", LOCK)
        with pytest.raises(UnderWay):
            rebuilt(database)
    with psycopg.connect(Dsns(database).of("project"), autocommit=True) as connection:
        Runs(connection).add("rebuild", "left")
    execute(
        database, "CREATE SCHEMA read_model_next", "CREATE TABLE read_model_next.entity_version (left_over integer)"
    )
    rebuilt(database)
    assert fetch(database, "SELECT phase FROM projection.rebuild ORDER BY id") == [("failed",), ("done",)]


@pytest.mark.parametrize(
    "broken",
    [
        "DELETE FROM read_model.checkpoint",
        "DROP TABLE read_model.checkpoint",
        "DROP TABLE read_model.entity_version CASCADE",
        "DROP TABLE read_model.audit_entry CASCADE; DROP TABLE read_model.parked_event",
    ],
)
def test_a_read_model_of_no_use_is_made_anew_whatever_is_missing(database: str, broken: str) -> None:
    folded(database, 5)
    right = tables(database)
    execute(database, *broken.split("; "))
    outcome = rebuilt(database)
    assert (outcome.compared, outcome.position) == (False, 100)
    assert tables(database) == right
    verify(Dsns(database).of("project"))


def test_parked_and_skipped_events_are_so_in_the_new_tables_too(unchecked_database: str) -> None:
    database = unchecked_database
    add(database, 1, JOHN, revised("lost"), revised("behind"))
    add(database, 2, JOHN, revised("lost"), revised("behind"))
    unknown = "UPDATE {} SET type = 'EntityVanished', schema_version = 7 WHERE position IN (2, 5)"
    tamper(database, unknown)
    run(fold_all(database))
    ((event_id,),) = fetch(database, "SELECT event_id FROM log.event WHERE position = 2")
    add(database, 1, EventSkipped(event_id))
    run(fold_all(database))
    before = tables(database)
    assert rebuilt(database).differences == []
    assert tables(database) == before
    assert fetch(database, "SELECT position FROM read_model.parked_event ORDER BY 1") == [(5,), (6,)]
    add(database, 2, revised("behind, too"))
    run(fold_all(database))
    assert fetch(database, "SELECT position FROM read_model.parked_event ORDER BY 1") == [(5,), (6,), (8,)]
    assert rebuilt(database).differences == []


def test_a_login_that_is_a_projector_and_nothing_else_does_it_all(database: str) -> None:
    folded(database, 6)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE ROLE rebuilding_projector LOGIN PASSWORD 'secret' IN ROLE cockpit_projector")
        try:
            own = make_conninfo(
                database, user="rebuilding_projector", password="secret", options="-c search_path=read_model"
            )
            assert rebuilt(database, dsn=own).switched
            assert isinstance(done(database, "rollback", dsn=own), RolledBack)
            with psycopg.connect(own) as projector, pytest.raises(psycopg.errors.InsufficientPrivilege):
                projector.execute("DROP SCHEMA read_model_previous CASCADE")
            with (
                psycopg.connect(own) as projector,
                pytest.raises(psycopg.DatabaseError, match="no set that may be dropped"),
            ):
                projector.execute("SELECT projection.drop_set('log')")
        finally:
            connection.execute("DROP ROLE rebuilding_projector")
    with psycopg.connect(Dsns(database).of("read")) as reader, pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("SELECT projection.begin_set()")
    with psycopg.connect(database) as checking:
        oracle.check(checking)


def test_what_hangs_on_the_tables_themselves_stands_in_the_way(database: str) -> None:
    execute(database, "CREATE SCHEMA bi", "CREATE VIEW bi.names AS SELECT display_name FROM read_model.entity_version")
    with pytest.raises(CannotMakeSet, match=r"^Bi\.names hangs on the tables of read_model themselves"):
        rebuilt(database)
    execute(database, "DROP VIEW bi.names")
    rebuilt(database)
    execute(database, "CREATE VIEW bi.names AS SELECT display_name FROM read_model_previous.entity_version")
    with pytest.raises(CannotMakeSet, match=r"^Bi\.names hangs on the tables of read_model_previous"):
        rebuilt(database)
