"""Reads stay flat as data grows: among 100,000 entities each names the index it uses and touches few pages.

What is counted by marks, found by a part of a name, or skipped on the way to page 1,000 is among them. Pages are those
of the tables, 8 kB each, be they read or at hand. Without its index a question touches more, which is proved, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
import pytest

from db.pool import Dsns
from db.queries import statement
from read_side.rows import entities, listed
from read_side.statements import TOGETHER
from shared.core.turn import ROWS_PER_EVENT
from tests.bench.dataset import fill
from tests.conftest import Clone
from tests.integration.test_read_plans import NOTHING, plan

ENTITIES, EVENTS = 100_000, 6 + 210_000
THEN, NOW = datetime(2018, 6, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
PINNED = {"as_of": NOW, "now": NOW, "known": EVENTS}
"""What a list in pages is asked at, once it is pinned: the latest position, by number."""
LATELY = {"as_of": THEN, "known": EVENTS - 100}
EARLIER = {"as_of": THEN, "known": EVENTS - 15_000}
"""Since then more has been superseded than is looked at as a whole."""
LONG_AGO = {"as_of": NOW, "now": NOW, "known": 16}
COUNTED, BY_NAME, BY_UID = {"counted": True}, {"order": "display_name"}, {"order": "entity_uid"}
RARE, COMMON = {"pattern": "%stone 4321%"}, {"pattern": "%kowalski%"}
LATE = {"pattern": "%vera%"}
"""A common word that is met late in the order of names: on the way to it there are 160,000 others."""
FAR = {"offset": 9990}
RECORDED = datetime(2024, 1, 1, 0, 1, tzinfo=UTC)
SECOND = {"from": RECORDED, "to": RECORDED + timedelta(seconds=1)}
"""A second in which a thousand of the events were recorded, early in the log."""
AFTER_ENTRY = {"known": EVENTS - 10, "after_number": 100_000 * ROWS_PER_EVENT + 1}
AFTER = {"after_instant": datetime(2019, 1, 1, tzinfo=UTC), "after_uid": UUID(int=2**127), "after_text": "nora"}
FIRST, LAST = {"after_uid": UUID(int=2**112)}, {"after_uid": UUID(int=2**128 - 2**112)}
"""Few entities are before the one, or behind the other."""
AMID = {**AFTER, "after_instant": datetime(2017, 1, 1, tzinfo=UTC)}


class Asked(NamedTuple):
    """A statement with parameters, the index that it must use, and how many pages it may touch."""

    statement: str
    params: dict[str, Any]
    by: str
    most: int


def window(days: int) -> dict[str, Any]:
    return {"from": THEN, "to": THEN + timedelta(days=days), "mode": "net"}


HOT = [
    # exact counts
    Asked("list_current", COUNTED, "entity_version_current", 400),
    Asked("list_current", {**COUNTED, "type": "PERSON"}, "entity_version_current_by_type", 400),
    Asked("search_current", {**COUNTED, **BY_NAME}, "entity_version_by_name", 500),
    Asked("list_as_of", {**COUNTED, "as_of": THEN}, "entity_version_as_of", 1600),
    Asked("list_as_of", {**COUNTED, "as_of": THEN, "type": "PERSON"}, "entity_version_as_of", 1600),
    Asked("list_by_uid", {**COUNTED, "as_of": THEN}, "entity_version_as_of", 300),
    Asked("list_newest", {**COUNTED, "as_of": THEN}, "entity_version_starts", 300),
    Asked("list_newest", {**COUNTED, "as_of": THEN, "type": "PERSON"}, "entity_version_starts_by_type", 1600),
    Asked("search_as_of", {**COUNTED, "as_of": THEN}, "entity_version_starts", 1600),
    Asked("search_as_of", {**COUNTED, "as_of": THEN, "type": "PERSON"}, "entity_version_starts_by_type", 1600),
    Asked("search_as_of", {**COUNTED, "as_of": THEN, "type": "INSTITUTION"}, "entity_version_starts_by_type", 1600),
    Asked("search_known", {**COUNTED, **PINNED}, "entity_version_starts", 500),
    Asked("search_known", {**PINNED, "type": "INSTITUTION"}, "entity_version_starts_by_type", 300),
    Asked("list_known", {**COUNTED, **LATELY}, "entity_version_as_of", 4000),
    # page number 1,000
    Asked("list_current", FAR, "entity_version_current", 600),
    Asked("list_current", {**FAR, "type": "PERSON"}, "entity_version_current_by_type", 600),
    Asked("search_as_of", {**FAR, "as_of": THEN}, "entity_version_starts", 800),
    Asked("search_as_of", {**FAR, **BY_UID, "as_of": THEN}, "entity_version_as_of", 3000),
    # any page by cursor
    Asked("list_newest", PINNED, "entity_version_starts", 150),
    Asked("list_newest", {**PINNED, **AFTER}, "entity_version_starts", 150),
    Asked("list_newest", {**PINNED, **AFTER, "backward": True}, "entity_version_starts", 150),
    Asked("list_newest", {**PINNED, **AFTER, "type": "PERSON"}, "entity_version_starts_by_type", 150),
    Asked("list_newest", {**PINNED, **AFTER}, "entity_version_superseded_until", 150),
    Asked("list_newest", {**EARLIER, **AFTER}, "entity_version_superseded_starts", 300),
    Asked("list_by_uid", {**PINNED, **AFTER}, "entity_version_as_of", 200),
    Asked("list_by_uid", {**PINNED, **AFTER, "backward": True}, "entity_version_as_of", 200),
    Asked("search_known", PINNED, "entity_version_starts", 200),
    Asked("search_known", {**PINNED, **AFTER}, "entity_version_starts", 300),
    Asked("search_known", {**PINNED, **AFTER, "backward": True}, "entity_version_starts", 300),
    Asked("search_known", {**PINNED, **AFTER, **BY_NAME}, "entity_version_by_name", 300),
    Asked("search_known", {**PINNED, **AFTER}, "entity_version_superseded_until", 300),
    Asked("list_known", {**PINNED, **AFTER}, "entity_version_as_of", 300),
    # as it was known when most was not known yet: an index would be walked to its end
    Asked("search_known", LONG_AGO, "entity_version_pkey", 9000),
    Asked("search_known", {**LONG_AGO, **BY_UID, "offset": 5}, "entity_version_pkey", 9000),
    # names
    Asked("search_current", BY_NAME, "entity_version_by_name", 250),
    Asked("search_as_of", {**BY_NAME, "as_of": THEN}, "entity_version_by_name", 500),
    Asked("search_current", RARE, "entity_version_name_parts", 300),
    Asked("search_as_of", {**RARE, "as_of": THEN}, "entity_version_name_parts", 300),
    Asked("search_as_of", {**RARE, **BY_UID, "as_of": THEN}, "entity_version_name_parts", 300),
    Asked("search_known", {**RARE, **LATELY}, "entity_version_name_parts", 300),
    Asked("search_current", {**LATE, **BY_NAME}, "entity_version_by_name", 6500),
    Asked("search_as_of", {**LATE, **BY_NAME, "as_of": THEN}, "entity_version_by_name", 6500),
    Asked("search_current", {**COMMON, **BY_NAME}, "entity_version_by_name", 1000),
    Asked("search_current", COMMON, "entity_version_current", 900),
    Asked("search_as_of", {**COMMON, "as_of": THEN}, "entity_version_starts", 1200),
    # what changed
    Asked("diff_entities", window(1), "entity_detail_version_ends", 700),
    Asked("diff_entities", window(30), "entity_detail_version_starts", 900),
    Asked("diff_entities", window(365), "entity_head_pkey", 2500),
    Asked("diff_entities", {**window(365), "mode": "changes"}, "entity_head_pkey", 2500),
    Asked("diff_entities", {**window(365), "known": EVENTS}, "entity_head_pkey", 2500),
    Asked("diff_entities", {**window(365), **LAST}, "entity_head_pkey", 120),
    Asked("diff_entities", {**window(365), **FIRST, "backward": True}, "entity_head_pkey", 150),
    Asked("diff_entities", {**window(365), **LAST, "mode": "changes", "known": EVENTS - 100}, "entity_head_pkey", 120),
    Asked("diff_entities", {**window(30), **COUNTED}, "entity_version_as_of", 12_000),
    Asked("diff_entities", {**window(365), **COUNTED}, "entity_version_as_of", 90_000),
    # the audit trail
    Asked("list_audit", SECOND, "audit_entry_pkey", 600),
    Asked("list_audit", {**SECOND, **COUNTED}, "audit_entry_pkey", 1100),
    Asked("list_audit", COUNTED, "audit_entry_pkey", 300),
    Asked("list_audit", {**COUNTED, "known": 100_000}, "audit_entry_pkey", 300),
    Asked("list_audit", FAR, "audit_entry_pkey", 500),
    Asked("list_audit", {"offset": 500_000}, "audit_entry_pkey", 500),
    Asked("list_audit", AFTER_ENTRY, "audit_entry_pkey", 20),
    Asked("list_audit", {**AFTER_ENTRY, "backward": True}, "audit_entry_pkey", 20),
    Asked("list_audit_of", {"actor": "user_7"}, "audit_entry_by_actor", 100),
    Asked("list_audit_of", {"actor": "nobody", **COUNTED}, "audit_entry_by_actor", 20),
    Asked("list_audit_of", {"actor": "user_7", **AFTER_ENTRY}, "audit_entry_by_actor", 100),
    Asked("list_audit_of", {"actor": "user_7", **AFTER_ENTRY, "backward": True}, "audit_entry_by_actor", 100),
    Asked("list_audit_of", {"actor": "user_7", "offset": 4990}, "audit_entry_by_actor", 9000),
    Asked("list_audit_of", {"actor": "user_7", "operation": "DELETE"}, "audit_entry_by_actor", 1500),
    Asked("list_audit_of", {"actor": "user_7", **SECOND}, "audit_entry_by_actor", 600),
    Asked("list_audit_of", {"request_id": "request-777", **COUNTED}, "audit_entry_by_request", 60),
    Asked("list_audit_by_operation", {"operation": "UPDATE"}, "audit_entry_pkey", 40),
    Asked("list_audit_by_operation", {"operation": "INSERT", **AFTER_ENTRY}, "audit_entry_pkey", 40),
    # what is to come
    Asked("list_scheduled", {}, "turns_from", 150),
    Asked("list_scheduled", {**COUNTED, "now": NOW, "known": EVENTS}, "turns_from", 1000),
    Asked("list_scheduled", {"as_of": THEN}, "turns_from", 600),
    Asked("list_scheduled", {**LATELY, **AFTER}, "turns_superseded_since", 700),
    Asked("list_scheduled", {**EARLIER, **AFTER, "backward": True}, "turns_up_to", 1500),
    Asked("list_scheduled", {"as_of": THEN, "known": 16}, "turns_recorded_until", 300),
    Asked("list_scheduled", {"as_of": RECORDED, "known": 100_000}, "turns_from", 300),
]


def many(conninfo: str) -> None:
    fill(conninfo, ENTITIES, only_to_read=True)


@pytest.fixture(scope="module")
def connection(clone: Clone) -> Iterator[psycopg.Connection[Any]]:
    with (
        clone(many) as conninfo,
        psycopg.connect(Dsns(conninfo, with_roles=False).of("read"), autocommit=True) as connection,
    ):
        yield connection


def ask(connection: psycopg.Connection[Any], asked: Asked) -> tuple[str, int]:
    unsaid = dict.fromkeys(("known_from", "first_entry", "end_of_entries"))
    return plan(connection, f"read/{asked.statement}", unsaid | asked.params)


@pytest.mark.parametrize("asked", HOT, ids=lambda asked: f"{asked.statement}-{asked.by}")
def test_a_hot_question_finds_its_rows_by_index(connection: psycopg.Connection[Any], asked: Asked) -> None:
    explained, pages = ask(connection, asked)
    assert f"'{asked.by}'" in explained
    assert pages <= asked.most, explained


@pytest.mark.parametrize(
    "asked",
    [one for one in HOT if one.by in ("entity_version_name_parts", "entity_version_by_name")],
    ids=lambda asked: f"{asked.statement}-{asked.by}",
)
def test_without_its_index_it_touches_more(connection: psycopg.Connection[Any], asked: Asked) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute(f"DROP INDEX {asked.by}".encode())
        explained, pages = ask(connection, asked)
    assert f"'{asked.by}'" not in explained
    assert pages > asked.most, explained


IMPORTED = """
INSERT INTO audit_entry
SELECT (c.position + n) * 65536, c.position + n, 'importer', c.recorded_at, '018f0000-0000-7000-8000-000000000001',
       'entity', 'INSERT', NULL, NULL, NULL, 'import', NULL, NULL, gen_random_uuid(), NULL
