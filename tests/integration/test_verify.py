"""`verify` finds any one cell that is wrong in the read model, and any event that was tampered with."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from db.pool import Dsns
from projector import verify as verifying
from projector.verify import BrokenLog, BrokenObject, Different, Verified, verify
from shared.core.events import (
    REGISTRY_STREAM,
    EntityRetired,
    EntityRevised,
    Event,
    ExternalKeyClaimed,
    Kind,
    TypeRegistered,
    external_key_stream,
)
from tests.appending import Append, append
from tests.conftest import Clone
from tests.integration.projecting import JOHN, TABLES, add, execute, fold_all, revised, tamper, uid
from tests.integration.rebuilding import rebuilt


def small_history(conninfo: str) -> None:
    """Write and fold a small history: rows current, closed, superseded and to come, types, a retirement."""
    with psycopg.connect(conninfo) as connection:
        for kind in Kind:
            append(connection, Append(stream=REGISTRY_STREAM, events=[TypeRegistered(kind, "PERSON", "Person")]))
    add(conninfo, 1, JOHN, revised("Jo"))
    add(conninfo, 2, JOHN, EntityRetired())
    both = EntityRevised(display_name="Jo", details={"EMAIL": None})
    for event, year in ((JOHN, 2020), (both, 2022), (both, 2021), (revised("Jay"), 2200)):
        add(conninfo, 3, event, effective_at=datetime(year, 1, 1, tzinfo=UTC))
    with psycopg.connect(conninfo) as connection:
        claim = ExternalKeyClaimed("legacy", "42", uid(3))
        append(connection, Append(stream=external_key_stream("legacy", "42"), events=[claim]))
    asyncio.run(fold_all(conninfo))


@pytest.fixture
def folded(clone: Clone) -> Iterator[str]:
    """A database of the test's own with a small history, folded."""
    with clone(small_history) as conninfo:
        yield conninfo


def verified(conninfo: str) -> Verified:
    return verify(Dsns(conninfo).of("project"))


