"""One command on its way to the log: whose it is, how its state is had, how it is decided, what of it is appended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, TypeVar
from uuid import UUID

from msgspec import Struct

from shared.core.errors import CockpitError
from shared.core.events import REGISTRY_STREAM, Recorded, entity_stream
from write_side import entity, ids
from write_side.appends import Append, Receipt
from write_side.decision import Decision, Span
from write_side.entity import Cancel, Dated, Entity
from write_side.registry import Registry
from write_side.states import entity_after

if TYPE_CHECKING:
    from shared.core.events import Event
    from write_side.appends import Verdict
    from write_side.handler import Request
    from write_side.states import States

LONG_AGO = datetime.min.replace(tzinfo=UTC)

State = TypeVar("State", Entity, Registry)


class ClaimedMeanwhile(Exception):
    """The key of a new entity was claimed for another one while it was decided."""


class Execution(Struct, Generic[State], frozen=True):
    """One command on one stream, as it is executed.

    `kept` is its state where that is at hand, `load` gets it as the log has it now; `after` is what events make of it.
    A stream that is unheard of has a name that was made for this command: nobody else can write to it yet.
    """

    stream: str
    kept: Callable[[str], State | None]
    load: Callable[[str], Awaitable[State]]
    decide: Callable[[State, datetime | None], Decision]
    after: Callable[[str, State | None, Sequence[Recorded]], State]
    span: Span
    is_unheard_of: bool = False


def execution_of(
    states: States,
    clock: Callable[[], datetime],
    entity_uid: UUID | None,
    command: Dated | Cancel,
    decide_events: Callable[[Entity, datetime], Sequence[Event]],
    key: str | None = None,
) -> Execution[Entity]:
    """Return the execution of a command on an entity, and perhaps on a key; without a uid it is a new one."""
    uid = entity_uid or ids.uuid7()
    stream = entity_stream(uid)
    unheard_of = entity.initial(uid) if entity_uid is None else None

    def decide(state: Entity, told: datetime | None) -> Decision:
        expectations = [(stream, state.last_event_id), (REGISTRY_STREAM, states.registry.last_event_id)]
        if key is not None:
            holder = states.holder(key)
            expectations.append((key, holder.last_event_id if holder else None))
        now = told or max(clock(), state.last_recorded_at or LONG_AGO)
        since, until = entity.holds_between(state, command, now)
        try:
            return Decision(decide_events(state, now), expectations, None, since, until)
        except CockpitError as refusal:
            return Decision([], expectations, refusal, since, until)

    async def load(stream: str) -> Entity:
        if key is not None:
            holder = await states.load_holder(key)
            if unheard_of is not None and holder.entity_uid is not None:
                raise ClaimedMeanwhile
        return unheard_of or await states.load_entity(stream)

    return Execution(
        stream,
        lambda stream: states.entity(stream) or unheard_of,
        load,
        decide,
        entity_after,
        Span() if isinstance(command, Cancel) else Span(command.effective_at, command.effective_until),
        unheard_of is not None,
    )


def append_of(execution: Execution[State], decision: Decision, request: Request, command_id: UUID) -> Append:
    """Return what is handed to the log: events, or none where only what was decided on is to be checked.

    A receipt is kept of neither a refusal nor what its own command id tells.
    """
    receipt = request.receipt
    if receipt is not None and (decision.refusal is not None or (request.command_id is not None and decision.events)):
        receipt = Receipt(receipt.key, receipt.digest, None, receipt.window)
    return Append(
        command_id=command_id,
        stream=execution.stream,
        expectations=decision.expectations,
        events=[(ids.uuid7(), event) for event in decision.events],
        effective_at=execution.span.effective_at,
        effective_until=execution.span.effective_until,
        context=request.context,
        metadata=request.metadata,
        receipt=receipt,
        decided_until=decision.until,
        size=request.size,
    )


def holds(decision: Decision, verdict: Verdict) -> bool:
    """Say whether what appends nothing still holds: where our clock is ahead, what was taken to be due is not yet."""
    return decision.since is None or verdict.recorded_at >= decision.since
