"""What the projector keeps in memory: as much as it may, by what it takes, whatever the entities hold."""

from __future__ import annotations

from functools import reduce
from uuid import UUID

import pytest

from projector import states
from projector.states import KEPT_VERSIONS, Memory
from shared.core.events import (
    Context,
    EntityEvent,
    EntityRegistered,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    Metadata,
    Recorded,
    entity_stream,
)
from shared.core.timeline import ROW_BYTES, Timeline, fold
from tests.given import day

CODES = [f"CODE_{n}" for n in range(50)]


def entity(number: int, *events: EntityEvent) -> Timeline:
    uid = UUID(int=number)
    recorded = [
        Recorded(n, UUID(int=n), entity_stream(uid), n, event, day(n), None, day(n), Context(), Metadata("jo", "r"))
        for n, event in enumerate(events, 1)
    ]
    return reduce(lambda timeline, one: fold(timeline, one)[0], recorded, Timeline(entity_uid=uid))


def registered(number: int, length: int) -> Timeline:
    return entity(number, EntityRegistered("Jo", "PERSON", dict.fromkeys(CODES, "x" * length)))


def test_what_is_kept_is_bounded_by_what_it_takes_and_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "KEPT_BYTES", 10_000_000)
    memory = Memory()
    for number in range(1, 31):
        memory.keep({UUID(int=number): registered(number, 10_000)})  # half a megabyte each
    kept = [number for number in range(1, 31) if memory.get(UUID(int=number))]
    assert kept == list(range(31 - len(kept), 31))
    assert 15 <= len(kept) <= 20


def test_the_last_batch_is_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "KEPT_BYTES", 1)
    memory = Memory()
    memory.keep({UUID(int=1): registered(1, 10)})
    memory.keep({UUID(int=number): registered(number, 10) for number in (2, 3)})
    assert [memory.get(UUID(int=number)) is not None for number in (1, 2, 3)] == [False, True, True]


def test_an_entity_that_is_written_again_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "KEPT_BYTES", 3_000_000)
    memory = Memory()
    memory.keep({UUID(int=1): registered(1, 10_000)})
    for _ in range(100):
        memory.keep({UUID(int=2): registered(2, 10_000)})
    assert memory.get(UUID(int=1)) is not None
    memory.clear()
    assert memory.get(UUID(int=1)) is None


def test_rows_count_also_where_an_event_makes_them_of_what_was_said_before() -> None:
    back = [event for _ in range(10) for event in (EntityRetired(), EntityReopened())]
    size = entity(1, EntityRegistered("Jo", "PERSON", dict.fromkeys(CODES, "x")), *back).size
    rows = 11 * (len(CODES) + 1)
    assert rows * ROW_BYTES < size < 2 * rows * ROW_BYTES


def test_an_entity_of_many_versions_counts_by_its_open_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "KEPT_BYTES", 50_000)
    memory = Memory()
    revised = [EntityRevised(details={"EMAIL": f"{n}" * 1000}) for n in range(KEPT_VERSIONS + 1)]
    memory.keep({UUID(int=1): entity(1, EntityRegistered("Jo", "PERSON", {}), *revised)})
    memory.keep({UUID(int=2): registered(2, 10)})
    assert memory.get(UUID(int=1)) is not None
