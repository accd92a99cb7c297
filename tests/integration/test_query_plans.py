"""The README's queries, as they stand there, find their rows by the index that it names, among 100,000 entities."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests import readme

ROWS = [
    (title, *text)
    for title, *text in (
        (*comment.split(": "), query) for comment, query in readme.statements("Queries and indexes") if ": " in comment
    )
    if text[-1].startswith("SELECT")
]
FEW_PAGES = 30


@pytest.fixture(scope="module")
def connection(filled: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(filled, autocommit=True, options="-c timezone=UTC -c jit=off") as connection:
        yield connection


@pytest.fixture(scope="module")
def parameters(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    """The uid of an entity, an instant in its first version, the hashdiff of a detail it had then."""
    row = connection.execute(
        "SELECT entity_uid, valid_from + interval '1 hour', hashdiff FROM read_model.entity_detail_version"
        " WHERE id = 50000 * 2"
    ).fetchone()
    assert row is not None
    return dict(zip(("entity_uid", "as_of", "hashdiff"), row, strict=True))


@pytest.mark.parametrize(("title", "index", "query"), ROWS, ids=[title for title, *_ in ROWS])
def test_a_query_of_the_readme_uses_its_index_and_touches_few_pages(
    connection: psycopg.Connection[Any], parameters: dict[str, Any], title: str, index: str, query: str
) -> None:
    asked = re.sub(r":(\w+)", r"%(\1)s", query)
    assert connection.execute(asked.encode(), parameters).fetchall()
    row = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked}".encode(), parameters).fetchone()
    assert row is not None
    (explained,) = row[0]
    plan = explained["Plan"]
    assert re.findall(r"'Index Name': '(\w+)'", str(plan)) == [index]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < FEW_PAGES


def test_the_readme_has_every_pattern_of_the_original() -> None:
    assert [index for _, index, _ in ROWS] == [
        "unique_current_entity",
        "entity_version_as_of",
        "entity_version_starts",
        "unique_current_entity_detail",
        "entity_detail_version_hash",
    ]


def test_the_explain_example_prints_the_plan_that_the_readme_shows(connection: psycopg.Connection[Any]) -> None:
    connection.execute("VACUUM read_model.entity_version")  # other tests write there, and roll it back
    ((_, example),) = [one for one in readme.statements("Queries and indexes") if one[1].startswith("EXPLAIN")]
    (shown,) = readme.blocks("Queries and indexes", "text")
    printed = "\n".join(line for (line,) in connection.execute(example.encode()))
    assert re.fullmatch(readme.as_pattern(shown), printed, re.DOTALL), printed
