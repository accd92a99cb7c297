"""A rebuild: whatever was in the tables, they are what the log says; nobody notices, and what differed is told."""

from __future__ import annotations

import asyncio

import pytest

from db.pool import Dsns
from projector.rebuild import NoSwitch, RolledBack
from projector.sets import NotKept
from projector.verify import verify
from shared.core.events import EventSkipped
from tests.integration.projecting import (
    JOHN,
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
from tests.integration.rebuilding import at_each_phase, done, folded, last_run, name_of_john, reading, rebuilt

PHASES = ["load", "index", "catch_up", "compare", "switch"]


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


@pytest.mark.parametrize(
    "broken",
    [
        "DELETE FROM read_model.checkpoint",
        "UPDATE read_model.checkpoint SET position = 999",
        "DROP TABLE read_model.checkpoint",
        "DROP TABLE read_model.entity_version CASCADE",
        "DROP TABLE read_model.audit_entry CASCADE; DROP TABLE read_model.parked_event",
    ],
)
def test_a_read_model_of_no_use_is_made_anew_whatever_is_missing(database: str, broken: str) -> None:
    folded(database, 5)
    right = tables(database)
    execute(database, *broken.split("; "))
    add(database, 77, JOHN)  # nobody folds it, the read model being of no use
    outcome = rebuilt(database)
    assert (outcome.compared, outcome.position) == (False, 101)
    assert all(set(rows) <= set(tables(database)[table]) for table, rows in right.items())
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
