"""Questions that wait at the same moment are asked together: one query answers all of them, as a dataloader does.

Nothing waits for company. The first question starts a round at once; what comes while as many rounds are under way as
there may be gathers for the next one, which starts as soon as one of them ends. So a question only ever joins a round
that starts after it came: its answer reflects all that was committed before it was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from itertools import islice
from typing import Generic, TypeVar

Group = TypeVar("Group", bound=Hashable)
Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")

SLOW_SECONDS = 1.0


class _Lane(Generic[Key, Answer]):
    """Who waits in one group, in the order they came, and the rounds that are under way."""

    def __init__(self) -> None:
        self.waiting: dict[Key, list[asyncio.Future[Answer]]] = {}
        self.rounds: dict[asyncio.Task[None], float] = {}
        """When each began, by the clock of the loop."""
        self.look: asyncio.TimerHandle | None = None
        """Sees to who waits, should no round end and nobody else come."""


class Coalescing(Generic[Group, Key, Answer]):
    """Asks together what can be: of one group, each key once a round, in the order they came, so that none starves.

    `ask` takes a group and at least one key and returns as many answers in the order of the keys; what it raises
    reaches everyone whose key was among them. Whoever is cancelled leaves the others alone. It is for one event loop.
    """

    def __init__(
        self,
        ask: Callable[[Group, Sequence[Key]], Awaitable[Sequence[Answer]]],
        *,
        most_keys: int = 100,
        most_rounds: int = 2,
    ) -> None:
        """Take how many keys a round has at most, and how many rounds of one group may be under way at a time.

        A round that takes longer than SLOW_SECONDS counts no more: whatever holds it up must not hold up the others.
        """
        self._ask = ask
        self._most_keys = most_keys
        self._most_rounds = most_rounds
        self._lanes: dict[Group, _Lane[Key, Answer]] = {}

    async def __call__(self, group: Group, key: Key) -> Answer:
        """Return the answer to a key; raises what `ask` does."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answer] = loop.create_future()
        lane = self._lanes.get(group)
        if lane is None:
            lane = self._lanes[group] = _Lane()
        askers = lane.waiting.get(key)
        if askers is None:
            lane.waiting[key] = [answered]
        else:
            askers.append(answered)
        self._begin(group, lane)
        return await answered

    def _begin(self, group: Group, lane: _Lane[Key, Answer]) -> None:
        """Begin a round for who waits, now or when those under way have taken too long."""
        loop = asyncio.get_running_loop()
        if len(lane.rounds) < self._most_rounds or self._are_slow(lane.rounds, loop.time()):
            lane.rounds[loop.create_task(self._answer(group, lane), name="coalescing")] = loop.time()
        elif lane.look is None:
            lane.look = loop.call_later(SLOW_SECONDS, self._look, group, lane)

    def _look(self, group: Group, lane: _Lane[Key, Answer]) -> None:
        lane.look = None
        if lane.waiting:
            self._begin(group, lane)

    def _are_slow(self, rounds: dict[asyncio.Task[None], float], now: float) -> bool:
        """Return whether fewer rounds count than may be under way."""
        return sum(now - SLOW_SECONDS < begun for begun in rounds.values()) < self._most_rounds

    async def _answer(self, group: Group, lane: _Lane[Key, Answer]) -> None:
        """Go round after round until nobody waits any more."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101  # it is started as one
        try:
            while lane.waiting:
                lane.rounds[task] = loop.time()
                keys = list(islice(lane.waiting, self._most_keys))
                await self._round(group, [(key, lane.waiting.pop(key)) for key in keys])
        finally:
            del lane.rounds[task]
            if not lane.rounds:
                del self._lanes[group]
                if lane.look is not None:
                    lane.look.cancel()

    async def _round(self, group: Group, waiting: list[tuple[Key, list[asyncio.Future[Answer]]]]) -> None:
        """Answer those who have not been cancelled."""
        asked = [(key, there) for key, askers in waiting if (there := _unanswered(askers))]
        try:
            answers = await self._ask(group, [key for key, _ in asked]) if asked else ()
            told = list(zip(asked, answers, strict=True))
        except asyncio.CancelledError:
            for _, askers in asked:
                for answered in askers:
                    answered.cancel()
            raise
        except Exception as error:  # noqa: BLE001  # it is raised where the question was asked
            for _, askers in asked:
                for answered in _unanswered(askers):
                    answered.set_exception(error)
            return
        for (_, askers), answer in told:
            for answered in askers:
                if not answered.done():
                    answered.set_result(answer)


def _unanswered(askers: list[asyncio.Future[Answer]]) -> list[asyncio.Future[Answer]]:
    """Return who still waits: the others were cancelled."""
    return [answered for answered in askers if not answered.done()]
