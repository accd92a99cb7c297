"""Hot questions find their rows by index: among 100,000 entities an answer costs what its page does, not the tables."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import psycopg
import pytest

from db.pool import Dsns
from db.queries import statement
from read_side.statements import TOGETHER
from tests.integration.reading import day

ABSENT = (
    *("as_of", "known", "now", "uid", "pattern", "type", "detail_type", "detail_hash", "kind"),
    *("source", "external_id", "actor", "operation", "request_id", "from", "to"),
    *("after_instant", "after_text", "after_uid", "after_number"),
)
NO = ("counted", "backward", "newest", "superseded")
NOTHING: dict[str, Any] = {
    **dict.fromkeys(ABSENT),
    **dict.fromkeys(NO, False),
    "limit": 10,
    "offset": 0,
    "after": 0,
    "most": 12,
    "order": "-valid_from",
}
VALUE = {"detail_type": "EMAIL", "detail_hash": sha256(b"40000/0").hexdigest()}
"""What one entity had for 100 days."""
HOURS = {"from": day(150), "to": day(150) + timedelta(hours=2)}
"""A window in which 30 entities come into being and 30 change."""


@pytest.fixture(scope="module")
def connection(filled: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(Dsns(filled).of("read"), autocommit=True) as connection:
        yield connection


def plan(connection: psycopg.Connection[Any], name: str, params: dict[str, Any]) -> tuple[str, int]:
    """Return the plan of a statement as text, and how many pages it touched."""
    top = explain(connection, name, params)
    return str(top), top["Shared Hit Blocks"] + top["Shared Read Blocks"]


def explain(connection: psycopg.Connection[Any], name: str, *params: dict[str, Any]) -> dict[str, Any]:
    """Run a statement for one question, or for several that go together, and return the topmost node of its plan."""
    query = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statement(name)
    asked = NOTHING | params[0]
    asked |= {several: [(NOTHING | one)[several] for one in params] for several in TOGETHER.get(name, ())}
    row = connection.execute(query, asked).fetchone()
    assert row is not None
    top: dict[str, Any] = row[0][0]["Plan"]
    return top


def nodes(top: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of a plan and all below it."""
    yield top
    for below in top.get("Plans", []):
        yield from nodes(below)


