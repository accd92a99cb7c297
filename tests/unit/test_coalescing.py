"""Questions that wait at the same moment go together: who shares a round, and who never does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from db import coalescing
from db.coalescing import Coalescing

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Slow:
    """Answers a key with itself and the number of its round, from 1, when the test says so."""

    def __init__(self, *, at_once: bool = False) -> None:
        self.rounds: list[tuple[str, list[int]]] = []
        self.errors: dict[int, Exception] = {}
        self._at_once = at_once
        self._go = asyncio.Semaphore(0)

    async def __call__(self, group: str, keys: Sequence[int]) -> list[tuple[int, int]]:
        self.rounds.append((group, list(keys)))
        number = len(self.rounds)
        if not self._at_once:
            await self._go.acquire()
        if number in self.errors:
            raise self.errors[number]
        return [(key, number) for key in keys]

    def go(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self._go.release()


async def turns() -> None:
    """Let every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


def asked(together: Coalescing[str, int, tuple[int, int]], *keys: int) -> list[asyncio.Task[tuple[int, int]]]:
    return [asyncio.create_task(together("a", key)) for key in keys]


async def test_one_who_asks_alone_is_answered_without_waiting_for_company() -> None:
    slow = Slow(at_once=True)
    together = Coalescing(slow)
    assert await together("a", 1) == (1, 1)
    assert await together("a", 1) == (1, 2)


async def test_what_comes_at_once_goes_together_and_each_key_once_in_the_order_it_came() -> None:
    slow = Slow(at_once=True)
    together = Coalescing(slow)
    assert await asyncio.gather(*asked(together, 3, 1, 3, 2, 1)) == [(3, 1), (1, 1), (3, 1), (2, 1), (1, 1)]
    assert slow.rounds == [("a", [3, 1, 2])]


async def test_who_comes_while_a_round_is_under_way_is_never_answered_by_it() -> None:
    slow = Slow()
    together = Coalescing(slow, most_rounds=1)
    early = asked(together, 1)
    await turns()
    late = asked(together, 1, 2)
    await turns()
    assert slow.rounds == [("a", [1])]
    slow.go(2)
    assert await asyncio.gather(*early, *late) == [(1, 1), (1, 2), (2, 2)]


async def test_so_many_rounds_of_a_group_are_under_way_at_a_time() -> None:
    slow = Slow()
    together = Coalescing(slow, most_rounds=2)
    waiting = []
    for key in (1, 2, 3, 4):
        waiting += asked(together, key)
        await turns()
    assert slow.rounds == [("a", [1]), ("a", [2])]
    slow.go(3)
    assert await asyncio.gather(*waiting) == [(1, 1), (2, 2), (3, 3), (4, 3)]


async def test_a_round_has_so_many_keys_and_whoever_came_first_goes_first() -> None:
    slow = Slow(at_once=True)
    together = Coalescing(slow, most_keys=2)
    await asyncio.gather(*asked(together, 1, 2, 3, 4, 5))
    assert slow.rounds == [("a", [1, 2]), ("a", [3, 4]), ("a", [5])]


async def test_a_key_is_asked_for_anew_where_a_round_with_it_is_under_way() -> None:
    slow = Slow()
    together = Coalescing(slow, most_rounds=2)
    early = asked(together, 1)
    await turns()
    late = asked(together, 1)
    await turns()
    slow.go(2)
    assert await asyncio.gather(*early, *late) == [(1, 1), (1, 2)]


async def test_groups_do_not_wait_for_each_other() -> None:
    slow = Slow()
    together = Coalescing(slow)
    tasks = [asyncio.create_task(together(group, 1)) for group in ("a", "b")]
    await turns()
    assert slow.rounds == [("a", [1]), ("b", [1])]
    slow.go(2)
    await asyncio.gather(*tasks)


async def test_an_error_reaches_everyone_who_waited_and_nobody_who_came_later() -> None:
    slow = Slow()
    slow.errors[1] = LookupError("gone")
    together = Coalescing(slow)
    failing = asked(together, 1, 2, 1)
    await turns()
    later = asked(together, 1)
    slow.go(2)
    errors = await asyncio.gather(*failing, return_exceptions=True)
    assert [str(error) for error in errors] == ["gone"] * 3
    assert await asyncio.gather(*later) == [(1, 2)]


async def test_too_few_answers_are_an_error_and_leave_nobody_waiting() -> None:
    async def ask(_: str, keys: Sequence[int]) -> list[tuple[int, int]]:
        return [(key, 0) for key in keys[1:]]

    together = Coalescing(ask)
    errors = await asyncio.gather(*asked(together, 1, 2), return_exceptions=True)
    assert [type(error) for error in errors] == [ValueError, ValueError]


async def test_one_who_is_cancelled_harms_nobody() -> None:
    slow = Slow()
    together = Coalescing(slow, most_rounds=1)
    first, same, other = asked(together, 1, 1, 2)
    await turns()
    first.cancel()
    gone, stays = asked(together, 3, 4)
    await turns()
    gone.cancel()
    await turns()
    slow.go(2)
    assert [*await asyncio.gather(same, other, stays)] == [(1, 1), (2, 1), (4, 2)]
    assert first.cancelled()
    assert gone.cancelled()
    assert slow.rounds == [("a", [1, 2]), ("a", [4])], "for one who has gone nothing is asked"


async def test_where_everybody_has_gone_nothing_is_asked() -> None:
    slow = Slow()
    together = Coalescing(slow, most_rounds=1)
    (busy,) = asked(together, 1)
    await turns()
    (gone,) = asked(together, 2)
    await turns()
    gone.cancel()
    slow.go()
    await busy
    await turns()
    assert slow.rounds == [("a", [1])]
    slow.go()
    assert await together("a", 2) == (2, 2), "and the next one is answered"


async def test_nothing_is_kept_of_a_group_that_nobody_asks_for() -> None:
    together = Coalescing(Slow(at_once=True))
    await asyncio.gather(*asked(together, 1, 2))
    await turns()
    assert not together._lanes


async def test_rounds_that_hang_hold_up_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescing, "SLOW_SECONDS", 0)
    slow = Slow()
    together = Coalescing(slow, most_rounds=1)
    hanging = asked(together, 1)
    await turns()
    others = asked(together, 2, 3)
    await turns()
    assert slow.rounds == [("a", [1]), ("a", [2, 3])]
    slow.go(2)
    assert await asyncio.gather(*hanging, *others) == [(1, 1), (2, 2), (3, 2)]


async def test_who_waits_for_rounds_that_hang_needs_nobody_else_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coalescing, "SLOW_SECONDS", 0.01)
    slow = Slow()
    together = Coalescing(slow, most_rounds=1)
    hanging = asked(together, 1)
    await turns()
    other = asked(together, 2)
    await turns()
    assert slow.rounds == [("a", [1])]
    async with asyncio.timeout(10):
        while len(slow.rounds) < 2:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)
    slow.go(2)
    assert await asyncio.gather(*hanging, *other) == [(1, 1), (2, 2)]
