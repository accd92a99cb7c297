"""One statement at the point that was asked for: when it has been reached, and which position an instant stands for."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from db.pool import once_more
from db.queries import statement
from read_side.questions import Asked, Known
from read_side.statements import Answer, Row, Statements
from shared.core.errors import Unavailable, invalid

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from db.pool import Connection
    from db.waiting import Waiter

Made = TypeVar("Made")
FRONT = 3
"""How many columns of a statement are about all of it."""
AT_FIRST_SECONDS = 0.1
"""How long a read waits to hear of a position before it looks for itself."""
OWN_SECONDS = 0.5
"""How long a read waits for what its client wrote, where the client did not ask for it."""


class Parked(Struct, frozen=True):
    """How many streams have events that are parked, of those that a question is about, and from which position on."""

    streams: int
    since: int | None
    of_one: bool

    @property
    def warning(self) -> str | None:
        """What an answer has to say of it: what these events assert is missing; None where there are none."""
        if not self.streams:
            return None
        which = "this entity" if self.of_one else f"{self.streams} stream{'s' if self.streams > 1 else ''}"
        return f"events of {which} are parked since position {self.since}"


NONE_PARKED = Parked(0, None, of_one=False)


class Snapshot(Struct):
    """The rows of one statement, at least one, and the point they were read at.

    In front of the first row the statement gives the position of the checkpoint, the instant, and what is parked; what
    was believed at an earlier position was asked for where `position` is less than that. Whoever asked the same at the
    same moment is given the same one.
    """

    position: int
    as_of: datetime
    parked: Parked
    rows: list[Row]
    """As the statement gives them."""
    _made: Any = None

    @property
    def first(self) -> Row:
        """The first row, without what is in front."""
        return self.rows[0][FRONT:]

    @property
    def behind(self) -> list[Row]:
        """The rows, without what is in front."""
        return [row[FRONT:] for row in self.rows]

    def once(self, make: Callable[[], Made]) -> Made:
        """Return what `make` makes of it, made by the first who calls this: all of them must make the same of it."""
        if self._made is None:
            self._made = make()
        made: Made = self._made
        return made


class Snapshots:
    """Runs the statements of the read side.

    Raises Unavailable when the database does not answer, and when the read model has not reached the position asked
    for within `wait_seconds`.
    """

    def __init__(self, pool: AsyncConnectionPool[Connection], wait_seconds: float, waiter: Waiter) -> None:
        self._pool = pool
        self._statements = Statements(pool)
        self._wait_seconds = wait_seconds
        self._waiter = waiter

    async def fetch(self, name: str, params: dict[str, Any], asked: Asked, *, prepare: bool = True) -> Snapshot:
        """Return what a statement finds; it takes `as_of`, `now` and `known`, a position; NULL is the latest.

        A statement whose best plan hangs on its parameters is not prepared: PostgreSQL then plans it for their values.
        """
        known = asked.known.position if asked.known.instant is None else await self.position_of(asked.known)
        params = {**params, "as_of": asked.as_of, "now": asked.now, "known": known}
        required = max(asked.min_position, known or 0)
        wanted = required if known is not None else max(required, asked.own_position)
        if wanted > self._waiter.position:  # it is hardly there yet: to ask now would be in vain, and hold up who works
            await self._waiter.wait_for_word(wanted, min(self._wait_seconds, AT_FIRST_SECONDS))
        answer = await self._statements.ask(name, params, prepare=prepare)
        if answer.rows[0][0] < wanted:
            answer = await self._later(answer, name, params, required, wanted, prepare=prepare)
        self._waiter.note(answer.rows[0][0])
        if answer.made is None:
            position, as_of, (streams, since) = answer.rows[0][:FRONT]
            parked = Parked(streams, since, of_one=params.get("uid") is not None) if streams else NONE_PARKED
            answer.made = Snapshot(position if known is None else known, as_of, parked, answer.rows)
        snapshot: Snapshot = answer.made
        return snapshot

    async def _later(
        self, answer: Answer, name: str, params: dict[str, Any], required: int, wanted: int, *, prepare: bool
    ) -> Answer:
        """Return a later answer: as soon as the read model has what is wanted, or after a while what is required."""
        patience = self._wait_seconds if required > answer.rows[0][0] else min(self._wait_seconds, OWN_SECONDS)
        deadline = get_running_loop().time() + patience
        while answer.rows[0][0] < wanted and (left := deadline - get_running_loop().time()) > 0:
            await self._waiter.wait_for_word(wanted, left)
            answer = await self._statements.ask(name, params, prepare=prepare)  # told or not: only what is read counts
        if answer.rows[0][0] < required:
            reason = f"The read model is at position {answer.rows[0][0]}: it has not reached {required} yet."
            if answer.rows[0][0] <= self._waiter.head < required:
                reason += f" The log ends at position {self._waiter.head}."
            raise Unavailable(reason, retry_after=1)
        return answer

    async def position_of(self, known: Known) -> int | None:
        """Return the position whose knowledge is asked for, None where it is the latest.

        An instant stands for the last position recorded by then: the same one for ever, so it is waited until nothing
        can be recorded at or before it any more. Raises Invalid for an instant that has not come, Unavailable when
        that takes longer than `wait_seconds`.
        """
        if known.instant is None:
            return known.position
        params = {"known_at": known.instant}
        deadline = get_running_loop().time() + self._wait_seconds
        while True:
            answer = await self._statements.ask("read/resolve_known_at", params, prepare=True)
            _, is_future, is_settled, position = answer.rows[0]
            if is_future:
                raise invalid(
                    known.parameter, "Must not be in the future: nobody knows yet what is known then.", "future"
                )
            if is_settled:
                return int(position)
            left = deadline - get_running_loop().time()
            if left <= 0:
                reason = f"It is not settled yet what was recorded by {known.parameter}."
                raise Unavailable(reason, retry_after=1)
            await self._settle()
            await self._waiter.wait_until_settled(known.instant, left)

    async def pin(self, asked: Asked) -> Asked:
        """Return the same question at a point that stays: with an instant that is now, and a position."""
        found = await self.fetch("read/get_moment", {}, asked)
        return replace(asked, now=found.as_of, known=Known(position=found.position))

    async def _settle(self) -> None:
        """Ask the projector to find out up to when all is known; should it not hear, it does so by itself in time."""

        async def ask() -> None:
            async with self._pool.connection() as connection:
                await connection.execute(statement("read/notify_settle"), prepare=False)

        await once_more(ask)
