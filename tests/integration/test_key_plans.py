"""Keys of other systems are found by index: among 100,000 of them an answer costs what its page does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from db.pool import Dsns
from tests.integration.reading import day
from tests.integration.test_read_plans import plan

FILL = """
    INSERT INTO read_model.external_key
    SELECT n, 'crm', 'C-' || n, h.entity_uid, gen_random_uuid(), now(), 'filling'
    FROM (SELECT row_number() OVER (ORDER BY entity_uid) AS n, entity_uid FROM read_model.entity_head) h
    ON CONFLICT DO NOTHING
"""
KEY = {"source": "crm", "external_id": "C-40000"}
AS_OF = {"as_of": day(150)}
KNOWN = {**AS_OF, "known": 100_000}


@pytest.fixture(scope="module")
def connection(filled: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(filled, autocommit=True) as filling:
        filling.execute(FILL)
        filling.execute("ANALYZE read_model.external_key")
    with psycopg.connect(Dsns(filled).of("read"), autocommit=True) as connection:
        yield connection


@pytest.mark.parametrize(
    ("name", "params", "index"),
    [
        ("read/search_current", KEY, "external_key_is_unique"),
        ("read/search_current", {**KEY, "source": None, "counted": True}, "external_key_is_unique"),
        ("read/list_as_of", {**KEY, **AS_OF, "counted": True}, "external_key_is_unique"),
        ("read/search_as_of", {**KEY, **AS_OF, "counted": True}, "external_key_is_unique"),
        ("read/list_known", {**KEY, **KNOWN, "counted": True}, "external_key_is_unique"),
        ("read/search_known", {**KEY, **KNOWN, "counted": True}, "external_key_is_unique"),
        ("read/list_external_keys", {**KEY, "counted": True}, "external_key_is_unique"),
        ("read/list_external_keys", {"source": "crm"}, "external_key_by_source"),
        ("read/list_external_keys", {"source": "crm", "after_number": 50_000}, "external_key_by_source"),
        (
            "read/list_external_keys",
            {"source": "crm", "after_number": 50_000, "backward": True},
            "external_key_by_source",
        ),
        ("read/list_external_keys", {"source": "nobody", "counted": True}, "external_key_by_source"),
        ("read/list_external_keys", {}, "external_key_pkey"),
    ],
)
def test_a_question_by_key_touches_few_pages(
    connection: psycopg.Connection[Any], name: str, params: dict[str, Any], index: str
) -> None:
    explained, pages = plan(connection, name, params)
    known = {index, "external_key_pkey"} if params.get("source") == "crm" and "external_id" not in params else {index}
    assert any(f"'{one}'" in explained for one in known), explained
    assert "'exclude_overlapping" not in explained, "the guards are no access paths"
    assert pages < 60, explained


def test_the_keys_of_an_entity_touch_its_own_rows(connection: psycopg.Connection[Any]) -> None:
    row = connection.execute("SELECT entity_uid FROM external_key WHERE position = 40000").fetchone()
    assert row is not None
    uid: UUID = row[0]
    explained, pages = plan(connection, "read/list_external_keys", {"uid": uid, "counted": True})
    assert "'external_key_by_entity'" in explained
    assert pages < 20
