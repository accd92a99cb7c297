"""The views for tools that speak SQL say what the API says, and docs/bi.md works as it stands there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from shared.http.instants import show
from tests.conftest import Clone
from tests.integration.reading import RETIRED, Projected, day, projected, reading, registered, revised, uid

GUIDE = (Path(__file__).parents[2] / "docs" / "bi.md").read_text(encoding="utf-8")
LOGIN, *QUERIES = re.findall(r"^```sql\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
SCHEDULED = day(40_000)
Site = tuple[TestClient, Projected, str]


@pytest.fixture
def site(clone: Clone) -> Iterator[Site]:
    with clone() as conninfo, projected(conninfo) as book, reading(conninfo) as client:
        book.happen(1, day(1), registered("John", EMAIL="j@x", PHONE="1"))
        book.happen(2, day(2), registered("Acme", "INSTITUTION"))
        book.happen(1, day(10), revised("Jon", EMAIL=None), day(10))
        book.happen(1, day(5), revised(PHONE="2"), day(11), until=day(7))
        book.happen(1, day(4), revised("Johnny"), day(12))
        book.happen(3, day(3), registered("Gone", EMAIL="g@x"), day(13))
        book.happen(3, day(20), RETIRED, day(20))
        book.happen(2, SCHEDULED, revised("Acme 2", ADDRESS="1 Main St"), day(21))
        yield client, book, conninfo


def rows(conninfo: str, query: str) -> list[dict[str, Any]]:
    with psycopg.connect(
        conninfo, row_factory=dict_row, options="-c timezone=UTC -c search_path=read_model"
    ) as connection:
        return connection.execute(query.encode()).fetchall()


def test_current_entities_are_the_entities_of_now_with_their_details(site: Site) -> None:
    client, book, conninfo = site

    def told() -> dict[str, Any]:
        found = rows(conninfo, "SELECT * FROM read_model.current_entities")
        return {str(row["entity_uid"]): (row["display_name"], row["entity_type"], row["details"]) for row in found}

    listed = client.get("/api/v1/entities").json()["results"]
    assert told() == {
        e["entity_uid"]: (
            e["display_name"],
            e["entity_type"],
            {d["detail_type"]: d["detail_value"] for d in e["entity_details"]},
        )
        for e in listed
    }
    assert told() == {str(uid(1)): ("Jon", "PERSON", {"PHONE": "1"}), str(uid(2)): ("Acme", "INSTITUTION", {})}
    book.tick(SCHEDULED)
    assert told()[str(uid(2))] == ("Acme 2", "INSTITUTION", {"ADDRESS": "1 Main St"})


def test_entity_history_has_every_version_that_was_ever_believed(site: Site) -> None:
    client, _, conninfo = site

    def key(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(map(str, row.values()))

    told = [
        {
            **{name: row[name] for name in ("display_name", "entity_type", "detail_type", "detail_value")},
            **{
                name: row[name] and show(row[name])
                for name in ("valid_from", "valid_to", "recorded_from", "recorded_to")
            },
            **{name: row[name] for name in ("is_current", "hashdiff", "actor")},
            "entity_uid": str(row["entity_uid"]),
            "position": row["recorded_from_position"],
            "updated_at": show(row["valid_to_recorded"] or row["recorded_from"]),
        }
        for row in rows(conninfo, "SELECT * FROM read_model.entity_history")
    ]
    listed = []
    for number in (1, 2, 3):
        answer = client.get(f"/api/v1/entities/{uid(number)}/history?include=superseded&page_size=500")
        listed += [dict.fromkeys(told[0]) | item.pop("changes") | item for item in answer.json()["results"]]
    listed = [{name: item[name] for name in told[0]} for item in listed]
    assert sorted(told, key=key) == sorted(listed, key=key)
    assert sum(row["recorded_to"] is not None for row in told) == 1


def test_what_was_true_as_it_was_known_is_found_by_both_times(site: Site) -> None:
    client, book, conninfo = site
    query = (
        QUERIES[2]
        .replace("recorded_from <=", "recorded_from_position <=")
        .replace("recorded_to >", "recorded_to_position >")
    )
    query = query.replace("valid_to_recorded >", "valid_to_known_position >")
    found = 0
    for number, known in product(range(1, 24), range(1, book.position + 1)):
        exact = query.replace("'2024-02-10'", f"'{day(number)}'").replace("'2030-03-15'", str(known))
        told = [(str(r["entity_uid"]), r["field"], r["value"]) for r in rows(conninfo, exact)]
        url = f"/api/v1/entities-asof?as_of={show(day(number))}&position={known}"
        expected = [
            (entity["entity_uid"], field, value)
            for entity in client.get(url).json()["results"]
            for field, value in [
                ("display_name", entity["display_name"]),
                *((d["detail_type"], d["detail_value"]) for d in entity["entity_details"]),
            ]
        ]
        assert told == expected, (number, known)
        found += len(told)
    assert found > 100


def test_the_guide_works_as_it_stands_there(site: Site) -> None:
    _, _, conninfo = site
    with psycopg.connect(conninfo, autocommit=True) as administrator:
        administrator.execute(LOGIN.encode())
        try:
            as_bi = make_conninfo(conninfo, user="bi", password="change-me")
            with psycopg.connect(as_bi, autocommit=True) as connection:
                assert connection.execute(QUERIES[0].encode()).fetchall() == [("INSTITUTION", 1, 0), ("PERSON", 1, 0)]
                months = connection.execute(QUERIES[1].encode()).fetchall()
                assert [(show(month), renamed) for month, renamed in months] == [
                    ("2024-01-01T00:00:00Z", 2),
                    ("2133-07-01T00:00:00Z", 1),
                ]
                told = connection.execute(QUERIES[2].encode()).fetchall()
                assert told == [
                    (uid(1), "display_name", "Jon"),
                    (uid(1), "PHONE", "1"),
                    (uid(2), "display_name", "Acme"),
                ]
                with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                    connection.execute("CREATE TABLE own ()")
                connection.execute("SET default_transaction_read_only = off")
                for table in ("entity_version", "current_entities"):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        finally:
            administrator.execute("DROP ROLE bi")


def test_the_guide_names_every_column_of_the_views(site: Site) -> None:
    columns = rows(
        site[2],
        "SELECT column_name FROM information_schema.columns WHERE table_name IN ('current_entities', 'entity_history')",
    )
    assert {row["column_name"] for row in columns} <= set(re.findall(r"`(\w+)`", GUIDE))
