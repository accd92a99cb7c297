"""PURE: what is known of an entity: what it holds at an instant, when it exists, which assertions stand."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from shared.core.assertions import DISPLAY_NAME, ENTITY_TYPE, EXISTS, Assertion, Value, pieces, value_at
from shared.core.errors import Nameless, NotYet, Retired, Unknown
from shared.core.events import INFINITY, Context, Metadata, Recorded, Until
from shared.core.rows import DetailVersion, EntityVersion
from shared.core.segments import ENTITY, has_gap
from shared.core.timeline import Timeline, note

if TYPE_CHECKING:
    from shared.core.events import EntityEvent


def fields_of(entity: Timeline) -> Mapping[str, tuple[Assertion, ...]]:
    """Return the assertions of each field that are not cancelled."""
    assert entity.fields is not None, "the command side has every assertion at hand"  # noqa: S101
    return entity.fields


def value(entity: Timeline, field: str, instant: datetime) -> Value:
    """Return what a field holds at an instant, also where the entity does not exist.

    Where it exists its rows tell, found by halves; underneath a retirement all assertions of the field are looked at.
    """
    row = entity.row_at(ENTITY, instant)
    if row is None:
        return value_at(fields_of(entity).get(field, ()), instant)
    if field == EXISTS:
        return True
    if isinstance(row, EntityVersion) and field in {DISPLAY_NAME, ENTITY_TYPE}:
        return row.display_name if field == DISPLAY_NAME else row.entity_type
    detail = entity.row_at(field, instant)
    return detail.detail_value if isinstance(detail, DetailVersion) else None


def holds(entity: Timeline, field: str, start: datetime, until: Until) -> bool:
    """Say whether a field holds anything at an instant; with a bound, anywhere from there up to it."""
    if until is None:
        return value(entity, field, start) is not None
    return any(
        piece.value is not None
        and (piece.end is None or piece.end > start)
        and (until == INFINITY or piece.start < until)
        for piece in pieces(fields_of(entity).get(field, ()))
    )


def exists(entity: Timeline, instant: datetime) -> bool:
    """Say whether the entity exists at an instant."""
    return value(entity, EXISTS, instant) is True


def existence(entity: Timeline) -> list[tuple[datetime, datetime | None]]:
    """Return the intervals in which the entity exists."""
    found: list[tuple[datetime, datetime | None]] = []
    for piece in pieces(fields_of(entity).get(EXISTS, ())):
        if piece.value is True:
            start = found.pop()[0] if found and found[-1][1] == piece.start else piece.start
            found.append((start, piece.end))
    return found


def ended(entity: Timeline, instant: datetime) -> datetime | None:
    """Return when the entity last ceased to exist, at or before an instant; None when it never did."""
    return max((end for _, end in existence(entity) if end is not None and end <= instant), default=None)


def must_exist(entity: Timeline, at: datetime) -> None:
    """Raise Unknown, Retired or NotYet unless the entity exists at an instant."""
    if entity.version == 0:
        raise Unknown("entity")
    if exists(entity, at):
        return
    since = ended(entity, at)
    coming = [start for start, _ in existence(entity) if start > at]
    if since is None and coming:
        raise NotYet(entity.entity_uid, coming[0])
    raise Retired(entity.entity_uid, since or entity.registered_at or at)  # it may have been retired from its start on


def must_be_named(entity: Timeline) -> None:
    """Raise Nameless where the entity exists at some instant without a name or a type."""
    if has_gap(fields_of(entity)):
        raise Nameless(entity.entity_uid)


def imagine(entity: Timeline, event: EntityEvent, at: datetime, until: Until, now: datetime) -> Timeline:
    """Return what would be known after an event that is not recorded yet."""
    position, nobody = entity.last_position + 1, Metadata(actor="", request_id="")
    return note(
        entity, Recorded(position, UUID(int=0), "", entity.version + 1, event, at, until, now, Context(), nobody)
    )


def stands_again(
    entity: Timeline, field: str, wanted: Value, effective_at: datetime | None, effective_until: Until
) -> bool:
    """Say whether the very same dated assertion stands, and nothing recorded after it touches its span."""
    said = fields_of(entity).get(field, ())
    return any(
        (a.value, a.effective_at, a.effective_until) == (wanted, effective_at, effective_until)
        and not any(_touches(later, a, _end(a, said)) for later in said if later.position > a.position)
        for a in said
    )


def _end(assertion: Assertion, said: tuple[Assertion, ...]) -> datetime | None:
    """Return where an assertion's span ends: at its bound, at the next change point, or nowhere."""
    if assertion.effective_until == INFINITY:
        return None
    if isinstance(assertion.effective_until, datetime):
        return assertion.effective_until
    points = (a.effective_at for a in said if not isinstance(a.effective_until, datetime))
    return min((at for at in points if at > assertion.effective_at), default=None)


def _touches(later: Assertion, earlier: Assertion, end: datetime | None) -> bool:
    if end is not None and later.effective_at >= end:
        return False
    if later.effective_until == INFINITY:
        return True
    if isinstance(later.effective_until, datetime):
        return later.effective_until > earlier.effective_at
    return later.effective_at >= earlier.effective_at
