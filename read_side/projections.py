"""The projections: how far each is, which runs make it anew, and which set of tables is kept beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from db.asking import ask_one_of
from shared.core.errors import Unavailable
from shared.http.shapes import Instant, RunOut, run_out

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from db.pool import Connection


class PreviousOut(Struct):
    """The set of tables before this one: `cockpit rebuild --rollback` goes back to it."""

    position: int


class ProjectionOut(Struct):
    """A projection: the position it has, when that was recorded, at which instant what is current is exact.

    All that was recorded by `settled_at` is in it; `lag` counts the events it has not folded yet, `parked` those that
    cannot be. `generation` tells how often its rows were changed otherwise than by folding on. `rebuild` is the last
    run that made rows anew, under way or not.
    """

    name: str
    position: int
    recorded_at: Instant | None
    clock_at: Instant | None
    settled_at: Instant | None
    lag: int
    parked: int
    generation: int
    rebuild: RunOut | None
    previous: PreviousOut | None


class Projections:
    """Answers how the projections are. Raises Unavailable when the database does not answer."""

    def __init__(self, pool: AsyncConnectionPool[Connection]) -> None:
        self._pool = pool

    async def all(self) -> list[ProjectionOut]:
        """Return every projection: there is one, the read model."""
        rows = await ask_one_of(self._pool, "read/get_projection", {}, prepare=False)
        if not rows:
            raise Unavailable("The read model has no checkpoint: it is to be rebuilt.", retry_after=1)
        position, recorded_at, clock_at, settled_at, lag, parked, generation, previous, run_id, *more = rows[0]
        run = None if run_id is None else run_out(run_id, *more)
        kept = None if previous is None else PreviousOut(previous)
        return [
            ProjectionOut("read_model", position, recorded_at, clock_at, settled_at, lag, parked, generation, run, kept)
        ]
