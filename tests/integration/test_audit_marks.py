"""The audit trail is counted and paged by marks as it would be without: whatever happened to the entries meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from db.pool import Dsns
from db.queries import SQL, statement
from projector.refold import refold
from projector.verify import Different, verify
from read_side.statements import TOGETHER
from tests.conftest import Clone
from tests.integration.projecting import Histories, execute, fetch, fold_all, projecting, run
from tests.integration.reading import day, uid
from tests.integration.rebuilding import rebuilt
from tests.integration.test_read_plans import NOTHING

WRONG = """
SELECT t.id, read_model.entries_before(t.id) FROM (
    SELECT b.id + d
    FROM (SELECT audit_id FROM read_model.audit_entry UNION SELECT block << bits FROM read_model.audit_mark
          UNION SELECT 9223372036854775806) AS b (id), generate_series(-1, 1) d) AS t (id)
WHERE read_model.entries_before(t.id) <> (SELECT count(*) FROM read_model.audit_entry WHERE audit_id < t.id)
"""
MANY = """
INSERT INTO read_model.audit_entry
SELECT (3 * n + 1) * 65536 + o, 3 * n + 1, 'user_' || n % 3, '2024-01-01Z'::timestamptz + n * interval '1 minute',
       '018f0000-0000-7000-8000-000000000001', 'entity', 'UPDATE', NULL, NULL, NULL, 'request-' || n / 5, NULL, NULL,
       gen_random_uuid(), NULL