FROM checkpoint c, generate_series(1, 10000) n
"""
"""Ten thousand events of one entity, all by one actor in one request."""
AMID_IMPORT = {"after_number": (EVENTS + 5000) * ROWS_PER_EVENT}


@pytest.mark.parametrize(
    ("statement", "params", "most"),
    [
        ("list_audit_of_entity", {}, 250),
        ("list_audit_of_entity", AMID_IMPORT, 250),
        ("list_audit_of_entity", {**AMID_IMPORT, "backward": True}, 250),
        ("list_audit_of_entity", {"offset": 500}, 5000),
        ("list_audit_of", {"actor": "importer", "operation": "INSERT"}, 15_000),
        ("list_audit_of", {"actor": "importer", "operation": "DELETE"}, 15_000),
        ("list_audit_of", {"actor": "importer", "operation": "DELETE", **AMID_IMPORT}, 15_000),
        ("list_audit_of", {"actor": "importer", "operation": "DELETE", **AMID_IMPORT, "backward": True}, 15_000),
        ("list_audit_of", {"request_id": "import", "operation": "DELETE", **COUNTED}, 15_000),
    ],
)
def test_a_page_of_a_very_long_trail_looks_at_few_of_its_events(
    connection: psycopg.Connection[Any], statement: str, params: dict[str, Any], most: int
) -> None:
    if statement == "list_audit_of_entity":
        params = {**params, "uid": UUID("018f0000-0000-7000-8000-000000000001")}
    with connection.transaction(force_rollback=True):
        connection.execute(IMPORTED)
        connection.execute("ANALYZE audit_entry")
        explained, pages = ask(connection, Asked(statement, params, "", most))
    assert pages <= most, explained


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("list_current", {}),
        ("list_current", {"offset": 900}),
        ("list_newest", {"as_of": THEN}),
        ("list_newest", EARLIER),
        ("list_newest", {**EARLIER, **AMID}),
        ("list_newest", {**EARLIER, **AMID, "backward": True}),
        ("list_by_uid", {"as_of": THEN}),
        ("list_by_uid", {**EARLIER, **AMID}),
        ("list_by_uid", {**EARLIER, **AMID, "backward": True}),
    ],
)
@pytest.mark.parametrize("kind", ["INSTITUTION", "NONE"])
def test_no_page_is_looked_for_of_a_type_that_is_refused(
    connection: psycopg.Connection[Any], name: str, point: dict[str, Any], kind: str
) -> None:
    with connection.transaction(force_rollback=True):
        connection.execute("UPDATE entity_type SET is_active = false WHERE code = 'INSTITUTION'")
        explained, pages = ask(connection, Asked(name, {**point, "type": kind}, "", 0))
    assert pages <= 25, explained


@pytest.mark.parametrize("statement", ["list_current", "search_current"])
def test_what_fell_due_is_found_without_a_look_at_what_did_not(
    connection: psycopg.Connection[Any], statement: str
) -> None:
    explained, _ = ask(connection, Asked(statement, {"type": "PERSON"}, "", 0))
    assert "'entity_detail_version_starts_ahead'" in explained


@pytest.mark.parametrize("point", [PINNED, LATELY, EARLIER], ids=["now", "lately", "earlier"])
@pytest.mark.parametrize("only", [{}, {"type": "PERSON"}, {"type": "INSTITUTION"}, {"type": "NONE"}], ids=str)
@pytest.mark.parametrize("place", [{}, AMID, {**AMID, "backward": True}, {"offset": 40}], ids=["1", ">", "<", "5"])
def test_a_page_of_many_is_that_of_the_question_alone(
    connection: psycopg.Connection[Any], point: dict[str, Any], only: dict[str, Any], place: dict[str, Any]
) -> None:
    asked = {**NOTHING, **point, **only, **place, "counted": place == {}, "limit": 30, "now": NOW}
    for name, order in (("list_newest", "-valid_from"), ("list_by_uid", "entity_uid")):
        rows = connection.execute(statement("read/search_known"), {**asked, "order": order}).fetchall()
        several = asked | {parameter: [asked[parameter]] for parameter in TOGETHER[f"read/{name}"]}
        found = connection.execute(statement(f"read/{name}"), several).fetchall()
        assert found[0][1:6] == rows[0][1:6]
        assert listed(NOW, found) == entities(NOW, (row[6:] for row in rows))
        assert len(found) > 30 or only == {"type": "NONE"}
