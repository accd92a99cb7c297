"""One command from request to verdict: load, decide, append; decide again when another writer was faster."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from msgspec import Struct
from msgspec.structs import replace

from shared.core.errors import CockpitError, Contended, KeyReused
from shared.core.events import REGISTRY_STREAM, Context, Event, Metadata, Recorded, entity_stream
from write_side import entity, ids, registry, upsert
from write_side.appends import LATEST, Append, Receipt, as_recorded
from write_side.decision import Decision, Span, check_match
from write_side.entity import Cancel, Command, Dated, Entity
from write_side.external_key import Holder
from write_side.parked import parked
from write_side.registry import Registry
from write_side.states import States, entity_after, folded, registry_after
from write_side.upsert import Upsert

if TYPE_CHECKING:
    from write_side.admission import Admission
    from write_side.appends import Executed, Verdict
    from write_side.batcher import Batcher
    from write_side.event_store import EventStore

ATTEMPTS = 32
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


class _ClaimedMeanwhile(Exception):
    """The key of a new entity was claimed for another one while it was decided."""


class Handler:
    """Executes commands, those on one stream one after the other."""

    def __init__(
        self, store: EventStore, batcher: Batcher, admission: Admission, clock: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._batcher = batcher
        self._admission = admission
        self._clock = clock
        self._states = States(store)
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def entity(self, entity_uid: UUID | None, command: Command, request: Request) -> Outcome[Entity]:
        """Execute a command on an entity, on a new one without a uid.

        Raises what decide raises, EntityParked, PreconditionFailed, KeyReused, Contended, Unavailable.
        """

        def decide(state: Entity, now: datetime) -> Sequence[Event]:
            check_match(state, request.if_match, now, must_match=request.must_match)
            return entity.decide(state, command, registry=self._states.registry, now=now)

        return await self._on_entity(entity_uid, command, decide, request)

    async def upsert(self, command: Upsert, request: Request) -> Outcome[Entity]:
        """Register an entity or revise it: the one that its uid names, or its key; a new one where neither does.

        Commands by one key take turns. Raises what decide raises, KeyReused, Contended, Unavailable.
        """
        key = command.key.stream if command.key else None

        def decide(state: Entity, now: datetime) -> Sequence[Event]:
            holder = (self._states.holder(key) if key else None) or Holder()
            return upsert.decide(state, holder, command, registry=self._states.registry, now=now)

        if key is None:
            return await self._on_entity(command.entity_uid, command, decide, request)
        async with self._locks.setdefault(key, asyncio.Lock()):
            for _ in range(ATTEMPTS):
                holder = self._states.holder(key) or await self._states.load_holder(key)
                with suppress(_ClaimedMeanwhile):
                    uid = command.entity_uid or holder.entity_uid
                    return await self._on_entity(uid, command, decide, request, key)
        raise Contended(ATTEMPTS)

    async def executed(self, command_ids: Sequence[UUID], keys: Sequence[bytes]) -> Mapping[UUID | bytes, Executed]:
        """Return what was executed before, by its command id, or by the key of its receipt. Raises Unavailable."""
        return await self._store.find_executed(command_ids, keys)

    async def load_ahead(self, commands: Iterable[Upsert]) -> None:
        """Have at hand what these commands will be decided on. Raises Unavailable."""
        commands = list(commands)
        await self._states.load_ahead(
            [command.entity_uid for command in commands if command.entity_uid],
            [command.key.stream for command in commands if command.key],
        )

    def streams_of(self, command: Upsert) -> set[str]:
        """Return the streams that a command concerns, as far as is known before it is executed."""
        key = command.key.stream if command.key else None
        holder = self._states.holder(key) if key else None
        uids = (command.entity_uid, holder.entity_uid if holder else None)
        return {*(entity_stream(uid) for uid in uids if uid), *([key] if key else [])}

    async def _on_entity(
        self,
        entity_uid: UUID | None,
        command: Dated | Cancel,
        decide_events: Callable[[Entity, datetime], Sequence[Event]],
        request: Request,
        key: str | None = None,
    ) -> Outcome[Entity]:
        """Execute a command on an entity, and perhaps on a key; a new entity's may turn out to have one by now."""
        uid = entity_uid or ids.uuid7()
        stream = entity_stream(uid)
        unheard_of = entity.initial(uid) if entity_uid is None else None

        def decide(state: Entity, told: datetime | None) -> Decision:
            expectations = [(stream, state.last_event_id), (REGISTRY_STREAM, self._states.registry.last_event_id)]
            if key is not None:
                holder = self._states.holder(key)
                expectations.append((key, holder.last_event_id if holder else None))
            now = told or max(self._clock(), state.last_recorded_at or LONG_AGO)
            since, until = entity.holds_between(state, command, now)
            try:
                return Decision(decide_events(state, now), expectations, None, since, until)
            except CockpitError as refusal:
                return Decision([], expectations, refusal, since, until)

        async def load(stream: str) -> Entity:
            if key is not None:
                holder = await self._states.load_holder(key)
                if unheard_of is not None and holder.entity_uid is not None:
                    raise _ClaimedMeanwhile
            return unheard_of or await self._states.load_entity(stream)

        if self._states.registry.version == 0:
            await self._states.load_registry()
        return await self._execute(
            stream,
            lambda stream: self._states.entity(stream) or unheard_of,
            load,
            decide,
            entity_after,
            Span() if isinstance(command, Cancel) else Span(command.effective_at, command.effective_until),
            request,
        )

    async def registry(self, command: registry.RegistryCommand, request: Request) -> Outcome[Registry]:
        """Execute a command on the registry of types. Raises what its decide raises, KeyReused, Contended."""

        def decide(state: Registry, _: datetime | None) -> Decision:
            expectations = [(REGISTRY_STREAM, state.last_event_id)]
            try:
                return Decision(registry.decide(state, command), expectations)
            except CockpitError as refusal:
                return Decision([], expectations, refusal)

        async def load(_: str) -> Registry:
            return await self._states.load_registry()

        return await self._execute(
            REGISTRY_STREAM, lambda _: self._states.registry, load, decide, registry_after, Span(), request
        )

    async def knows_types(self) -> bool:
        """Say whether any type was ever registered: before that the log is empty."""
        return bool(await self._store.rows(REGISTRY_STREAM, up_to=1))

    async def types(self) -> Registry:
        """Return the types that are registered. Raises Unavailable."""
        return await self._states.load_registry()

    async def _execute(
        self,
        stream: str,
        kept: Callable[[str], State | None],
        load: Callable[[str], Awaitable[State]],
        decide: Callable[[State, datetime | None], Decision],
        after: Callable[[str, State | None, Sequence[Recorded]], State],
        span: Span,
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
                is_in_log = request.command_id is not None and bool(decision.events)
                if receipt is not None and (decision.refusal is not None or is_in_log):
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
                        await self._states.load_registry()
                elif verdict.verdict == "checked":
                    if decision.since is not None and told < decision.since:
                        continue  # our clock is ahead: what was taken to be due is not yet
                    if decision.refusal is not None:
                        raise decision.refusal
                    return Outcome(state=state, position=verdict.position, now=verdict.recorded_at)
                elif append.events and verdict.event_id == append.events[0][0]:  # a resend finds its own: duplicate
                    recorded = as_recorded(append, verdict)
                    with parked(stream):
                        state = after(stream, state, [one for one in recorded if one.stream == stream])
                    self._keep(stream, state, recorded)
                    return Outcome(
                        state=state, position=verdict.position, now=verdict.recorded_at, event_id=verdict.event_id
                    )
                else:
                    return await self._replayed(stream, verdict, after, request)
        raise Contended(ATTEMPTS)

    async def _replayed(
        self,
        stream: str,
        verdict: Verdict,
        after: Callable[[str, State | None, Sequence[Recorded]], State],
        request: Request,
    ) -> Outcome[State]:
        """Return the first answer again: the state as that command left it. Raises KeyReused for another request."""
        if request.receipt and verdict.request_digest not in {None, request.receipt.digest}:
            raise KeyReused
        stream, up_to = (verdict.stream, verdict.version or 0) if _is_of(verdict, stream) else (stream, LATEST)
        with parked(stream):
            events = await self._store.load(stream, up_to=up_to)
            state = await folded(after, stream, None, events)
        return Outcome(
            state=state,
            position=verdict.position,
            now=verdict.recorded_at,
            event_id=verdict.event_id,
            replayed=True,
            status=verdict.status,
        )

    def _keep(self, stream: str, state: Entity | Registry, events: Sequence[Recorded]) -> None:
        if isinstance(state, Registry):
            self._states.keep_registry(state)
        else:
            self._states.keep_entity(stream, state)
            self._states.keep_claims(events)


def _is_of(verdict: Verdict, stream: str) -> bool:
    """Say whether a verdict speaks of a stream of this kind: a command may have claimed a key and nothing else."""
    return verdict.stream.partition(":")[0] == stream.partition(":")[0]
