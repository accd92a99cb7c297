"""The database itself refuses what the read model must never hold, whoever writes it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors

ENTITY = """
INSERT INTO read_model.entity_version
VALUES (%(id)s, %(uid)s, 'Name', 'PERSON', 'hash', %(start)s, %(end)s, %(current)s, %(start)s, 1,
        CASE WHEN %(end)s::timestamptz IS NOT NULL THEN 2 END, now(), now(), 'somebody', 'name')
"""
DETAIL = """
INSERT INTO read_model.entity_detail_version
VALUES (%(id)s, %(uid)s, 'EMAIL', 'a@b', 'hash', %(start)s, %(end)s, %(current)s, %(start)s, 1,
        CASE WHEN %(end)s::timestamptz IS NOT NULL THEN 2 END, now(), now(), 'somebody')
"""
UID, OTHER = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"
BOTH = pytest.mark.parametrize(
    ("insert", "things"), [(ENTITY, ("entity", "entities")), (DETAIL, ("entity_detail", "entity_details"))]
)


@pytest.fixture
def connection(unchecked_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(unchecked_database, autocommit=True) as it:
        yield it


def row(number: int, start: str, end: str | None, *, uid: str = UID, current: bool = False) -> dict[str, Any]:
    return {"id": number, "uid": uid, "start": start, "end": end, "current": current}


@BOTH
@pytest.mark.parametrize(
    ("start", "end"), [("2024-02-01", "2024-03-01"), ("2023-01-01", None), ("2023-01-01", "2026-01-01")]
)
def test_two_versions_of_one_thing_never_overlap(
    connection: psycopg.Connection[Any], insert: Any, things: tuple[str, str], start: str, end: str | None
) -> None:
    connection.execute(insert, row(1, "2024-01-01", "2025-01-01"))
    with pytest.raises(errors.ExclusionViolation, match=f'"exclude_overlapping_{things[1]}"'):
        connection.execute(insert, row(2, start, end))
    connection.execute(insert, row(3, start, end, uid=OTHER))
    connection.execute(insert, row(4, "2025-01-01", None))
    connection.execute(insert, row(5, "2022-01-01", "2022-06-01"))


@BOTH
def test_of_one_thing_one_version_is_current(
    connection: psycopg.Connection[Any], insert: Any, things: tuple[str, str]
) -> None:
    connection.execute(insert, row(1, "2024-01-01", "2025-01-01", current=True))
    with pytest.raises(errors.UniqueViolation, match=f'"unique_current_{things[0]}"'):
        connection.execute(insert, row(2, "2025-01-01", None, current=True))
    connection.execute(insert, row(3, "2025-01-01", None, uid=OTHER, current=True))
    connection.execute(insert, row(4, "2025-01-01", None))


@BOTH
def test_no_version_is_empty(connection: psycopg.Connection[Any], insert: Any, things: tuple[str, str]) -> None:
    with pytest.raises(errors.CheckViolation, match=f'"{things[0]}_version_not_empty"'):
        connection.execute(insert, row(1, "2024-01-01", "2024-01-01"))
