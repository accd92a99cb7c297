"""The bodies that writes take, as pydantic models: HTTP to command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypedDict
from uuid import UUID

from pydantic import Field, StringConstraints, WithJsonSchema

from shared.core.errors import FieldError, Invalid, invalid
from shared.core.events import INFINITY, Until
from shared.http.instants import SCHEMA, parse_instant
from shared.http.requests import Body, Query, Text, Written

if TYPE_CHECKING:
    from msgspec import UnsetType


def required_when_given(schema: dict[str, Any]) -> None:
    """Leave the default out of the document: it only marks what was not given."""
    schema.pop("default", None)


CODE = "^[A-Z0-9_]{1,50}$"
Name = Annotated[str, Written(1, 255)]
Code = Annotated[str, Written(1, 50)]
DetailValue = Annotated[str, Written(1, 10_000)]
Dated = Annotated[Text, WithJsonSchema(SCHEMA)]
SINCE = "RFC 3339, or a date: since when this is so, past or future; now when absent."
UNTIL = (
    "RFC 3339, or a date: then what was known beneath resumes. `infinity` overwrites what is known to come. When "
    "absent, this holds until the next known change of the same field."
)
WHY = "Free text, kept with the event."
Reason = Annotated[str, Written(1, 1000)]
Bound = Annotated[Text, WithJsonSchema({"anyOf": [SCHEMA, {"type": "string", "const": INFINITY}]}, mode="validation")]
MOST = Field(max_length=1000)
"""How many details one request may have."""
Ignored = Annotated[Any, Field(default=None, description="Read-only: sent back, not looked at.")]


class DetailIn(Body):
    """One detail; what else a detail object that was read has is sent back unchanged."""

    detail_type: Code
    detail_value: DetailValue
    id: Ignored
    valid_from: Ignored
    valid_to: Ignored
    is_current: Ignored
    hashdiff: Ignored


class DetailChange(DetailIn):
    """One detail to set, or to remove with null."""

    detail_value: DetailValue | None  # type: ignore[assignment]  # a change may also remove


class _Reasoned(Body):
    reason: Reason | None = Field(None, description=WHY)


class DatedBody(_Reasoned):
    """What holds from an instant on, perhaps up to another, perhaps for a reason."""

    effective_at: Dated | None = Field(None, description=SINCE)
    effective_until: Bound | None = Field(None, description=UNTIL)

    def span(self) -> Span:
        """Return from when the change holds, and how long."""
        return span(self.effective_at, self.effective_until)


class _ReadBack(DatedBody):
    """What an entity object that was read has beside its values."""

    id: Ignored
    entity_uid: UUID | None = Field(None, strict=False, description="Must be that of the path.")
    valid_from: Ignored
    valid_to: Ignored
    is_current: Ignored
    hashdiff: Ignored

    def check_uid(self, entity_uid: UUID) -> None:
        """Raise Invalid when the body speaks of another entity than the path."""
        if self.entity_uid not in {None, entity_uid}:
            raise invalid("entity_uid", "Another entity than the one in the path.", "mismatch")


class PostEntity(DatedBody):
    """A new entity; a client may bring its own uid."""

    display_name: Name
    entity_type: Code
    details: Annotated[list[DetailIn], MOST] = []
    entity_uid: UUID | None = Field(None, strict=False)


class PutEntity(_ReadBack):
    """The whole of an entity: details that are not listed end."""

    display_name: Name
    entity_type: Code
    details: Annotated[list[DetailIn], MOST] = []
    entity_details: Annotated[list[DetailIn], MOST] = Field([], description="The same as details, as it was read.")


class PatchEntity(_ReadBack):
    """What changes: everything absent stays."""

    display_name: Name = Field("", json_schema_extra=required_when_given)
    entity_type: Code = Field("", json_schema_extra=required_when_given)
    details: Annotated[list[DetailChange], MOST] = []
    entity_details: Annotated[list[DetailChange], MOST] = Field([], description="The same as details, as it was read.")


class CancelEvent(_Reasoned):
    """An earlier event of the entity is withdrawn as a whole."""

    event_id: UUID = Field(strict=False, description="As a write answered it in Event-Id; history shows it, too.")


class SkipEvent(Body):
    """An event that cannot be folded is left out for good."""

    reason: Reason = Field(description=WHY)


class ReopenEntity(DatedBody):
    """A retired entity exists again, with what it had unless other values are given."""

    display_name: Name = Field("", json_schema_extra=required_when_given)
    entity_type: Code = Field("", json_schema_extra=required_when_given)
    details: Annotated[list[DetailChange], MOST] = []


class DatedQuery(Query):
    """What a write without a body takes."""

    effective_at: Dated | None = Field(None, description=SINCE)
    effective_until: Bound | None = Field(None, description=UNTIL)
    reason: Reason | None = Field(None, description=WHY)

    def span(self) -> Span:
        """Return from when the change holds, and how long."""
        return span(self.effective_at, self.effective_until)


class PostType(_Reasoned):
    """A new type."""

    code: Annotated[
        Text, StringConstraints(pattern=CODE), WithJsonSchema({"type": "string", "title": "Code", "pattern": CODE})
    ]
    name: Name
    description: Annotated[str, Written(at_most=10_000)] = ""
    is_active: bool = True


class PatchType(_Reasoned):
    """What changes of a type."""

    name: Name = Field("", json_schema_extra=required_when_given)
    description: Annotated[str, Written(at_most=10_000)] = Field("", json_schema_extra=required_when_given)
    is_active: bool = Field(True, json_schema_extra=required_when_given)


class Span(TypedDict):
    """When a command holds, as its arguments."""

    effective_at: datetime | None
    effective_until: Until


def span(effective_at: str | None, effective_until: str | None) -> Span:
    """Return when a command holds. Raises Invalid for what is no instant."""
    return {
        "effective_at": None if effective_at is None else parse_instant("effective_at", effective_at),
        "effective_until": _until(effective_until),
    }


def _until(text: str | None) -> Until:
    if text is None:
        return None
    return INFINITY if text == INFINITY else parse_instant("effective_until", text)


def given(body: Body, name: str, unset: UnsetType) -> Any:  # noqa: ANN401  # the member's own type
    """Return a member of a body, `unset` where it was not sent."""
    return getattr(body, name) if name in body.model_fields_set else unset


def details_of(body: Body) -> Mapping[str, Any]:
    """Return the details of a body by type, whichever of their two names it used.

    Raises Invalid when both are used, or a type is there twice.
    """
    names = [name for name in ("details", "entity_details") if name in body.model_fields_set]
    if len(names) > 1:
        raise invalid("entity_details", "The same as details: send one of them.", "ambiguous")
    listed: Sequence[DetailIn] = getattr(body, names[0]) if names else []
    details = {detail.detail_type: detail.detail_value for detail in listed}
    if len(details) < len(listed):
        times = Counter(detail.detail_type for detail in listed)
        twice = sorted(code for code, count in times.items() if count > 1)
        raise Invalid([FieldError(names[0], f"Detail type {code} is there twice.", "repeated") for code in twice])
    return details
