"""What is to come costs what a page of it does, wherever the page is, and however much begins at one instant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from tests.conftest import Clone
from tests.integration.filling import fill
from tests.integration.reading import day
from tests.integration.test_read_plans import plan

NAME = "read/list_scheduled"
AMID = {"as_of": day(50), "after_instant": day(200), "after_uid": UUID(int=2**127)}
FEW = 1000
"""Pages of the tables that a page of ten and two may touch."""


@pytest.fixture
def connection(filled: str) -> Iterator[psycopg.Connection[Any]]:
    """Lend a connection whose changes are taken back."""
    with psycopg.connect(filled) as connection:
        connection.execute("SET search_path TO read_model, public")
        yield connection
        connection.rollback()


@pytest.mark.parametrize(
    "place",
    [
        {"as_of": day(50)},
        {"as_of": day(50), "backward": True},
        AMID,
        {**AMID, "backward": True},
        {**AMID, "known": 99_900},
        {**AMID, "known": 99_900, "backward": True},
        {"as_of": day(377), "counted": True},
    ],
    ids=["first", "last", ">", "<", "> lately", "< lately", "few are counted"],
)
def test_a_page_touches_few_pages_wherever_it_is(connection: psycopg.Connection[Any], place: dict[str, Any]) -> None:
    plan(connection, NAME, place)  # to plan its functions looks at the catalogue
    explained, pages = plan(connection, NAME, place)
    assert pages < FEW, explained


@pytest.mark.parametrize("offset", [90, 990])
def test_a_page_by_number_looks_at_what_is_before_it_once(connection: psycopg.Connection[Any], offset: int) -> None:
    plan(connection, NAME, {})
    explained, pages = plan(connection, NAME, {"as_of": day(50), "offset": offset, "most": offset + 11})
    assert pages < FEW + 30 * offset, explained


@pytest.mark.parametrize("place", [AMID, {**AMID, "backward": True}], ids=["forward", "backward"])
@pytest.mark.parametrize("index", ["entity_version", "entity_detail_version"])
@pytest.mark.parametrize("turns", ["starts", "ends"])
def test_without_one_of_its_indexes_it_touches_many(
    connection: psycopg.Connection[Any], place: dict[str, Any], index: str, turns: str
) -> None:
    connection.execute(f"DROP INDEX {index}_{turns}".encode())
    explained, pages = plan(connection, NAME, place)
    assert pages > FEW, explained


TIED = "UPDATE read_model.entity_version SET valid_from = %s WHERE valid_to IS NULL AND entity_uid::text >= '8'"
"""A quarter of all versions begin at one instant."""
AT_ONCE = day(500)


def tied(conninfo: str) -> None:
    fill(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(TIED, [AT_ONCE])
        connection.execute("VACUUM ANALYZE read_model.entity_version")


def test_what_begins_at_one_instant_is_not_read_as_a_whole(clone: Clone) -> None:
    with clone(tied) as conninfo, psycopg.connect(conninfo) as connection:
        connection.execute("SET search_path TO read_model, public")
        plan(connection, NAME, {})
        for key in ({}, {"after_instant": AT_ONCE, "after_uid": UUID(int=2**127 + 2**126)}):
            for backward in (False, True):
                place = {"as_of": AT_ONCE - timedelta(hours=1), **key, "backward": backward}
                explained, pages = plan(connection, NAME, place)
                assert pages < FEW, explained
