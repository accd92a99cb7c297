"""What commands are decided on: entities, keys and the registry, folded from the log and kept for the next command."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import reduce
from sys import getsizeof
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from shared.core.errors import CannotFold
from shared.core.events import REGISTRY_STREAM, ExternalKeyClaimed, Recorded, entity_stream, uid_of
from shared.core.timeline import note
from write_side import entity, external_key, registry
from write_side.entity import Entity
from write_side.external_key import Holder
from write_side.parked import parked
from write_side.registry import Registry

if TYPE_CHECKING:
    from uuid import UUID

    from write_side.event_store import EventStore

KEPT_BYTES = 35 * 2**20
"""About how much memory the entities take that are kept: those that were written last."""
EVENT_BYTES = 800
"""About what an event takes that is not folded yet."""

KEPT_KEYS = 20_000
"""How many keys are kept, about 500 bytes each."""

FOLDED_AT_ONCE = 50
"""How many events are folded on the event loop: some milliseconds' worth where each corrects the past."""

FEW_EVENTS, FEW_POINTS = 8, 1000
"""How many events of an entity are kept unfolded, on a state of how many change points: else it is folded."""

State = TypeVar("State", Entity, Registry)


class Kept(Struct, frozen=True, gc=False):
    """An entity that is kept, what came since it was folded, and about how many bytes both take."""

    state: Entity
    unfolded: Sequence[Recorded]
    weight: int


