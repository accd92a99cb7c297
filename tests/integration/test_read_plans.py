"""Hot questions find their rows by index: the cost of an answer follows its page, not the tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from db.pool import Dsns
from db.queries import statement
from tests.conftest import Clone
from tests.integration.reading import day

FILL = """
INSERT INTO read_model.entity_head
SELECT gen_random_uuid(), 2, gen_random_uuid(), n, 3, '2024-01-01'::timestamptz + n * interval '1 hour'
FROM generate_series(1, 6000) n;

INSERT INTO read_model.entity_version
SELECT last_position * 10 + k, entity_uid, 'Name ' || last_position, CASE WHEN k = 1 THEN 'PERSON' ELSE 'OTHER' END,
       md5(last_position || '/' || k), registered_at + k * interval '100 days',
       CASE WHEN k = 0 THEN registered_at + interval '100 days' END, k = 1, CASE WHEN k = 1 THEN now() END,
       last_position, CASE WHEN k = 0 THEN 1 END, now(), now(), 'somebody', 'name ' || last_position
FROM read_model.entity_head, generate_series(0, 1) k;

INSERT INTO read_model.entity_detail_version
SELECT id, entity_uid, 'EMAIL', hashdiff, hashdiff, valid_from, valid_to, is_current, asserted_to, 1,
       valid_to_known_position, now(), now(), 'somebody'
FROM read_model.entity_version;

INSERT INTO read_model.audit_entry
SELECT last_position, last_position, 'user_' || last_position % 100, registered_at, entity_uid, 'entity', 'INSERT',
       NULL, NULL, '{}', 'request-' || last_position, NULL, NULL, last_event_id, NULL
FROM read_model.entity_head;

UPDATE read_model.checkpoint SET position = 6000, recorded_at = now(), clock_at = now();
"""
ABSENT = (
    *("as_of", "known", "now", "uid", "pattern", "type", "detail_type", "detail_hash", "kind"),
    *("actor", "operation", "request_id", "from", "to"),
    *("after_instant", "after_text", "after_uid", "after_number"),
)
NO = ("counted", "backward", "newest", "superseded")
NOTHING: dict[str, Any] = {
    **dict.fromkeys(ABSENT),
    **dict.fromkeys(NO, False),
    "limit": 10,
    "offset": 0,
    "most": 12,
    "order": "-valid_from",
}


@pytest.fixture(scope="module")
def connection(clone: Clone) -> Iterator[psycopg.Connection[Any]]:
    with clone() as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as filling:
            filling.execute(FILL)
            filling.execute("VACUUM ANALYZE")
        with psycopg.connect(Dsns(conninfo).of("read"), autocommit=True) as connection:
            yield connection


def plan(connection: psycopg.Connection[Any], name: str, params: dict[str, Any]) -> tuple[str, int]:
    """Return the plan of a statement as text, and how many pages it touched."""
    explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statement(name)
    row = connection.execute(explain, NOTHING | params).fetchone()
    assert row is not None
    (explained,) = row[0]
    return str(explained), explained["Plan"]["Shared Hit Blocks"] + explained["Plan"]["Shared Read Blocks"]


@pytest.mark.parametrize(
    ("name", "params", "index", "most"),
    [
        ("read/list_current", {}, "entity_version_current", 150),
        ("read/list_current_by_type", {"type": "PERSON"}, "entity_version_current_by_type", 150),
        ("read/search_current", {"pattern": "%name%"}, "entity_version_current", 150),
        ("read/search_current", {"order": "entity_uid"}, "unique_current_entity", 150),
        ("read/search_current", {"detail_type": "EMAIL", "detail_hash": "x"}, "entity_detail_version_hash", 150),
        ("read/list_as_of", {"as_of": day(150)}, "entity_version_as_of", 150),
        ("read/search_as_of", {"as_of": day(150)}, "entity_version_starts", 150),
        ("read/list_known", {"as_of": day(150), "known": 6000}, "entity_version_as_of", 250),
        ("read/search_known", {"as_of": day(150), "known": 6000}, "entity_version_starts", 250),
        (
            "read/search_known",
            {"as_of": day(150), "known": 6000, "after_instant": day(140), "after_uid": UUID(int=1)},
            *("entity_version_starts", 250),
        ),
        ("read/list_scheduled", {"as_of": day(349)}, "entity_version_starts", 1000),
        ("read/list_audit", {}, "audit_entry_pkey", 150),
        ("read/list_audit", {"known": 3000}, "audit_entry_pkey", 150),
        ("read/list_audit", {"request_id": "request-7"}, "audit_entry_by_request", 150),
    ],
)
def test_a_page_touches_few_pages_of_the_tables(
    connection: psycopg.Connection[Any], name: str, params: dict[str, Any], index: str, most: int
) -> None:
    explained, pages = plan(connection, name, params)
    assert f"'{index}'" in explained
    assert pages < most


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("read/get_entity", {}),
        ("read/get_entity_as_of", {"as_of": day(150)}),
        ("read/get_entity_known", {"as_of": day(150), "known": 6000}),
        ("read/list_history", {"counted": True, "superseded": True}),
        ("read/list_history", {"counted": True, "known": 6000}),
        ("read/list_scheduled", {"as_of": day(150)}),
        ("read/list_audit", {"counted": True}),
    ],
)
def test_a_question_about_one_entity_touches_its_own_rows(
    connection: psycopg.Connection[Any], name: str, params: dict[str, Any]
) -> None:
    row = connection.execute("SELECT entity_uid FROM entity_head OFFSET 3000 LIMIT 1").fetchone()
    assert row is not None
    explained, pages = plan(connection, name, {"uid": row[0], **params})
    assert pages < 50, explained
