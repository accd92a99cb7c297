"""A count by marks is the count of the rows, at any instant and position, whatever happened to them meanwhile."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from db.pool import Dsns
from db.queries import SQL
from projector.verify import Different, verify
from tests.bench.dataset import fill
from tests.conftest import Clone
from tests.integration.projecting import Histories, execute, fetch, fold_all, run
from tests.integration.rebuilding import rebuilt

INSTANTS = """
SELECT DISTINCT i + d * interval '1 microsecond'
FROM (SELECT valid_from FROM read_model.entity_version UNION SELECT valid_to FROM read_model.entity_version
      UNION SELECT valid_from FROM read_model.entity_version_superseded
      UNION SELECT now()) AS t (i), generate_series(-1, 0) d
WHERE i IS NOT NULL
"""
WRONG = """
SELECT i, t, k FROM instant, (VALUES (NULL), ('PERSON'), ('INSTITUTION')) AS type (t), known
WHERE (SELECT count(*) FROM read_model.entity_version_known(k) v
       WHERE v.valid_from <= i AND (v.valid_to IS NULL OR v.valid_to > i) AND (t IS NULL OR v.entity_type = t))
      <> CASE WHEN k IS NULL THEN read_model.entities_at(i, t)
              ELSE read_model.entities_known_at(i, t, k, (SELECT position FROM read_model.checkpoint)) END
"""
MANY = """
INSERT INTO read_model.entity_version
SELECT {first} * 1000000::bigint + n, gen_random_uuid(), 'Name', 'PERSON', 'hash', {since}, NULL, true, now(), 1, NULL,
       now(), now(), 'somebody', 'name'
FROM generate_series(1, 6000) n
"""


def wrong_counts(conninfo: str, positions: str) -> list[tuple[Any, ...]]:
    """Return for which instants, types and positions (NULL is the latest) a count is not that of the rows."""
    return fetch(conninfo, f"WITH instant (i) AS ({INSTANTS}), known (k) AS ({positions}) {WRONG}")  # ours


def widest(conninfo: str) -> int:
    """Return how many rows a count may have to look at."""
    return int(fetch(conninfo, "SELECT max(turns) FROM read_model.count_mark")[0][0])


@pytest.mark.parametrize("seed", range(4))
def test_counts_are_right_at_every_instant_and_position(database: str, seed: int) -> None:
    histories = Histories(seed)
    for _ in range(4):
        histories.extend(database, 12)
        run(fold_all(database, limit=3))
        assert wrong_counts(database, "SELECT NULL::bigint") == []
    positions = "SELECT generate_series(0, position, 5) FROM read_model.checkpoint"
    assert wrong_counts(database, positions) == []


def test_what_was_known_long_ago_is_counted_right_too(clone: Clone) -> None:
    with clone() as conninfo:
        fill(conninfo, entities=4000)
        some = "SELECT t.k FROM (VALUES (6), (700), (3000), (4100), (8000)) AS t (k)"
        few = INSTANTS.replace("SELECT DISTINCT", "SELECT").replace("WHERE i", "WHERE random() < 0.001 AND i")
        found = fetch(conninfo, f"WITH instant (i) AS ({few} LIMIT 12), known (k) AS ({some}) {WRONG}")
        assert found == []


def test_marks_are_set_where_rows_crowd(unchecked_database: str) -> None:
    execute(unchecked_database, MANY.format(first=1, since="now() - n * interval '1 minute'"))
    assert widest(unchecked_database) <= 1000
    execute(unchecked_database, MANY.format(first=2, since="timestamptz '2020-01-01'"))
    execute(unchecked_database, MANY.format(first=3, since="timestamptz '2020-01-01'"))
    assert widest(unchecked_database) <= 1000, "rows of one instant are at a mark"
    execute(unchecked_database, "DELETE FROM read_model.entity_version WHERE id % 3 = 0")
    execute(
        unchecked_database,
        "UPDATE read_model.entity_version SET valid_to = now() + id % 1000 * interval '1 hour', asserted_to = NULL,"
        " valid_to_known_position = 2 WHERE id % 2 = 0",
    )
    assert fetch(unchecked_database, "SELECT read_model.entities_at(now(), NULL)") == fetch(
        unchecked_database,
        "SELECT count(*) FROM read_model.entity_version WHERE valid_from <= now() AND coalesce(valid_to > now(), true)",
    )
    with psycopg.connect(Dsns(unchecked_database).of("project")) as connection:
        found = connection.execute((SQL / "projector/find_wrong_mark.sql").read_bytes()).fetchall()
    assert found == []
    execute(unchecked_database, "TRUNCATE read_model.entity_version")
    assert fetch(unchecked_database, "SELECT read_model.entities_at(now(), NULL)") == [(0,)]


def test_without_any_mark_everything_is_counted(database: str) -> None:
    histories = Histories(7)
    histories.extend(database, 40)
    run(fold_all(database))
    execute(database, "DELETE FROM read_model.count_mark")
    assert wrong_counts(database, "SELECT NULL::bigint") == []
    histories.extend(database, 5)
    run(fold_all(database))
    assert fetch(database, "SELECT count(*) > 0 FROM read_model.count_mark") == [(True,)]


def test_a_rebuild_sets_them(database: str) -> None:
    Histories(9).extend(database, 40)
    run(fold_all(database))
    rebuilt(database)
    assert fetch(database, "SELECT count(*) > 0 FROM read_model.count_mark") == [(True,)]
    assert wrong_counts(database, "SELECT NULL::bigint") == []
    verify(Dsns(database).of("project"))


def test_verify_finds_a_wrong_mark(database: str) -> None:
    Histories(10).extend(database, 40)
    run(fold_all(database))
    execute(database, "UPDATE read_model.count_mark SET net = net + 1 WHERE entity_type = ''")
    with pytest.raises(Different, match="count_mark all up to infinity, net"):
        verify(Dsns(database).of("project"))


@pytest.mark.parametrize("path", sorted((SQL / "projector").glob("*.sql")), ids=lambda path: path.stem)
def test_a_statement_changes_entity_version_in_one_way_only(path: Any) -> None:
    """Marks that are set while it is counted have already counted what the rest of the statement did."""
    changes = re.findall(r"(?:INSERT INTO|UPDATE|DELETE FROM) entity_version\b", path.read_text(encoding="utf-8"))
    assert len(changes) <= 1
