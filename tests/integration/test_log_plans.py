"""What is asked of the log costs what it answers: a window, one entity, what came true, parts of streams."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from db.pool import Dsns
from db.queries import statement
from read_side.feed import PAGE_BYTES, WINDOW
from tests.conftest import Clone
from tests.integration.test_read_plans import nodes

LONG = f"entity:{UUID(int=1)}"
EVENTS = 30_000
"""So many events are in the log; every other one is of one entity, every 20,000th of another type."""
FILL = """
INSERT INTO log.event
SELECT n, gen_random_uuid(),
       'entity:' || CASE WHEN n % 2 = 0 THEN '00000000-0000-0000-0000-000000000001' ELSE gen_random_uuid()::text END,
       CASE WHEN n % 2 = 0 THEN n / 2 ELSE 1 END,
       CASE WHEN n % 20000 = 0 THEN 'EntityRetired' ELSE 'EntityReopened' END,
       1, now(), NULL, now() + n * interval '1 microsecond', '{"context":{},"data":{}}', '', '', '',
       gen_random_uuid(), 0, '{"actor":"somebody","request_id":"r"}'
FROM generate_series(1, 30000) n
"""
CLAIMS = """
INSERT INTO log.event
SELECT n, gen_random_uuid(), 'external_key:' || n, 1, 'ExternalKeyClaimed', 1, now(), NULL,
       now() + n * interval '1 microsecond',
       json_build_object('context', json_build_object(), 'data', json_build_object('entity_uid', gen_random_uuid())),
       '', '', '', gen_random_uuid(), 0, '{"actor":"somebody","request_id":"r"}'
FROM generate_series(30001, 60000) n
"""
AHEAD = """
UPDATE read_model.entity_version SET created_at = valid_from - interval '1 day' WHERE id % 1000 = 0;
UPDATE read_model.entity_detail_version SET updated_at = valid_to - interval '1 day' WHERE id % 1000 = 0;
"""


@pytest.fixture(scope="module")
def log(clone: Clone) -> Iterator[psycopg.Connection[Any]]:
    with clone() as conninfo:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute(FILL.encode())
            connection.execute("VACUUM ANALYZE log.event")
        with psycopg.connect(Dsns(conninfo).of("read"), autocommit=True) as connection:
            connection.execute("SET plan_cache_mode TO force_generic_plan")  # as it is in the end of what is prepared
            yield connection


def explain(connection: psycopg.Connection[Any], name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Run a statement, and return the topmost node of its plan."""
    query = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statement(name)
    row = connection.execute(query.encode(), params).fetchone()
    assert row is not None
    top: dict[str, Any] = row[0][0]["Plan"]
    return top


def looked_at(top: dict[str, Any]) -> float:
    """Return how many rows of tables were looked at, taken or not."""
    scans = [node for node in nodes(top) if "Scan" in node["Node Type"] and "Relation Name" in node]
    seen = [(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans]
    return float(sum(seen))


@pytest.mark.parametrize("types", [None, ["EntityRetired"]])
@pytest.mark.parametrize("after", [0, 14_000, EVENTS - 10])
def test_a_page_looks_at_no_more_than_its_window(
    log: psycopg.Connection[Any], after: int, types: list[str] | None
) -> None:
    params = {"after": after, "window_end": after + WINDOW, "types": types, "limit": 10, "bytes": PAGE_BYTES}
    top = explain(log, "read/list_events", params)
    assert looked_at(top) <= (WINDOW if types else 10) + 2
    assert "'event_position'" in str(top)


@pytest.mark.parametrize("types", [None, ["EntityRetired"]])
@pytest.mark.parametrize("after", [0, 14_000, EVENTS - 10])
def test_a_page_of_one_entity_finds_its_place_by_halving(
    log: psycopg.Connection[Any], after: int, types: list[str] | None
) -> None:
    params = {"stream": LONG, "entity_uid": UUID(int=1), "after": after, "window": WINDOW, "types": types, "limit": 10}
    params |= {"bytes": PAGE_BYTES}
    top = explain(log, "read/list_stream_events", params)
    assert looked_at(top) <= (WINDOW if types else 10) + 25
    assert "'event_stream_version'" in str(top)
    assert "Seq Scan" not in str(top)


@pytest.mark.parametrize("after", [0, 14_000, EVENTS // 2])
def test_parts_of_streams_are_found_without_what_comes_before_them(log: psycopg.Connection[Any], after: int) -> None:
    streams = [LONG, *[f"entity:{UUID(int=n)}" for n in range(2, 40)]]
    params = {"streams": streams, "afters": [after] * len(streams), "up_tos": [after + 10] * len(streams)}
    top = explain(log, "write/load_streams", params)
    assert looked_at(top) <= max(0, EVENTS // 2 - after) + 1
    assert "'event_stream_version'" in str(top)
    assert "Seq Scan" not in str(top)


def claimed(conninfo: str) -> None:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(FILL.encode())
        connection.execute(CLAIMS.encode())
        connection.execute("VACUUM ANALYZE log.event")


@pytest.mark.parametrize("after", [0, 14_000, EVENTS - 10])
def test_the_claims_of_one_entity_are_found_among_those_of_all(clone: Clone, after: int) -> None:
    with clone(claimed) as conninfo, psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET plan_cache_mode TO force_generic_plan")
        params = {
            "stream": LONG,
            "entity_uid": UUID(int=1),
            "after": after,
            "window": WINDOW,
            "types": None,
            "limit": 10,
        }
        top = explain(connection, "read/list_stream_events", params | {"bytes": PAGE_BYTES})
    assert looked_at(top) <= 35
    assert "'event_claims_by_entity'" in str(top)


@pytest.mark.parametrize("days", [0, 150])
def test_what_came_true_is_found_among_what_was_recorded_ahead(filled: str, days: int) -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(days=days)
    params = {
        "after_instant": start,
        "after_uid": UUID(int=0),
        "until": datetime(2100, 1, 1, tzinfo=UTC),
        "uid": None,
        "limit": 10,
    }
    with psycopg.connect(filled) as connection:
        connection.execute(AHEAD.encode())
        connection.execute("ANALYZE")
        connection.execute("SET search_path TO read_model, public")
        top = explain(connection, "read/list_effective", params)
        connection.rollback()
    assert looked_at(top) < 200, top
    for index in ("entity_version_starts_ahead", "entity_detail_version_ends_ahead"):
        assert f"'{index}'" in str(top)
