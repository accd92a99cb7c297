"""One decision: what it makes happen, what it rests on, and how long it holds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import Struct

from shared.core.errors import CockpitError, PreconditionFailed, PreconditionRequired, Unknown
from shared.core.events import Event, Until
from write_side import entity

if TYPE_CHECKING:
    from write_side.entity import Entity


class Decision(Struct, frozen=True):
    """What was decided on which state: events, or a refusal, that hold if the state does, from `since` to `until`."""

    events: Sequence[Event]
    expectations: Sequence[tuple[str, UUID | None]]
    refusal: CockpitError | None = None
    since: datetime | None = None
    until: datetime | None = None


class Span(Struct, frozen=True):
    """Since when the events of a command hold, and how long."""

    effective_at: datetime | None = None
    effective_until: Until = None


def check_match(state: Entity, if_match: Sequence[str] | None, now: datetime, *, must_match: bool) -> None:
    """Raise PreconditionFailed unless the client builds on the current version."""
    if if_match is None:
        if must_match and state.version:
            raise PreconditionRequired
        return
    if state.version == 0:
        raise Unknown("entity")
    etag = entity.etag(state, now)
    if "*" not in if_match and etag not in if_match:
        raise PreconditionFailed(etag)
