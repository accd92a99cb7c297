"""How many entities differ is one number, in whichever of several ways it is told."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from read_side.diff import Mode
from read_side.steps import Points
from tests.conftest import Clone
from tests.histories import DAYS
from tests.integration.reading import day
from tests.integration.test_diff_in_time import EXAMPLES, between, expected
from tests.integration.test_diff_plans import CHANGES, NET, NOTHING
from tests.integration.test_read_plans import explain
from tests.integration.worlds import World, head, worlds, write
from tests.unit.test_diff_in_time import spans as spans_of

BY_TURNS = "SELECT differing_between(%s, %s, %s)"
IN_ORDER = "SELECT differing_in_order(%s, %s, %s)"
KNOWN = "SELECT differing_known_between(%s, %s, %s, %s)"
MORE_KNOWN = "SELECT differing_before(%s, %s, %s, %s, %s)"
INFINITIES = "-infinity", "infinity"
ALL_OF_TIME = {**NOTHING, **dict(zip(("from", "to"), INFINITIES, strict=True)), "counted": True}


@pytest.fixture(scope="module")
def connection(clone: Clone) -> Iterator[psycopg.Connection[Any]]:
    with clone() as conninfo, psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET search_path = read_model, public")
        yield connection


def number(connection: psycopg.Connection[Any], query: str, *params: object) -> int:
    row = connection.execute(query.encode(), params).fetchone()
    assert row is not None
    return int(row[0])


@EXAMPLES
@given(world=worlds(), seed=st.integers(0, 10**6))
def test_each_way_counts_those_that_have_a_difference(
    connection: psycopg.Connection[Any], world: World, seed: int
) -> None:
    write(connection, world)
    spans, latest = {of: spans_of(life) for of, life in world.items()}, head(world)
    chance = random.Random(seed)  # noqa: S311  # it chooses examples
    modes: tuple[Mode, ...] = ("net", "changes")
    for mode in modes * 10:
        (start, end), known = between(chance, DAYS + 3), chance.randint(0, latest)
        window = mode, day(start), day(end)
        now = len(expected(spans, mode, Points(*window[1:], latest, latest)))
        then = len(expected(spans, mode, Points(*window[1:], known, known)))
        assert number(connection, BY_TURNS, *window) == now
        assert number(connection, IN_ORDER, *window) == now
        assert number(connection, KNOWN, *window, known) == then
        assert number(connection, MORE_KNOWN, *window, known, latest) == then - now


@pytest.mark.parametrize("mode", ["net", "changes"])
@pytest.mark.parametrize("window", [(day(150), day(152)), (day(20), day(320)), INFINITIES])
def test_a_window_is_counted_by_turns_as_it_is_in_order(
    corrected: psycopg.Connection[Any], mode: str, window: tuple[datetime | str, datetime | str]
) -> None:
    counted = number(corrected, BY_TURNS, mode, *window)
    assert counted > 0
    assert number(corrected, IN_ORDER, mode, *window) == counted


@pytest.mark.parametrize("mode", ["net", "changes"])
def test_what_is_counted_in_order_is_neither_sorted_nor_gathered(corrected: psycopg.Connection[Any], mode: str) -> None:
    with corrected.transaction():
        corrected.execute("SET LOCAL work_mem = '64kB'")
        query = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + IN_ORDER
        row = corrected.execute(query.encode(), (mode, *INFINITIES)).fetchone()
    assert row is not None
    assert row[0][0]["Plan"]["Temp Written Blocks"] == 0


@pytest.mark.parametrize("mode", [NET, CHANGES])
def test_a_count_as_known_a_while_ago_looks_again_only_at_what_has_events_since(
    corrected: psycopg.Connection[Any], mode: dict[str, Any]
) -> None:
    params = {**ALL_OF_TIME, **mode}
    latest = explain(corrected, "read/diff_entities", params)["Shared Hit Blocks"]
    earlier = explain(corrected, "read/diff_entities", {**params, "known": 99_990})["Shared Hit Blocks"]
    assert earlier - latest < 1500
