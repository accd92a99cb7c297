"""The cost of a diff follows what changed, along valid time as along recorded time, not the tables."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.integration.test_read_plans import HOURS, plan

NET, CHANGES, KNOWLEDGE = {"mode": "net"}, {"mode": "changes"}, {"mode": "knowledge"}
NOTHING = dict.fromkeys(["known_from", "known", "first_entry", "end_of_entries"])
WINDOW = NOTHING | HOURS
NEWS = {"known_from": 3000, "known": 3024, "first_entry": 3001 * 65536, "end_of_entries": 3025 * 65536}


@pytest.mark.parametrize(
    ("params", "index", "most"),
    [
        ({**WINDOW, **NET}, "entity_version_ends", 1600),
        ({**WINDOW, **CHANGES}, "entity_detail_version_starts", 400),
        ({**WINDOW, **NET, "known": 5990}, "entity_version_superseded_starts", 1600),
        ({**WINDOW, **CHANGES, "known": 5990}, "entity_detail_version_superseded_ends", 1600),
        ({**NEWS, **NET}, "audit_entry_pkey", 1000),
        ({**NEWS, **CHANGES}, "audit_entry_pkey", 1000),
        ({**NEWS, **KNOWLEDGE}, "audit_entry_pkey", 1000),
        ({**WINDOW, **NEWS, **NET}, "entity_version_starts", 2200),
    ],
)
def test_a_page_costs_what_changed(
    corrected: psycopg.Connection[Any], params: dict[str, Any], index: str, most: int
) -> None:
    plan(corrected, "read/diff_entities", {**params, "counted": True})  # what counts is planned, from the catalogs
    explained, counted = plan(corrected, "read/diff_entities", {**params, "counted": True})
    assert f"'{index}'" in explained
    assert counted < most
    _, uncounted = plan(corrected, "read/diff_entities", {**params, "counted": False})
    stops_at_the_page = corrected.info.server_version >= 180000  # 15 looks at all that changed, counted or not
    assert uncounted < (600 if stops_at_the_page else most)


@pytest.mark.parametrize("params", [{**WINDOW, **NET}, {**NEWS, **CHANGES}, {**WINDOW, **NEWS, **KNOWLEDGE}])
def test_a_diff_of_one_entity_touches_its_own_rows(corrected: psycopg.Connection[Any], params: dict[str, Any]) -> None:
    row = corrected.execute("SELECT entity_uid FROM entity_head OFFSET 3000 LIMIT 1").fetchone()
    assert row is not None
    explained, pages = plan(corrected, "read/diff_entity", {"uid": row[0], **params})
    assert pages < 80, explained


@pytest.mark.parametrize("mode", [NET, KNOWLEDGE])
def test_a_count_between_positions_looks_at_each_entity_once(
    corrected: psycopg.Connection[Any], mode: dict[str, Any]
) -> None:
    params = {**NEWS, **mode, "limit": 100}  # more than there are, so a page alone has to look at all of them, too
    _, uncounted = plan(corrected, "read/diff_entities", {**params, "counted": False})
    explained, counted = plan(corrected, "read/diff_entities", {**params, "counted": True})
    assert counted < 1.3 * uncounted, explained
