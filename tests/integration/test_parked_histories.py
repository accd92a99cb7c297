"""However events are parked, skipped and retried: every way to fold a log leads to the tables of the oracle."""

from __future__ import annotations

import random

import psycopg
import pytest

from db.pool import Dsns
from projector.verify import verify
from tests.integration.parking import anew, parked
from tests.integration.projecting import TABLES, Histories, fetch, fold_all, run, tables
from tests.integration.rebuilding import rebuilt


def fold_again(conninfo: str, limit: int) -> None:
    with psycopg.connect(Dsns(conninfo).of("project")) as connection:
        for table in (*TABLES, "parked_event"):
            connection.execute(f"TRUNCATE read_model.{table}".encode())
        connection.execute("UPDATE read_model.checkpoint SET position = 0, recorded_at = '-infinity'")
    run(fold_all(conninfo, limit))


def retry_all(conninfo: str) -> None:
    async def work() -> None:
        for (stream,) in fetch(conninfo, "SELECT DISTINCT stream FROM read_model.parked_event"):
            assert await anew(conninfo, stream) is not None

    run(work())


@pytest.mark.parametrize("seed", range(4))
def test_all_ways_to_fold_agree_where_events_are_parked_and_skipped(database: str, seed: int) -> None:
    histories, chance = Histories(seed, foreign=0.1), random.Random(seed)  # noqa: S311  # it picks batch sizes
    were_parked = set()
    for _ in range(4):
        histories.extend(database, 25)
        run(fold_all(database, chance.randint(1, 30)))
        were_parked |= set(parked(database))
    live = tables(database)
    assert were_parked
    retry_all(database)
    assert tables(database) == live
    for limit in (1, 3, 1000):
        fold_again(database, limit)
        assert tables(database) == live
    assert rebuilt(database).position == 100
    assert tables(database) == live
    assert verify(Dsns(database).of("project")).parked == len(parked(database))
    histories.skip_all(database)
    run(fold_all(database, chance.randint(1, 5)))
    assert parked(database) == []
    assert verify(Dsns(database).of("project")).parked == 0
