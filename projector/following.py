"""A set of tables that is not live, kept up with the log by the ordinary projection, as far as it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from projector.batch import Projection

BATCH_EVENTS = 1000


class Follower:
    """The projection of a set: it goes on when it is told to, and as far as it is told to."""

    def __init__(self, runner: asyncio.Runner, projection: Projection) -> None:
        self._runner = runner
        self._projection = projection

    @property
    def position(self) -> int:
        """The last position that the set has."""
        return self._projection.position

    def up_to(self, position: int, told: Callable[[int], None] = lambda _: None) -> None:
        """Fold what is missing up to a position, or to the end of the log; `told` hears of every batch."""
        while self.position < position:
            if self._runner.run(self._projection.advance(min(BATCH_EVENTS, position - self.position))) is None:
                return
            told(self.position)

    def pass_time(self) -> None:
        """Let what fell due become current."""
        self._runner.run(self._projection.fall_due())


@contextmanager
def following(conninfo: str, set_name: str) -> Iterator[Follower]:
    """Give the projection of a set, begun where that stands: its connection finds the tables of this set alone."""
    options = f"{conninfo_to_dict(conninfo).get('options') or ''} -c search_path={set_name},public"
    with asyncio.Runner() as runner:
        connection = runner.run(
            psycopg.AsyncConnection.connect(make_conninfo(conninfo, options=options), autocommit=True)
        )
        try:
            yield Follower(runner, runner.run(Projection.open(connection)))
        finally:
            runner.run(connection.close())
