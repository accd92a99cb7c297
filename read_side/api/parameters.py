"""The query strings of the read side: what each resource takes, documented where it is checked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Request
from pydantic import BeforeValidator, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from read_side.diff import Mode
from read_side.questions import Asked, Filters, Order, Slice, Trail
from shared.core.errors import Invalid, invalid
from shared.http.instants import SCHEMA, parse_instant
from shared.http.paging import LAST_PAGE
from shared.http.requests import Query, Text

MAX_PAGE_SIZE = 500
MAX_SEARCH = 255
MAX_POSITION = 2**63 - 1
DIGITS = 19


def _whole(text: str) -> int:
    """Take digits alone: pydantic would let signs, points and underscores pass."""
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS):
        raise PydanticCustomError("not_whole", "Not a whole number that makes sense here.")
    return int(text)


def _instant(text: str) -> datetime:
    try:
        return parse_instant("", text)
    except Invalid as error:  # the name is known where the errors of all fields are gathered
        (found,) = error.errors
        raise PydanticCustomError(found.code, found.message) from None


def _uid(text: str) -> UUID:
    try:
        uid = UUID(text)
    except ValueError:
        uid = None
    if uid is None or str(uid) != text.lower():
        raise PydanticCustomError("invalid_uuid", "Not a uuid.")
    return uid


Instant = Annotated[datetime, PlainValidator(_instant), WithJsonSchema(SCHEMA)]
Uid = Annotated[UUID, PlainValidator(_uid), WithJsonSchema({"type": "string", "format": "uuid"})]
Search = Annotated[
    Text, StringConstraints(max_length=MAX_SEARCH), WithJsonSchema({"type": "string", "maxLength": MAX_SEARCH})
]
Position = Annotated[int, Field(ge=0, le=MAX_POSITION), BeforeValidator(_whole)]
PageNumber = Annotated[int, Field(ge=1, le=LAST_PAGE), BeforeValidator(_whole)]
PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE), BeforeValidator(_whole)]


class ReadQuery(Query):
    """What every read takes."""

    as_of: Instant | None = Field(None, description="The instant of valid time to answer for; now when absent.")
    min_position: Position = Field(
        0, description="Wait until the read model has this position; 503 when it takes too long."
    )

    def asked(self, request: Request) -> Asked:
        """Return it as the read model takes it; the client's own last write through this process is waited for too."""
        own = request.app.state.own_writes.of(request)
        return Asked(as_of=self.as_of, min_position=self.min_position, own_position=own)


class PageQuery(ReadQuery):
    """What every list takes."""

    page: PageNumber = 1
    page_size: PageSize | None = None
    count: Literal["exact", "none"] = Field("exact", description="none leaves the count null, and saves its cost.")

    def part(self, request: Request) -> Slice:
        """Return the page as the read model takes it."""
        size = self.page_size or request.app.state.read.page_size
        return Slice(page=self.page, size=size, counted=self.count != "none")


class TimelessPageQuery(PageQuery):
    """A list of what has no state in valid time: `as_of` is answered in As-Of and changes nothing."""

    as_of: Instant | None = Field(None, description="Any instant gives the same answer here.")


class EntitiesQuery(PageQuery):
    """Which entities a list holds, and in which order."""

    q: Search | None = Field(None, description="Part of the name, in any case; % and _ are themselves.")
    type: Text | None = Field(None, description="An active entity type.")
    detail_type: Text | None = Field(None, description="With detail_value: entities that have exactly this detail.")
    detail_value: Text | None = None
    order: Order | None = None

    def filters(self, order: Order) -> Filters:
        """Return it as the read model takes it, in the given order unless it names one. Raises Invalid."""
        detail = None
        if self.detail_type is not None and self.detail_value is not None:
            detail = (self.detail_type, self.detail_value)
        elif self.detail_type is not None:
            raise invalid("detail_value", "This field is required beside detail_type.", "required")
        elif self.detail_value is not None:
            raise invalid("detail_type", "This field is required beside detail_value.", "required")
        return Filters(q=self.q, entity_type=self.type, detail=detail, order=self.order or order)


class AsOfQuery(EntitiesQuery):
    """The same, at an instant."""

    as_of: Instant


class DiffQuery(TimelessPageQuery):
    """The window of a diff: (from, to]."""

    from_: Instant | None = Field(None, alias="from", description="The state before; required, by either name.")
    to: Instant | None = Field(None, description="The state after; required, by either name.")
    from_date: Instant | None = Field(None, description="Another name of from.")
    to_date: Instant | None = Field(None, description="Another name of to.")
    entity_uid: Uid | None = None
    mode: Mode = Field("net", description="The net difference, or every change with its own instant.")


class AuditQuery(TimelessPageQuery):
    """Which audit entries: filters that all must hold; recorded at or after `from` and before `to`."""

    entity_uid: Uid | None = None
    actor: Text | None = None
    operation: Literal["INSERT", "UPDATE", "DELETE"] | None = None
    request_id: Text | None = None
    from_: Instant | None = Field(None, alias="from", description="Recorded at or after this instant.")
    to: Instant | None = Field(None, description="Recorded before this instant.")

    def trail(self) -> Trail:
        """Return it as the read model takes it. Raises Invalid for a stretch that ends before it begins."""
        if self.from_ is not None and self.to is not None and self.from_ >= self.to:
            raise invalid("from", "Must be earlier than to.", "not_before")
        return Trail(
            entity_uid=self.entity_uid,
            actor=self.actor,
            operation=self.operation,
            request_id=self.request_id,
            start=self.from_,
            end=self.to,
        )
