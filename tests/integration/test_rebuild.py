"""A rebuild: whatever was in the tables, they are what the log says; nobody notices, and what differed is told."""

from __future__ import annotations

import asyncio

from tests.integration.projecting import Histories, execute, fetch, fold_all, tables
from tests.integration.rebuilding import last_run, rebuilt


def test_it_brings_back_what_was_damaged_and_tells_where(database: str) -> None:
    Histories(1).extend(database, 100)
    asyncio.run(fold_all(database))
    right = tables(database)
    execute(
        database,
        "DELETE FROM read_model.entity_version",
        "UPDATE read_model.entity_head SET version = 99",
        "INSERT INTO read_model.parked_event VALUES (5, 'x', '')",
        "DROP INDEX read_model.entity_version_starts",
    )
    outcome = rebuilt(database)
    assert tables(database) == right
    differences = {difference.table: difference for difference in outcome.differences}
    assert differences.keys() == {"entity_head", "entity_version", "parked_event"}
    assert differences["entity_version"].rows == len(right["entity_version"])
    assert (differences["entity_head"].column, differences["entity_head"].live) == ("version", "99")
    assert last_run(database)["phase"] == "done"
    assert fetch(database, "SELECT to_regclass('read_model.entity_version_starts') IS NOT NULL") == [(True,)]
    assert rebuilt(database).differences == []
    assert tables(database) == right
