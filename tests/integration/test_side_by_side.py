"""Work on several connections: what it says is heard in the caller's thread, and one failure ends it all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg
import pytest

from projector.side_by_side import side_by_side

Say = Callable[[int], None]


def count(to: int, connection: psycopg.Connection[Any], say: Say) -> None:
    for (number,) in connection.execute("SELECT generate_series(1, %s)", [to]).fetchall():
        say(number)


def test_more_tasks_than_connections_are_all_done_and_heard_of_where_they_were_asked_for(database: str) -> None:
    heard: list[tuple[int, threading.Thread]] = []
    tasks = [partial(count, to) for to in (5, 1, 0, 3)]
    side_by_side(database, 2, tasks, lambda number: heard.append((number, threading.current_thread())))
    assert sorted(number for number, _ in heard) == [1, 1, 1, 2, 2, 3, 3, 4, 5]
    assert {thread for _, thread in heard} == {threading.current_thread()}


def test_where_one_fails_the_others_are_cancelled_and_what_waits_is_not_begun(database: str) -> None:
    begun = threading.Event()
    ended: list[type[BaseException]] = []

    def sleep(connection: psycopg.Connection[Any], _: Say) -> None:
        begun.set()
        try:
            connection.execute("SELECT pg_sleep(300)")
        except psycopg.errors.QueryCanceled as error:
            ended.append(type(error))
            raise

    def fail(connection: psycopg.Connection[Any], _: Say) -> None:
        assert begun.wait(60)
        connection.execute("SELECT 1 / 0")

    def never(_: psycopg.Connection[Any], say: Say) -> None:
        say(1)
        ended.append(AssertionError)

    with pytest.raises(psycopg.errors.DivisionByZero):
        side_by_side(database, 2, [sleep, fail, *[never] * 3], lambda _: None)
    assert ended.count(psycopg.errors.QueryCanceled) <= 1
    assert begun.is_set()


def test_where_the_hearer_fails_all_is_cancelled(database: str) -> None:
    def tell_and_sleep(connection: psycopg.Connection[Any], say: Say) -> None:
        say(1)
        connection.execute("SELECT pg_sleep(300)")

    def refuse(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        side_by_side(database, 2, [tell_and_sleep] * 2, refuse)