class States:
    """The states last used, each as some command left it. They may be behind: what rests on one is checked."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.registry = Registry()
        self._entities: OrderedDict[str, Kept] = OrderedDict()
        self._kept_bytes = 0
        self._holders: OrderedDict[str, Holder] = OrderedDict()

    def entity(self, stream: str) -> Entity | None:
        """Return an entity that is kept; what came since it was folded is folded now."""
        kept = self._entities.get(stream)
        if kept is None or not kept.unfolded:
            return None if kept is None else kept.state
        self._forget(stream)
        with suppress(CannotFold):  # whoever needs it is told so when it is loaded
            state = entity_after(stream, kept.state, kept.unfolded)
            self.keep_entity(stream, state)
            return state
        return None

    def noted(self, stream: str) -> Entity | None:
        """Return an entity that is kept as decisions look at it: the rows may be missing, which take long to fold.

        What it has no rows of is found in what was asserted: where that is much, rows are quicker.
        """
        kept = self._entities.get(stream)
        if kept is None or not kept.unfolded or kept.state.change_points > FEW_POINTS:
            return self.entity(stream)
        with suppress(CannotFold):  # whoever needs it is told so when it is loaded
            return reduce(note, kept.unfolded, replace(kept.state, rows={}))
        return None

    def holder(self, stream: str) -> Holder | None:
        """Return the holder of a key that is kept."""
        return self._holders.get(stream)

    async def load_entity(self, stream: str) -> Entity:
        """Return the entity as the log has it now, reading only what came since it was kept here."""
        kept = self.entity(stream)
        with parked(stream):
            events = await self._store.load(stream, after=kept.version if kept else 0)
            is_whole = bool(events) and events[0].version == 1
            state = await folded(entity_after, stream, None if is_whole else kept, events)
        self.keep_entity(stream, state)
        return state

    async def load_holder(self, stream: str) -> Holder:
        """Return who holds a key, as the log has it now."""
        with parked(stream):
            state = _holder_after(await self._store.load(stream))
        self._keep_holder(stream, state)
        return state

    async def load_registry(self) -> Registry:
        """Return the registry as the log has it now; several may be at it at once, so it never goes back."""
        kept = self.registry
        with parked(REGISTRY_STREAM):
            state = registry_after("", kept, await self._store.load(REGISTRY_STREAM, after=kept.version))
        self.keep_registry(state)
        return state

    async def load_ahead(self, uids: Iterable[UUID], keys: Iterable[str]) -> None:
        """Have these entities at hand, the holders of these keys, and what they hold: by two statements for all."""
        keys = list(keys)
        for stream in keys:  # none of these is forgotten for another of them
            if stream in self._holders:
                self._holders.move_to_end(stream)
        unknown = {stream for stream in keys if not self._is_held(stream)}
        streams = {stream for stream in map(entity_stream, uids) if stream not in self._entities}
        loaded = await self._load_many(unknown | streams)
        for stream in unknown & loaded.keys():
            with suppress(CannotFold):  # whoever needs it is told so
                if not self._is_held(stream):  # else a command was faster
                    self._keep_holder(stream, _holder_after(loaded[stream]))
        held = {entity_stream(uid) for stream in keys if (holder := self.holder(stream)) and (uid := holder.entity_uid)}
        loaded |= await self._load_many({stream for stream in held - streams if stream not in self._entities})
        for stream in loaded.keys() - unknown:
            await self._keep_loaded(stream, loaded[stream])

    async def _keep_loaded(self, stream: str, events: Sequence[Recorded]) -> None:
        """Keep an entity from all of its events, unless a command was faster; fold it where they are many."""
        few = events if len(events) <= FEW_EVENTS else []
        with suppress(CannotFold):
            state = await folded(entity_after, stream, None, [] if few else events)
            if stream not in self._entities:
                self._keep(stream, state, few)

    def _is_held(self, stream: str) -> bool:
        """Say whether a key is known to be held, for good: one that was free may be claimed elsewhere since."""
        holder = self._holders.get(stream)
        return holder is not None and holder.entity_uid is not None

    async def _load_many(self, streams: set[str]) -> dict[str, list[Recorded]]:
        return await self._store.load_many(list(streams)) if streams else {}

    def keep_registry(self, state: Registry) -> None:
        """Keep the registry, unless a later one is kept already."""
        self.registry = max(self.registry, state, key=lambda known: known.version)

    def keep_entity(self, stream: str, state: Entity) -> None:
        """Keep an entity, and forget those not written for the longest time where there are too many."""
        self._keep(stream, state, [])

    def keep_appended(self, stream: str, state: Entity, events: Sequence[Recorded]) -> None:
        """Keep what was appended to an entity that had been noted, and fold it when it is asked for: most are not."""
        self.keep_claims(events)
        kept = Kept(state, (), 0) if state.version == 0 else self._entities.get(stream)
        if kept is None or (kept.unfolded[-1] if kept.unfolded else kept.state).version != state.version:
            return  # forgotten meanwhile, or another command was faster
        self._keep(stream, kept.state, [*kept.unfolded, *[event for event in events if event.stream == stream]])
        if len(kept.unfolded) >= FEW_EVENTS:
            self.entity(stream)

    def _keep(self, stream: str, state: Entity, unfolded: Sequence[Recorded]) -> None:
        self._forget(stream)
        kept = self._entities[stream] = Kept(state, unfolded, _weight(state, unfolded))
        self._kept_bytes += kept.weight
        while self._kept_bytes > KEPT_BYTES and len(self._entities) > 1:
            self._kept_bytes -= self._entities.popitem(last=False)[1].weight

    def _forget(self, stream: str) -> None:
        forgotten = self._entities.pop(stream, None)
        if forgotten is not None:
            self._kept_bytes -= forgotten.weight

    def keep_claims(self, events: Iterable[Recorded]) -> None:
        """Keep the holders of the keys that events claim."""
        for recorded in events:
            if isinstance(recorded.event, ExternalKeyClaimed):
                self._keep_holder(recorded.stream, external_key.evolve(Holder(), recorded))

    def _keep_holder(self, stream: str, state: Holder) -> None:
        self._holders.pop(stream, None)
        self._holders[stream] = state
        if len(self._holders) > KEPT_KEYS:
            self._holders.popitem(last=False)


def _weight(state: Entity, unfolded: Sequence[Recorded]) -> int:
    details = [detail for recorded in unfolded for detail in getattr(recorded.event, "details", {}).items()]
    texts = sum([getsizeof(code) + getsizeof(value) for code, value in details])
    return state.size + EVENT_BYTES * len(unfolded) + texts


def _holder_after(events: Sequence[Recorded]) -> Holder:
    return reduce(external_key.evolve, events, Holder())


def entity_after(stream: str, state: Entity | None, events: Sequence[Recorded]) -> Entity:
    """Return an entity after some of its events."""
    if state is None:
        uid = uid_of(stream)
        assert uid is not None, stream  # noqa: S101  # only entities' streams come here
        state = entity.initial(uid)
    return reduce(entity.evolve, events, state)


def registry_after(_stream: str, state: Registry | None, events: Sequence[Recorded]) -> Registry:
    """Return the registry after some of its events."""
    return reduce(registry.evolve, events, state or Registry())


async def folded(
    after: Callable[[str, State | None, Sequence[Recorded]], State],
    stream: str,
    state: State | None,
    events: Sequence[Recorded],
) -> State:
    """Return the state after some events; many are folded in a thread, so that others are served meanwhile."""
    if len(events) <= FOLDED_AT_ONCE:
        return after(stream, state, events)
    return await asyncio.to_thread(after, stream, state, events)
