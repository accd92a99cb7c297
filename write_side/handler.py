"""One command from request to verdict: load, decide, append; decide again when another writer was faster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from msgspec import Struct

from shared.core.errors import CockpitError, Contended, KeyReused
from shared.core.events import REGISTRY_STREAM, Context, Event, Metadata, Recorded, entity_stream
from write_side import entity, ids, registry, upsert
from write_side.appends import LATEST, Receipt, as_recorded, is_own
from write_side.decision import Decision, Span, check_match
from write_side.entity import Command, Entity
from write_side.execution import ClaimedMeanwhile, Execution, append_of, execution_of, holds
from write_side.external_key import Holder
from write_side.parked import parked
from write_side.registry import Registry
from write_side.states import States, folded, registry_after
from write_side.upsert import Upsert

if TYPE_CHECKING:
    from write_side.admission import Admission
    from write_side.appends import Append, Executed, Verdict
    from write_side.batcher import Batcher
    from write_side.event_store import EventStore

ATTEMPTS = 32

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


class Upserted(Struct, frozen=True):
    """What a command among many led to: the entity, its first event where it appended one, the position that has it."""

    entity_uid: UUID
    event_id: UUID | None
    position: int
    is_new: bool = False
    replayed: bool = False


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

        return await self._on_entity(execution_of(self._states, self._clock, entity_uid, command, decide), request)

    async def upsert(self, command: Upsert, request: Request) -> Outcome[Entity]:
        """Register an entity or revise it: the one that its uid names, or its key; a new one where neither does.

        Commands by one key take turns. Raises what decide raises, KeyReused, Contended, Unavailable.
        """
        key = command.key.stream if command.key else None
        if key is None:
            return await self._on_entity(self._upsert(command, None), request)
        async with self._locks.setdefault(key, asyncio.Lock()):
            for _ in range(ATTEMPTS):
                if self._states.holder(key) is None:
                    await self._states.load_holder(key)
                with suppress(ClaimedMeanwhile):
                    return await self._on_entity(self._upsert(command, key), request)
        raise Contended(ATTEMPTS)

    async def upsert_together(self, asked: Sequence[tuple[Upsert, Request]]) -> list[Upserted | CockpitError | None]:
        """Execute commands on entities and keys of which no two are the same, in one go, where all is at hand.

        Each has what it came to, or its refusal; None where it did not come to anything and must be executed alone:
        another writer was faster, it was executed before, or what it is decided on was not at hand. Raises Unavailable.
        """
        if self._states.registry.version == 0:
            await self._states.load_registry()
        answers: list[Upserted | CockpitError | None] = [None] * len(asked)
        with self._admission.admit(sum(request.size for _, request in asked), len(asked)):
            decided = []
            for n, (command, request) in enumerate(asked):
                key = command.key.stream if command.key else None
                if key is None or self._states.holder(key) is not None:
                    execution = self._upsert(command, key)
                    stream = execution.stream
                    state = (not execution.is_unheard_of and self._states.noted(stream)) or execution.kept(stream)
                    if state is not None:
                        decision = execution.decide(state, None)
                        append = append_of(execution, decision, request, request.command_id or ids.uuid7())
                        decided.append((n, state, decision, append))
            verdicts = await self._batcher.submit_all([append for *_, append in decided])
        for (n, state, decision, append), verdict in zip(decided, verdicts, strict=True):
            if isinstance(verdict, BaseException):
                if not isinstance(verdict, CockpitError):
                    raise verdict
                answers[n] = verdict
            elif verdict.verdict == "checked" and holds(decision, verdict):
                answers[n] = decision.refusal or Upserted(state.entity_uid, None, verdict.position)
            elif is_own(append, verdict):
                self._states.keep_appended(append.stream, state, as_recorded(append, verdict))
                is_new = state.version == 0
                answers[n] = Upserted(state.entity_uid, verdict.event_id, verdict.position, is_new)
        return answers

    def _upsert(self, command: Upsert, key: str | None) -> Execution[Entity]:
        """Return the execution of a command; the holder of its key is at hand."""

        def decide(state: Entity, now: datetime) -> Sequence[Event]:
            holder = (self._states.holder(key) if key else None) or Holder()
            return upsert.decide(state, holder, command, registry=self._states.registry, now=now)

        holder = self._states.holder(key) if key else None
        uid = command.entity_uid or (holder.entity_uid if holder else None)
        return execution_of(self._states, self._clock, uid, command, decide, key)

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
        streams = {entity_stream(command.entity_uid)} if command.entity_uid else set()
        if command.key:
            key = command.key.stream
            holder = self._states.holder(key)
            streams |= {key, entity_stream(holder.entity_uid)} if holder and holder.entity_uid else {key}
        return streams

    async def _on_entity(self, execution: Execution[Entity], request: Request) -> Outcome[Entity]:
        if self._states.registry.version == 0:
            await self._states.load_registry()
        return await self._execute(execution, request)

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

        execution = Execution(REGISTRY_STREAM, lambda _: self._states.registry, load, decide, registry_after, Span())
        return await self._execute(execution, request)

    async def knows_types(self) -> bool:
        """Say whether any type was ever registered: before that the log is empty."""
        return bool(await self._store.rows(REGISTRY_STREAM, up_to=1))

    async def types(self) -> Registry:
        """Return the types that are registered. Raises Unavailable."""
        return await self._states.load_registry()

    async def _execute(self, execution: Execution[State], request: Request) -> Outcome[State]:
        """Decide and append until the verdict stands; those on one stream take turns."""
        with self._admission.admit(request.size):
            if execution.is_unheard_of:
                return await self._decide(execution, request)
            async with self._locks.setdefault(execution.stream, asyncio.Lock()):
                return await self._decide(execution, request)

    async def _decide(self, execution: Execution[State], request: Request) -> Outcome[State]:
        """Decide and append until the verdict stands; a refusal too is checked under the lock before it is told."""
        stream, command_id = execution.stream, request.command_id or ids.uuid7()
        state = execution.kept(stream) or await execution.load(stream)
        told: datetime | None = None
        for _ in range(ATTEMPTS):
            decision = execution.decide(state, told)
            append = append_of(execution, decision, request, command_id)
            verdict = await self._batcher.submit(append)
            told = verdict.recorded_at  # when it is decided again, by the clock of the database
            if verdict.verdict == "conflict":
                state = await execution.load(stream)
                if stream != REGISTRY_STREAM:
                    await self._states.load_registry()
            elif verdict.verdict == "checked":
                if not holds(decision, verdict):
                    continue
                if decision.refusal is not None:
                    raise decision.refusal
                return Outcome(state=state, position=verdict.position, now=verdict.recorded_at)
            elif is_own(append, verdict):
                return self._appended(execution, state, append, verdict)
            else:
                return await self._replayed(stream, verdict, execution.after, request)
        raise Contended(ATTEMPTS)

    def _appended(self, execution: Execution[State], state: State, append: Append, verdict: Verdict) -> Outcome[State]:
        """Return what a command came to, and keep what it left."""
        stream, recorded = execution.stream, as_recorded(append, verdict)
        with parked(stream):
            state = execution.after(stream, state, [one for one in recorded if one.stream == stream])
        if isinstance(state, Registry):
            self._states.keep_registry(state)
        else:
            self._states.keep_entity(stream, state)
            self._states.keep_claims(recorded)
        return Outcome(state=state, position=verdict.position, now=verdict.recorded_at, event_id=verdict.event_id)

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


def _is_of(verdict: Verdict, stream: str) -> bool:
    """Say whether a verdict speaks of a stream of this kind: a command may have claimed a key and nothing else."""
    return verdict.stream.partition(":")[0] == stream.partition(":")[0]
