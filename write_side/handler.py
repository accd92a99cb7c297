"""One command from request to verdict: load, decide, append; decide again when another writer was faster."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import reduce
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from msgspec import Struct
from msgspec.structs import replace

from shared.core.errors import CockpitError, Contended, KeyReused, PreconditionFailed, PreconditionRequired, Unknown
from shared.core.events import REGISTRY_STREAM, Context, Event, Metadata, Recorded, Until, entity_stream, uid_of
from write_side import entity, ids, registry
from write_side.appends import Append, Receipt, as_recorded
from write_side.entity import Cancel, Command, Entity
from write_side.parked import parked
from write_side.registry import Registry

if TYPE_CHECKING:
    from write_side.admission import Admission
    from write_side.appends import Verdict
    from write_side.batcher import Batcher
    from write_side.event_store import EventStore

ATTEMPTS = 32
KEPT_CHANGE_POINTS = 200_000
"""How much of the entities last written is kept folded, about 200 bytes each."""

FOLDED_AT_ONCE = 50
"""How many events are folded on the event loop: some milliseconds' worth where each corrects the past."""

LONG_AGO = datetime.min.replace(tzinfo=UTC)

State = TypeVar("State", Entity, Registry)


class Request(Struct, frozen=True, kw_only=True):
    """What a command comes with: who asks, from where, how it is known when repeated, which version it builds on.

    `if_match` holds the ETags of the If-Match header, None without one. `command_id` is given where the caller can
    repeat it (ingest, sample data). `size` is about what it takes in memory, in bytes.
    """

    metadata: Metadata
    context: Context = Context()
    receipt: Receipt | None = None
    if_match: Sequence[str] | None = None
    must_match: bool = False
    command_id: UUID | None = None
    size: int = 0


class Outcome(Struct, Generic[State], frozen=True, kw_only=True):
    """What a command led to: the state it left, the position that has it, its first event where it appended one.

    `now` is when that was: recorded, checked, or answered the first time. `status` is that of the first answer where
    this one is `replayed`.
    """

    state: State
    position: int
    now: datetime
    event_id: UUID | None = None
    replayed: bool = False
    status: int | None = None


class _Decision(Struct, frozen=True):
    """What was decided on which state: events, or a refusal, that hold if the state does, from `since` to `until`."""

    events: Sequence[Event]
    expectations: Sequence[tuple[str, UUID | None]]
    refusal: CockpitError | None = None
    since: datetime | None = None
    until: datetime | None = None


class _Span(Struct, frozen=True):
    """Since when the events of a command hold, and how long."""

    effective_at: datetime | None = None
    effective_until: Until = None