FROM generate_series({first}::bigint, {last}) n, generate_series(0, n % 5) o
"""
"""Entries of every third position, up to five an event."""


def marks(conninfo: str) -> int:
    return int(fetch(conninfo, "SELECT count(*) FROM read_model.audit_mark")[0][0])


def wrong_marks(conninfo: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(Dsns(conninfo).of("project")) as connection:
        return connection.execute((SQL / "projector/find_wrong_audit_mark.sql").read_bytes()).fetchall()


@pytest.mark.parametrize("seed", range(2))
def test_counts_are_right_and_every_event_has_a_first_entry(database: str, seed: int) -> None:
    histories = Histories(seed)
    for limit in (1, 7, 1000):
        histories.extend(database, 150)
        run(fold_all(database, limit=limit))
        assert fetch(database, WRONG) == []
    assert marks(database) > 2

    async def work() -> None:
        async with projecting(database) as (connection, _):
            assert await refold(connection, uid(1)) is not None

    run(work())
    assert fetch(database, WRONG) == []
    without = "SELECT position FROM read_model.audit_entry GROUP BY 1 HAVING min(audit_id) <> position * 65536"
    assert fetch(database, without) == []
    verify(Dsns(database).of("project"))
    rebuilt(database)
    assert marks(database) > 2
    assert fetch(database, WRONG) == []
    verify(Dsns(database).of("project"))


def test_whatever_a_statement_does_is_counted(unchecked_database: str) -> None:
    for change in (
        MANY.format(first=1, last=1),
        MANY.format(first=2, last=600),
        MANY.format(first=12_000, last=12_400),
        MANY.format(first=601, last=700),
        "DELETE FROM read_model.audit_entry WHERE position % 7 = 0",
        "DELETE FROM read_model.audit_entry WHERE position > 36500",
        "UPDATE read_model.audit_entry SET audit_id = audit_id + 65536, position = position + 1 WHERE position % 2 = 0",
        "UPDATE read_model.audit_entry SET actor = 'x' WHERE position < 50",
        "UPDATE read_model.audit_entry SET audit_id = audit_id + 10000 * 65536::bigint WHERE position < 50",
        "DELETE FROM read_model.audit_mark",
        MANY.format(first=13_000, last=13_000),
        "DELETE FROM read_model.audit_entry",
        MANY.format(first=1, last=200),
        "TRUNCATE read_model.audit_entry",
        MANY.format(first=1, last=500),
    ):
        execute(unchecked_database, change)
        assert fetch(unchecked_database, WRONG) == [], change
        assert wrong_marks(unchecked_database) == [], change


def test_verify_finds_a_wrong_mark(database: str) -> None:
    Histories(10).extend(database, 300)
    run(fold_all(database))
    execute(database, "UPDATE read_model.audit_mark SET entries = entries + 1 WHERE bits = 31")
    with pytest.raises(Different, match="audit_mark block 0 of 31 bits, entries"):
        verify(Dsns(database).of("project"))


RENEW = (
    "BEGIN",
    "SELECT FROM read_model.checkpoint WHERE name = 'read_model' FOR UPDATE",
    "DELETE FROM read_model.audit_mark",
    "SELECT projection.set_audit_marks('read_model.audit_entry')",
    "COMMIT",
)
"""As the migration says."""


def test_what_two_writers_left_uncounted_is_found_and_counted_anew(unchecked_database: str) -> None:
    execute(unchecked_database, MANY.format(first=1, last=1))
    with psycopg.connect(unchecked_database) as one, psycopg.connect(unchecked_database) as other:
        other.execute(MANY.format(first=2, last=2).encode())
        one.execute(MANY.format(first=600, last=600).encode())
        one.commit()
        other.commit()
    assert len(wrong_marks(unchecked_database)) == 1
    execute(unchecked_database, *RENEW)
    assert wrong_marks(unchecked_database) == []
    assert fetch(unchecked_database, WRONG) == []


@pytest.fixture(scope="module")
def connection(clone: Clone) -> Iterator[psycopg.Connection[Any]]:
    with clone() as conninfo:
        execute(
            conninfo,
            MANY.format(first=0, last=1500),
            "UPDATE read_model.checkpoint SET position = 4510",
        )
        with psycopg.connect(Dsns(conninfo).of("read"), autocommit=True) as connection:
            yield connection


def page(connection: psycopg.Connection[Any], name: str, params: dict[str, Any]) -> tuple[int | None, list[int]]:
    """Return the count that a statement gives, and the ids of the entries."""
    asked = NOTHING | params
    asked |= {several: [asked[several]] for several in TOGETHER.get(name, ())}
    rows = connection.execute(statement(name), asked).fetchall()
    return rows[0][3], [row[4] for row in rows if row[4] is not None]


WINDOW = {"from": day(1) + timedelta(minutes=100), "to": day(1) + timedelta(minutes=1400)}


@pytest.mark.parametrize(
    ("name", "params", "holds"),
    [
        ("list_audit", {}, "true"),
        ("list_audit", {"known": 3000}, "position <= 3000"),
        ("list_audit", {"known": 9000}, "true"),
        ("list_audit", WINDOW, "recorded_at >= %(from)s AND recorded_at < %(to)s"),
        ("list_audit", {**WINDOW, "known": 3000}, "recorded_at >= %(from)s AND position <= 3000"),
        ("list_audit", {"from": day(1) + timedelta(seconds=90)}, "recorded_at >= %(from)s"),
        ("list_audit", {"from": day(9)}, "false"),
        ("list_audit", {"to": day(1)}, "false"),
        ("list_audit", {"to": day(9)}, "true"),
        ("list_audit_of", {"actor": "user_1"}, "actor = 'user_1'"),
        ("list_audit_of", {"actor": "user_1", "known": 3000}, "actor = 'user_1' AND position <= 3000"),
        ("list_audit_of", {"actor": "user_1", "operation": "DELETE"}, "false"),
        (
            "list_audit_of",
            {"actor": "user_1", "request_id": "request-7"},
            "actor = 'user_1' AND request_id = 'request-7'",
        ),
        ("list_audit_of", {"uid": uid(1), **WINDOW}, "recorded_at >= %(from)s AND recorded_at < %(to)s"),
        ("list_audit_of_entity", {"uid": uid(1)}, "true"),
        (
            "list_audit_of_entity",
            {"uid": uid(1), **WINDOW, "known": 3000},
            "recorded_at >= %(from)s AND position <= 3000",
        ),
        ("list_audit_of_entity", {"uid": uid(2)}, "false"),
        ("list_audit_by_operation", {"operation": "UPDATE"}, "true"),
        (
            "list_audit_by_operation",
            {"operation": "UPDATE", **WINDOW},
            "recorded_at >= %(from)s AND recorded_at < %(to)s",
        ),
    ],
)
def test_every_page_is_that_of_the_whole_trail(
    connection: psycopg.Connection[Any], name: str, params: dict[str, Any], holds: str
) -> None:
    query = f"SELECT audit_id FROM audit_entry WHERE {holds} ORDER BY 1 DESC"  # noqa: S608
    whole = [row[0] for row in connection.execute(query.encode(), params)]
    ends = [0, 1, 490, 499, 500, 501, 1000, 1490, len(whole) - 5, len(whole), len(whole) + 1, 10**9]
    for start in [*range(0, len(whole), 97), *filter(lambda end: end >= 0, ends)]:
        found = page(connection, f"read/{name}", {**params, "offset": start, "counted": start % 2 == 0})
        assert found == (len(whole) if start % 2 == 0 else None, whole[start : start + 10]), start
    for place in range(0, len(whole), 211):
        for key in (whole[place], whole[place] - 1):
            after = {**params, "after_number": key}
            later = [audit_id for audit_id in whole if audit_id < key][:10]
            assert page(connection, f"read/{name}", after) == (None, later)
            newer = [audit_id for audit_id in whole if audit_id > key][-10:]
            assert page(connection, f"read/{name}", {**after, "backward": True}) == (None, newer)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("list_audit", {}),
        ("list_audit_of", {"uid": uid(1), "actor": "user_1"}),
        ("list_audit_of", {"actor": "user_1", "operation": "UPDATE"}),
        ("list_audit_of_entity", {"uid": uid(1)}),
        ("list_audit_by_operation", {"operation": "UPDATE"}),
    ],
)
def test_no_number_of_a_key_is_an_error(
    connection: psycopg.Connection[Any], name: str, params: dict[str, Any], *, backward: bool
) -> None:
    _, first = page(connection, f"read/{name}", params)
    for number in (-(2**63), 1 - 2**63, 65535 - 2**63, 65536 - 2**63, -65537, -1, 0, 2**63 - 65537, 2**63 - 1):
        _, found = page(connection, f"read/{name}", {**params, "after_number": number, "backward": backward})
        assert len(found) == (10 if backward == (number <= 0) else 0), number
        if not backward and number > 0:
            assert found == first


def test_several_pages_are_told_apart(connection: psycopg.Connection[Any]) -> None:
    several: dict[str, list[Any]] = {
        "now": [None, day(5), None],
        "known": [None, 3000, 600],
        "limit": [2, 3, 10**6],
        "offset": [0, 900, 600],
        "counted": [True, False, True],
        "backward": [False, False, False],
        "after_number": [None, None, None],
    }
    rows = connection.execute(statement("read/list_audit"), NOTHING | several).fetchall()
    starts = [place for place, row in enumerate(rows) if row[0] is not None]
    assert [rows[place][3] for place in starts] == [4501, None, 600]
    assert [end - start - 1 for start, end in zip(starts, [*starts[1:], len(rows)], strict=True)] == [2, 3, 0]


def test_who_has_very_many_entries_is_counted_all_the_same(unchecked_database: str) -> None:
    execute(unchecked_database, MANY.format(first=1, last=70_000))
    with psycopg.connect(Dsns(unchecked_database).of("read"), autocommit=True) as connection:
        for params in ({"actor": "user_1"}, {"actor": "user_1", "operation": "UPDATE"}):
            count, _ = page(connection, "read/list_audit_of", {**params, "counted": True})
            expected = connection.execute("SELECT count(*) FROM audit_entry WHERE actor = 'user_1'").fetchone()
            assert (count,) == expected
