"""What the oracle expects of a small history, said in full: of one that only went on, and of one that was corrected."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.given import day
from tests.unit.logged import FIRST, MARY, SCHEDULED, SECOND, expected


def test_the_rows_of_a_history(connection: psycopg.Connection[Any]) -> None:
    rows = expected(connection, "entity_version")
    reopened_at = rows[-1]["created_at"]
    assert [(r["id"], r["display_name"], r["entity_type"], r["valid_from"], r["valid_to"]) for r in rows] == [
        (FIRST << 16, "John", "PERSON", day(1), day(5)),
        (FIRST + 1 << 16, "Jane", "PERSON", day(5), day(9)),
        (FIRST + 2 << 16, "Jane", "INSTITUTION", day(9), day(12)),
        (FIRST + 4 << 16, "Jane", "INSTITUTION", reopened_at, None),
    ]
    assert [
        (r["id"], r["detail_type"], r["detail_value"], r["valid_from"], r["valid_to"])
        for r in expected(connection, "entity_detail_version")
    ] == [
        ((FIRST << 16) + 1, "EMAIL", "john@example.com", day(1), day(5)),
        ((FIRST + 1 << 16) + 1, "EMAIL", "jane@example.com", day(5), day(9)),
        ((FIRST + 1 << 16) + 2, "PHONE", "1", day(5), day(12)),
        ((FIRST + 4 << 16) + 1, "PHONE", "1", reopened_at, None),
    ]


def test_the_audit_of_a_history(connection: psycopg.Connection[Any]) -> None:
    entries = expected(connection, "audit_entry")
    assert [
        (e["position"] - FIRST, e["operation"], e["detail_code"], e["before_value"], e["after_value"]) for e in entries
    ] == [
        (0, "INSERT", None, None, {"display_name": "John", "entity_type": "PERSON"}),
        (0, "INSERT", "EMAIL", None, {"detail_value": "john@example.com"}),
        (1, "UPDATE", None, {"display_name": "John"}, {"display_name": "Jane"}),
        (1, "UPDATE", "EMAIL", {"detail_value": "john@example.com"}, {"detail_value": "jane@example.com"}),
        (1, "INSERT", "PHONE", None, {"detail_value": "1"}),
        (2, "UPDATE", None, {"entity_type": "PERSON"}, {"entity_type": "INSTITUTION"}),
        (2, "DELETE", "EMAIL", {"detail_value": "jane@example.com"}, None),
        (3, "DELETE", None, {"display_name": "Jane", "entity_type": "INSTITUTION"}, None),
        (3, "DELETE", "PHONE", {"detail_value": "1"}, None),
        (4, "INSERT", None, None, {"display_name": "Jane", "entity_type": "INSTITUTION"}),
        (4, "INSERT", "PHONE", None, {"detail_value": "1"}),
    ]
    assert [e["audit_id"] & 0xFFFF for e in entries] == [0, 1, 0, 1, 2, 0, 1, 0, 1, 0, 1]


def test_the_rows_of_a_history_that_was_corrected(connection: psycopg.Connection[Any]) -> None:
    rows = expected(connection, "entity_version", MARY)
    assert [(r["id"] >> 16, r["display_name"], r["valid_from"], r["valid_to"], r["is_current"]) for r in rows] == [
        (SECOND + 2, "Mary", day(1), day(3), False),
        (SECOND + 2, "Bo", day(3), day(5), False),
        (SECOND + 5, "Mary", day(5), day(9), False),
        (SECOND + 1, "May", day(9), SCHEDULED, True),
        (SECOND + 3, "Moll", SCHEDULED, None, False),
    ]
    superseded = expected(connection, "entity_version_superseded", MARY)
    assert [
        (r["id"] >> 16, r["display_name"], r["valid_from"], r["valid_to"], r["recorded_to_position"])
        for r in superseded
    ] == [
        (SECOND, "Mary", day(1), day(9), SECOND + 2),
        (SECOND + 2, "Mary", day(5), day(9), SECOND + 4),
        (SECOND + 4, "Mary", day(5), day(7), SECOND + 5),
        (SECOND + 4, "Wrong", day(7), day(9), SECOND + 5),
    ]
    (head,) = expected(connection, "entity_head", MARY)
    assert (head["change_points"], head["schedule"]) == (4 + 2 + 2 * 2 + 1, [SCHEDULED])


def test_the_audit_of_a_correction_tells_the_first_instant_that_is_not_what_it_was(
    connection: psycopg.Connection[Any],
) -> None:
    entries = [e for e in expected(connection, "audit_entry", MARY) if e["position"] > SECOND + 1]
    assert [(e["audit_id"] - (SECOND << 16), e["before_value"], e["after_value"], e["reason"]) for e in entries] == [
        (2 << 16, {"display_name": "Mary"}, {"display_name": "Bo"}, "a letter came late"),
        ((2 << 16) + 1, {"detail_value": "m@example.com"}, None, "a letter came late"),
        (3 << 16, {"display_name": "May"}, {"display_name": "Moll"}, None),
        (4 << 16, {"display_name": "Mary"}, {"display_name": "Wrong"}, None),
        (5 << 16, {"display_name": "Wrong"}, {"display_name": "Mary"}, None),
    ]


def test_the_registry_folds_into_both_tables_of_types(connection: psycopg.Connection[Any]) -> None:
    rows = expected(connection, "entity_type") + expected(connection, "detail_type")
    active = {row["code"]: row["is_active"] for row in rows}
    assert active == {"PERSON": True, "INSTITUTION": True, "TRUST": False, "EMAIL": True, "PHONE": True, "FAX": False}