class Handler:
    """Executes commands, those on one stream one after the other."""

    def __init__(
        self, store: EventStore, batcher: Batcher, admission: Admission, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._batcher = batcher
        self._admission = admission
        self._clock = clock
        self._registry = Registry()
        self._entities: OrderedDict[str, Entity] = OrderedDict()
        self._kept_points = 0
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def entity(self, entity_uid: UUID | None, command: Command, request: Request) -> Outcome[Entity]:
        """Execute a command on an entity, on a new one without a uid.

        Raises what decide raises, EntityParked, PreconditionFailed, KeyReused, Contended, Unavailable.
        """
        uid = entity_uid or ids.uuid7()
        stream = entity_stream(uid)
        unheard_of = entity.initial(uid) if entity_uid is None else None

        def decide(state: Entity, told: datetime | None) -> _Decision:
            expectations = [(stream, state.last_event_id), (REGISTRY_STREAM, self._registry.last_event_id)]
            now = told or max(self._clock(), state.last_recorded_at or LONG_AGO)
            since, until = entity.holds_between(state, command, now)
            try:
                _check_match(state, request, now)
                events = entity.decide(state, command, registry=self._registry, now=now)
            except CockpitError as refusal:
                return _Decision([], expectations, refusal, since, until)
            return _Decision(events, expectations, None, since, until)

        if self._registry.version == 0:
            await self._load_registry(REGISTRY_STREAM)
        return await self._execute(
            stream,
            lambda stream: self._entities.get(stream, unheard_of),
            self._load_entity,
            decide,
            _entity_after,
            _Span() if isinstance(command, Cancel) else _Span(command.effective_at, command.effective_until),
            request,
        )

    async def registry(self, command: registry.RegistryCommand, request: Request) -> Outcome[Registry]:
        """Execute a command on the registry of types. Raises what its decide raises, KeyReused, Contended."""

        def decide(state: Registry, _: datetime | None) -> _Decision:
            expectations = [(REGISTRY_STREAM, state.last_event_id)]
            try:
                return _Decision(registry.decide(state, command), expectations)
            except CockpitError as refusal:
                return _Decision([], expectations, refusal)

        return await self._execute(
            REGISTRY_STREAM, lambda _: self._registry, self._load_registry, decide, _registry_after, _Span(), request
        )

    async def knows_types(self) -> bool:
        """Say whether any type was ever registered: before that the log is empty."""
        return bool(await self._store.rows(REGISTRY_STREAM, up_to=1))

    async def _execute(
        self,
        stream: str,
        kept: Callable[[str], State | None],
        load: Callable[[str], Awaitable[State]],
        decide: Callable[[State, datetime | None], _Decision],
        after: Callable[[str, State | None, Sequence[Recorded]], State],
        span: _Span,
        request: Request,
    ) -> Outcome[State]:
        """Decide and append until the verdict stands; a refusal too is checked under the lock before it is told."""
        command_id = request.command_id or ids.uuid7()
        async with self._admission.admit(request.size), self._locks.setdefault(stream, asyncio.Lock()):
            state = kept(stream) or await load(stream)
            told: datetime | None = None
            for _ in range(ATTEMPTS):
                decision = decide(state, told)
                receipt = request.receipt
                if receipt is not None and decision.refusal is not None:
                    receipt = replace(receipt, status=None)
                append = Append(
                    command_id=command_id,
                    stream=stream,
                    expectations=decision.expectations,
                    events=[(ids.uuid7(), event) for event in decision.events],
                    effective_at=span.effective_at,
                    effective_until=span.effective_until,
                    context=request.context,
                    metadata=request.metadata,
                    receipt=receipt,
                    decided_until=decision.until,
                    size=request.size,
                )
                verdict = await self._batcher.submit(append)
                told = verdict.recorded_at  # when it is decided again, by the clock of the database
                if verdict.verdict == "conflict":
                    state = await load(stream)
                    if stream != REGISTRY_STREAM:
                        await self._load_registry(REGISTRY_STREAM)
                elif verdict.verdict == "checked":
                    if decision.since is not None and told < decision.since:
                        continue  # our clock is ahead: what was taken to be due is not yet
                    if decision.refusal is not None:
                        raise decision.refusal
                    return Outcome(state=state, position=verdict.position, now=verdict.recorded_at)
                elif append.events and verdict.event_id == append.events[0][0]:  # a resend finds its own: duplicate
                    state = after(stream, state, as_recorded(append, verdict))
                    self._keep(stream, state)
                    return Outcome(
                        state=state, position=verdict.position, now=verdict.recorded_at, event_id=verdict.event_id
                    )
                else:
                    return await self._replayed(verdict, after, request)
        raise Contended(ATTEMPTS)

    async def _replayed(
        self,
        verdict: Verdict,
        after: Callable[[str, State | None, Sequence[Recorded]], State],
        request: Request,
    ) -> Outcome[State]:
        """Return the first answer again: the state as that command left it. Raises KeyReused for another request."""
        if request.receipt and verdict.request_digest not in {None, request.receipt.digest}:
            raise KeyReused
        with parked(verdict.stream):
            events = await self._store.load(verdict.stream, up_to=verdict.version or 0)
            state = await _folded(after, verdict.stream, None, events)
        return Outcome(
            state=state,
            position=verdict.position,
            now=verdict.recorded_at,
            event_id=verdict.event_id,
            replayed=True,
            status=verdict.status,
        )

    async def _load_entity(self, stream: str) -> Entity:
        """Return the entity as the log has it now, reading only what came since it was kept here."""
        kept = self._entities.get(stream)
        with parked(stream):
            events = await self._store.load(stream, after=kept.version if kept else 0)
            is_whole = bool(events) and events[0].version == 1
            state = await _folded(_entity_after, stream, None if is_whole else kept, events)
        self._keep(stream, state)
        return state

    async def _load_registry(self, stream: str) -> Registry:
        """Return the registry as the log has it now; several may be at it at once, so it never goes back."""
        kept = self._registry
        with parked(stream):
            state = _registry_after(stream, kept, await self._store.load(stream, after=kept.version))
        self._keep(stream, state)
        return state

    def _keep(self, stream: str, state: Entity | Registry) -> None:
        if isinstance(state, Registry):
            self._registry = max(self._registry, state, key=lambda known: known.version)
        elif state.version:
            before = self._entities.pop(stream, None)
            self._entities[stream] = state
            self._kept_points += state.change_points - (before.change_points if before else 0)
            while self._kept_points > KEPT_CHANGE_POINTS and len(self._entities) > 1:
                _, forgotten = self._entities.popitem(last=False)
                self._kept_points -= forgotten.change_points


def _check_match(state: Entity, request: Request, now: datetime) -> None:
    """Raise PreconditionFailed unless the client builds on the current version."""
    if request.if_match is None:
        if request.must_match and state.version:
            raise PreconditionRequired
        return
    if state.version == 0:
        raise Unknown("entity")
    etag = entity.etag(state, now)
    if "*" not in request.if_match and etag not in request.if_match:
        raise PreconditionFailed(etag)


def _entity_after(stream: str, state: Entity | None, events: Sequence[Recorded]) -> Entity:
    if state is None:
        uid = uid_of(stream)
        assert uid is not None, stream  # noqa: S101  # only entities' streams come here
        state = entity.initial(uid)
    return reduce(entity.evolve, events, state)


async def _folded(
    after: Callable[[str, State | None, Sequence[Recorded]], State],
    stream: str,
    state: State | None,
    events: Sequence[Recorded],
) -> State:
    """Return the state after some events; many are folded in a thread, so that others are served meanwhile."""
    if len(events) <= FOLDED_AT_ONCE:
        return after(stream, state, events)
    return await asyncio.to_thread(after, stream, state, events)


def _registry_after(_stream: str, state: Registry | None, events: Sequence[Recorded]) -> Registry:
    return reduce(registry.evolve, events, state or Registry())
