"""What is kept folded for the next command: weighed as it comes and goes, and never walked through."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, KeysView, Sequence
from typing import Any
from uuid import UUID

import pytest

from shared.core.events import (
    Context,
    EntityRegistered,
    EntityRevised,
    Event,
    ExternalKeyClaimed,
    Metadata,
    Recorded,
    entity_stream,
)
from tests.given import day
from write_side import entity, states
from write_side.event_store import EventStore
from write_side.external_key import ExternalKey
from write_side.states import FEW_EVENTS, States

REGISTERED = EntityRegistered("Jo", "PERSON", {"EMAIL": "jo@example.com", "PHONE": "1"})


def key(number: int) -> str:
    return ExternalKey("crm", str(number)).stream


def event(stream: str, version: int, what: Event) -> Recorded:
    at = day(version)
    return Recorded(version, UUID(int=version), stream, version, what, at, None, at, Context(), Metadata("jo", "r"))


def history(uid: UUID, number: int) -> list[Recorded]:
    """Return a registration and what revises it, so many events in all."""
    revised = [
        event(entity_stream(uid), n, EntityRevised(f"Jo {n}", "PERSON", {"EMAIL": f"{n}@example.com", "PHONE": None}))
        for n in range(2, number + 1)
    ]
    return [event(entity_stream(uid), 1, REGISTERED), *revised]


class Log(EventStore):
    """Has these events, and remembers which streams were asked for."""

    def __init__(self, *events: Recorded) -> None:
        self.events = events
        self.asked: list[str] = []

    async def load_many(self, streams: Sequence[str]) -> dict[str, list[Recorded]]:
        self.asked.extend(streams)
        return {stream: [event for event in self.events if event.stream == stream] for stream in streams}


class NotWalked(OrderedDict[str, Any]):
    def __iter__(self) -> Iterator[str]:
        raise AssertionError("what is kept was walked through")

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        raise AssertionError("what is kept was walked through")


def weighed(kept: States) -> int:
    return sum(one.weight for one in kept._entities.values())


def test_what_is_looked_for_ahead_is_found_without_a_walk_through_what_is_kept() -> None:
    here, away, kept_key, new_key = UUID(int=1), UUID(int=2), key(1), key(2)
    claims = [
        event(kept_key, 1, ExternalKeyClaimed("crm", "1", here)),
        event(new_key, 1, ExternalKeyClaimed("crm", "2", away)),
    ]
    log = Log(*claims, *history(here, 2), *history(away, 2))
    kept = States(log)
    asyncio.run(kept.load_ahead([here], [kept_key]))
    kept._entities, kept._holders = NotWalked(kept._entities), NotWalked(kept._holders)
    log.asked.clear()

    asyncio.run(kept.load_ahead([here], [kept_key, new_key]))

    assert log.asked == [new_key, entity_stream(away)]


def test_what_is_kept_weighs_what_its_entities_do_however_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "KEPT_BYTES", 40_000)
    kept = States(Log(*(said for n in range(1, 6) for said in history(UUID(int=n), 2 * n))))

    for n in range(1, 6):  # the last one has more events than are kept unfolded
        asyncio.run(kept.load_ahead([UUID(int=n)], []))
        assert kept._kept_bytes == weighed(kept)
    assert kept.entity(entity_stream(UUID(int=4))) is not None  # folded now
    assert kept._kept_bytes == weighed(kept)

    new = UUID(int=9)
    state = entity.initial(new)
    for recorded in history(new, 2 * FEW_EVENTS):
        kept.keep_appended(entity_stream(new), state, [recorded])
        state = entity.evolve(state, recorded)
        assert kept._kept_bytes == weighed(kept) <= 40_000
    assert kept.entity(entity_stream(new)) == state
    assert kept.entity(entity_stream(UUID(int=1))) is None  # the oldest was forgotten


def test_long_values_weigh_what_they_take(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "KEPT_BYTES", 1_000_000)
    kept = States(Log())
    for n in range(1, 31):
        stream = entity_stream(UUID(int=n))
        registered = event(stream, 1, EntityRegistered("Jo", "PERSON", {"NOTE": "x" * 100_000}))
        kept.keep_entity(stream, entity.evolve(entity.initial(UUID(int=n)), registered))
    assert [n for n in range(1, 31) if kept.entity(entity_stream(UUID(int=n)))] == list(range(22, 31))
    other = entity_stream(UUID(int=99))
    unfolded = event(other, 1, EntityRegistered("Jo", "PERSON", {"NOTE": "x" * 800_000}))
    kept.keep_appended(other, entity.initial(UUID(int=99)), [unfolded])
    assert len(kept._entities) <= 3
    assert kept._kept_bytes == weighed(kept) <= 1_000_000