@pytest.mark.parametrize(
    ("name", "params", "index", "most"),
    [
        ("read/list_current", {}, "entity_version_current", 150),
        ("read/list_current", {"type": "INSTITUTION"}, "entity_version_current_by_type", 150),
        ("read/search_current", {"pattern": "%name%"}, "entity_version_current", 150),
        ("read/search_current", {"order": "entity_uid"}, "unique_current_entity", 150),
        ("read/search_current", VALUE, "entity_detail_version_hash", 50),
        ("read/list_by_uid", {"as_of": day(150)}, "entity_version_as_of", 150),
        ("read/list_as_of", {"as_of": day(150)}, "entity_version_as_of", 150),
        ("read/search_as_of", {"as_of": day(150)}, "entity_version_starts", 150),
        ("read/list_as_of", {"as_of": day(150), **VALUE}, "entity_detail_version_hash", 50),
        ("read/search_as_of", {"as_of": day(150), **VALUE, "counted": True}, "entity_detail_version_hash", 50),
        ("read/list_known", {"as_of": day(150), "known": 100_000}, "entity_version_as_of", 250),
        ("read/list_versions", {"after": 100_000, "known": 90_000}, "entity_version_pkey", 150),
        ("read/list_versions", {"after": 100_000, "known": 90_000}, "entity_detail_version_pkey", 150),
        ("read/search_known", {"as_of": day(150), "known": 100_000}, "entity_version_starts", 250),
        (
            "read/search_known",
            {"as_of": day(150), "known": 100_000, "after_instant": day(140), "after_uid": UUID(int=1)},
            *("entity_version_starts", 250),
        ),
        ("read/list_scheduled", {"as_of": day(349)}, "entity_version_as_of", 400),
        ("read/list_audit", {}, "audit_entry_pkey", 150),
        ("read/list_audit", {"known": 50_000}, "audit_entry_pkey", 150),
        ("read/list_audit_of", {"request_id": "request-7"}, "audit_entry_by_request", 150),
    ],
)
def test_a_page_touches_few_pages_of_the_tables(
    connection: psycopg.Connection[Any], name: str, params: dict[str, Any], index: str, most: int
) -> None:
    explained, pages = plan(connection, name, params)
    assert f"'{index}'" in explained
    assert "'exclude_overlapping" not in explained, "the guards are no access paths"
    assert pages < most, explained


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("read/get_entity", {}),
        ("read/get_entity_as_of", {"as_of": day(150)}),
        ("read/get_entity_known", {"as_of": day(150), "known": 6000}),
        ("read/list_history", {"counted": True, "superseded": True}),
        ("read/list_history", {"counted": True, "known": 6000}),
        ("read/list_scheduled", {"as_of": day(150)}),
        ("read/list_audit_of", {"counted": True, "actor": "user_1"}),
        ("read/list_audit_of_entity", {"counted": True}),
    ],
)
def test_a_question_about_one_entity_touches_its_own_rows(
    connection: psycopg.Connection[Any], name: str, params: dict[str, Any]
) -> None:
    row = connection.execute("SELECT entity_uid FROM entity_head OFFSET 50000 LIMIT 1").fetchone()
    assert row is not None
    explained, pages = plan(connection, name, {"uid": row[0], **params})
    assert pages < 50, explained
    assert "'exclude_overlapping" not in explained, "the guards are no access paths"


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("read/list_current", {}),
        ("read/list_current", {"type": "INSTITUTION"}),
        ("read/search_current", {"pattern": "%name 12%"}),
        ("read/list_by_uid", {"as_of": day(150)}),
        ("read/list_by_uid", {"as_of": day(150), "known": 100_000}),
        ("read/list_newest", {"as_of": day(150)}),
        ("read/list_newest", {"as_of": day(150), "known": 100_000}),
        ("read/list_as_of", {"as_of": day(150)}),
        ("read/search_as_of", {"as_of": day(150)}),
        ("read/list_known", {"as_of": day(150), "known": 100_000}),
        ("read/search_known", {"as_of": day(150), "known": 100_000}),
        ("read/list_scheduled", {"as_of": day(349)}),
        ("read/list_scheduled", {"as_of": day(349), "known": 100_000}),
        ("read/list_audit", {}),
    ],
)
def test_what_is_counted_is_counted_once_however_many_rows_the_page_has(
    connection: psycopg.Connection[Any], name: str, params: dict[str, Any]
) -> None:
    top = explain(connection, name, {**params, "counted": True})
    aggregates = [node for node in nodes(top) if node["Node Type"] == "Aggregate"]
    loops = [node["Actual Loops"] for node in aggregates if node["Partial Mode"] != "Partial"]  # that is one a worker
    assert 1 in loops, "something is counted"
    assert max(loops) == 1, loops
    assert top["Actual Rows"] > 1


@pytest.mark.parametrize("name", ["read/list_by_uid", "read/list_newest"])
def test_the_instants_of_a_round_pass_each_mark_once(connection: psycopg.Connection[Any], name: str) -> None:
    instants = [day(number) for number in range(10, 310, 10)]
    top = explain(connection, name, *({"as_of": instant, "counted": True} for instant in instants))
    scans = [node for node in nodes(top) if node.get("Relation Name") == "count_mark"]
    passed = sum(node["Actual Rows"] * node["Actual Loops"] for node in scans)
    row = connection.execute("SELECT count(*) FROM count_mark WHERE entity_type = ''").fetchone()
    assert row is not None
    near = 2 * len(instants)  # one on either side
    assert 0 < passed <= row[0] + near + len(instants), "each mark is passed once, but for what is rounded"


@pytest.mark.parametrize("name", ["read/list_by_uid", "read/list_newest"])
@pytest.mark.parametrize("place", [{}, {"backward": True}], ids=["forward", "backward"])
@pytest.mark.parametrize(
    "known", ["SELECT NULL::bigint", "SELECT position FROM checkpoint"], ids=["latest", "position"]
)
def test_nothing_superseded_is_looked_for_where_the_latest_is_known(
    connection: psycopg.Connection[Any], name: str, place: dict[str, Any], known: str
) -> None:
    row = connection.execute(known.encode()).fetchone()
    assert row is not None
    key = {"after_instant": day(140), "after_uid": UUID(int=2**127)}
    top = explain(connection, name, {**key, **place, "as_of": day(150), "known": row[0]})
    loops = {node["Actual Loops"] for node in nodes(top) if str(node.get("Relation Name", "")).endswith("_superseded")}
    assert loops == {0}
    assert top["Actual Rows"] > 1