def columns(conninfo: str, table: str) -> list[tuple[str, str]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(
            "SELECT column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'read_model' AND table_name = %s ORDER BY ordinal_position",
            [table],
        ).fetchall()


OTHER = {
    "bigint": "coalesce({0}, 0) + 1000",
    "integer": "{0} + 1",
    "smallint": "{0} + 1",
    "text": "coalesce({0}, '') || 'x'",
    "uuid": "gen_random_uuid()",
    "timestamp with time zone": "coalesce({0} + interval '1 microsecond', '2001-01-01')",
    "ARRAY": "{0} || now()",
    "boolean": "NOT {0}",
    "json": """'{{"x": 1}}'""",
}


@pytest.mark.parametrize("table", TABLES)
def test_one_wrong_cell_in_any_column_is_found(folded: str, table: str) -> None:
    right = verified(folded)
    assert (right.events, right.parked) == (11, 0)
    where = sql.Identifier("read_model", table)
    wrong = sql.SQL(
        "UPDATE {0} SET {1} = {2} WHERE ctid ="
        " (SELECT ctid FROM {0} ORDER BY 1 OFFSET {3} * (SELECT count(*) - 1 FROM {0}) LIMIT 1)"
    )
    with psycopg.connect(folded, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE TABLE saved AS TABLE {}").format(where))
        # so that any cell can be wrong, not those alone that the constraints let through
        connection.execute(
            sql.SQL("ALTER TABLE {0} RENAME TO set_aside; CREATE TABLE {0} AS TABLE saved").format(where)
        )
        connection.execute(sql.SQL("GRANT SELECT ON {} TO cockpit_projector").format(where))
        for column, kind in columns(folded, table):
            name = sql.Identifier(column)
            for last in (0, 1):
                connection.execute(wrong.format(where, name, sql.SQL(OTHER[kind]).format(name), sql.Literal(last)))
                with pytest.raises(Different) as found:
                    verified(folded)
                assert found.value.table == table, (column, str(found.value))
                connection.execute(sql.SQL("TRUNCATE {0}; INSERT INTO {0} TABLE saved").format(where))
        aside = sql.Identifier("read_model", "set_aside")
        with pytest.raises(BrokenObject):
            verified(folded)
        connection.execute(sql.SQL("DROP TABLE {}").format(where))
        connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(aside, sql.Identifier(table)))
    assert verified(folded) == right


@pytest.mark.parametrize("table", TABLES)
def test_a_row_too_few_or_too_many_is_found(folded: str, table: str) -> None:
    execute(folded, f"CREATE TABLE saved AS TABLE read_model.{table}", f"TRUNCATE read_model.{table}")
    with pytest.raises(Different, match=table):
        verified(folded)
    execute(folded, f"INSERT INTO read_model.{table} TABLE saved")
    verified(folded)
    key = columns(folded, table)[0]
    other = "'stranger'" if key[1] == "text" else OTHER[key[1]].format(key[0])
    rest = ", ".join(name for name, _ in columns(folded, table)[1:])
    if table == "entity_version":
        rest = rest.replace("entity_uid", "gen_random_uuid()")
    if table == "entity_detail_version":
        rest = rest.replace("entity_uid", "gen_random_uuid()")
    if table == "external_key":
        rest = rest.replace("external_id", "'another'")
    execute(folded, f"INSERT INTO read_model.{table} SELECT {other}, {rest} FROM saved LIMIT 1")  # noqa: S608
    with pytest.raises(Different, match=table):
        verified(folded)


STRAY = """
INSERT INTO read_model.audit_entry
SELECT {0}, {0} / 65536, actor, recorded_at, '{1}', table_name, operation, detail_code, before_value, after_value,
       request_id, ip_address, user_agent, event_id, reason
FROM read_model.audit_entry LIMIT 1
"""


@pytest.mark.parametrize("ordinal", [0, 7])
@pytest.mark.parametrize("position", [1, 4, 11, 99])  # of the registry, of another entity, of a key, of nothing
def test_an_entry_of_no_event_of_its_entity_is_named(folded: str, position: int, ordinal: int) -> None:
    stray = position * 65536 + ordinal
    taken = "DELETE FROM read_model.audit_entry WHERE audit_id = {}"
    execute(folded, *([taken.format(stray)] if position == 4 else []), STRAY.format(stray, uid(3)))
    with pytest.raises(Different, match=f"audit_entry {stray}, "):
        verified(folded)


TAMPERED = {
    "a payload": ("UPDATE {} SET payload = '{{}}' WHERE position = 3", 3, "its payload"),
    "a digest": ("UPDATE {} SET payload_digest = sha256('') WHERE position = 3", 3, "its payload"),
    "a link": ("UPDATE {} SET link = sha256('') WHERE position = 3", 3, "its link"),
    "an actor": ('UPDATE {} SET metadata = \'{{"actor": "x"}}\' WHERE position = 4', 4, "its link"),
    "an instant": ("UPDATE {} SET effective_at = '2000-01-01' WHERE position = 4", 4, "its link"),
    "a recorded time": ("UPDATE {} SET recorded_at = '2000-01-01' WHERE position = 4", 4, "recorded before"),
    "a version": ("UPDATE {} SET version = 99 WHERE position = 4", 4, "its link"),
    "an event that is gone": ("DELETE FROM {} WHERE position = 4", 5, "a gap before it"),
    "a first event that is gone": ("DELETE FROM {} WHERE position = 1", 2, "a gap before it"),
}


@pytest.mark.parametrize(("change", "position", "fault"), TAMPERED.values(), ids=TAMPERED)
def test_an_event_that_was_tampered_with_is_found(folded: str, change: str, position: int, fault: str) -> None:
    tamper(folded, change)
    with pytest.raises(BrokenLog, match=f"Event {position} of the log: .*{fault}"):
        verified(folded)


CHECKPOINT = {
    "beyond the end of the log": (
        "UPDATE {} SET position = 99",
        "checkpoint read_model, position: .*no event after 11",
    ),
    "of another instant": ("UPDATE {} SET recorded_at = '2020-01-01'", "checkpoint read_model, recorded_at: "),
    "that is retired": ("UPDATE {} SET retired = true", "checkpoint read_model, retired: "),
    "that is gone": ("DELETE FROM {}", "checkpoint read_model, name: "),
}


@pytest.mark.parametrize(("change", "fault"), CHECKPOINT.values(), ids=CHECKPOINT)
def test_a_checkpoint_that_the_log_does_not_bear_out_is_found(folded: str, change: str, fault: str) -> None:
    execute(folded, change.format("read_model.checkpoint"))
    with pytest.raises(Different, match=fault):
        verified(folded)


def test_a_stream_with_a_version_missing_is_found_though_every_link_fits(folded: str) -> None:
    tamper(
        folded,
        "UPDATE {0} e SET version = 2, link = log.link(p.link, e.position, e.event_id, e.stream, 2, e.type,"
        " e.schema_version, e.effective_at, e.effective_until, e.recorded_at, e.command_id, e.ordinal,"
        " e.metadata::text, e.payload_digest) FROM {0} p WHERE e.position = 11 AND p.position = 10",
    )
    fault = "Event 11 of the log: version 2 of external_key:legacy:42, where version 1 is due"
    with pytest.raises(BrokenLog, match=fault):
        verified(folded)


OBJECTS = {
    "a missing index": ("DROP INDEX read_model.entity_version_starts", "index .*entity_version_starts is missing"),
    "a missing constraint": (
        "ALTER TABLE read_model.entity_version DROP CONSTRAINT exclude_overlapping_entities",
        "constraint .*exclude_overlapping_entities is missing",
    ),
    "a constraint that is not valid": (
        (
            "ALTER TABLE read_model.entity_version DROP CONSTRAINT entity_version_not_empty, ADD CONSTRAINT"
            " entity_version_not_empty CHECK (valid_from < valid_to) NOT VALID"
        ),
        "constraint .*entity_version_not_empty is not valid",
    ),
    "a weaker constraint": (
        (
            "ALTER TABLE read_model.entity_version DROP CONSTRAINT entity_version_not_empty, ADD CONSTRAINT"
            " entity_version_not_empty CHECK (valid_from <= valid_to)"
        ),
        "constraint .*entity_version_not_empty is not the one",
    ),
    "a missing function": (
        "DROP FUNCTION read_model.differing_between",
        "function read_model.differing_between.* is missing",
    ),
    "a missing table": ("DROP TABLE read_model.external_key", "table read_model.external_key is missing"),
    "a missing trigger": ("DROP TRIGGER event_is_immutable ON log.event", "trigger .*event_is_immutable is missing"),
    "a trigger that is switched off": (
        "ALTER TABLE log.event DISABLE TRIGGER event_is_not_truncated",
        "trigger .*event_is_not_truncated is not valid, or switched off",
    ),
    "a function that refuses nothing": (
        "CREATE OR REPLACE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "function log.refuse_change.* is not the one",
    ),
}


@pytest.mark.parametrize(("change", "fault"), OBJECTS.values(), ids=OBJECTS)
def test_what_the_migrations_made_must_be_there_and_valid(folded: str, change: str, fault: str) -> None:
    verified(folded)
    execute(folded, change)
    with pytest.raises(BrokenObject, match=fault):
        verified(folded)


def test_parked_events_are_left_out_and_the_rest_is_compared_all_the_same(folded: str) -> None:
    events: list[Event] = [TypeRegistered(Kind.ENTITY, "X", "X"), revised("behind")]
    add(folded, 1, *events)
    with psycopg.connect(folded) as connection:
        append(connection, Append(stream=REGISTRY_STREAM, events=[JOHN]))
    asyncio.run(fold_all(folded))
    assert verified(folded).parked == 3
    john = f"valid_to IS NULL AND entity_uid = '{uid(1)}'"
    execute(folded, f"UPDATE read_model.entity_version SET display_name = 'x' WHERE {john}")  # noqa: S608  # ours
    with pytest.raises(Different, match="display_name"):
        verified(folded)
    execute(folded, f"UPDATE read_model.entity_version SET display_name = 'Jo' WHERE {john}")  # noqa: S608  # ours
    execute(folded, "UPDATE read_model.entity_type SET name = 'x'")
    with pytest.raises(Different, match="entity_type PERSON, name"):
        verified(folded)


def test_an_entity_s_stream_that_names_no_uuid_is_parked_and_nothing_else(unchecked_database: str) -> None:
    with psycopg.connect(unchecked_database) as connection:
        append(connection, Append(stream="entity:nobody", events=[JOHN]))
    last = add(unchecked_database, 1, JOHN)
    asyncio.run(fold_all(unchecked_database))
    right = verified(unchecked_database)
    assert (right.position, right.parked) == (last, 1)


def test_where_another_set_of_tables_takes_over_it_begins_again(folded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right, compare, begun = verified(folded), verifying._compare, []

    def switch_first(*arguments: Any) -> Verified:
        begun.append(1)
        if len(begun) == 1:
            rebuilt(folded)
        return compare(*arguments)

    monkeypatch.setattr(verifying, "_compare", switch_first)
    assert verified(folded) == right
    assert len(begun) == 2
    execute(folded, "UPDATE read_model.entity_type SET name = 'x'")
    with pytest.raises(Different, match="entity_type PERSON, name"):
        verified(folded)
