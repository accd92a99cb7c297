"""The query strings of the read side: what each resource takes, documented where it is checked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Request
from msgspec.structs import replace
from pydantic import BeforeValidator, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from read_side.api.cursors import read_cursor
from read_side.diff import Mode
from read_side.questions import Asked, Chronicle, Filters, Known, Order, Slice, Trail
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
EntityField = Annotated[Text, StringConstraints(pattern=r"^(display_name|entity_type|details\.[A-Z0-9_]{1,50})$")]
PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE), BeforeValidator(_whole)]


class ReadQuery(Query):
    """What every read takes."""

    as_of: Instant | None = Field(None, description="The instant of valid time to answer for; now when absent.")
    known_at: Instant | None = Field(None, description="Answer with what was known at this instant.")
    position: Position | None = Field(None, description="The same, exactly: with what was known at this position.")
    min_position: Position = Field(
        0, description="Wait until the read model has this position; 503 when it takes too long."
    )

    def asked(self, request: Request) -> Asked:
        """Return it as the read model takes it; the client's own last write through this process is waited for too."""
        if self.known_at is not None and self.position is not None:
            raise invalid("known_at", "Given beside position: one of them says what was known.", "repeated")
        own = request.app.state.own_writes.of(request)
        known = Known(position=self.position, instant=self.known_at)
        return Asked(as_of=self.as_of, known=known, min_position=self.min_position, own_position=own)


class PageQuery(ReadQuery):
    """What every list takes."""

    page: PageNumber = 1
    page_size: PageSize | None = None
    count: Literal["exact", "none"] = Field("exact", description="none leaves the count null, and saves its cost.")
    cursor: Text | None = Field(
        None,
        description="* begins pages that join up exactly, whatever is written meanwhile: next and previous lead on.",
    )

    def asked(self, request: Request) -> Asked:
        """Return it as the read model takes it: with a cursor, at the point of the first page."""
        asked = super().asked(request)
        cursor = None if self.cursor is None else read_cursor(request, self.cursor)
        if cursor is None:
            return asked
        return replace(asked, now=cursor.now, known=Known(position=cursor.position))

    def part(self, request: Request) -> Slice:
        """Return the page as the read model takes it. Raises Invalid for a page beside a cursor."""
        size = self.page_size or request.app.state.read.page_size
        if self.cursor is None:
            return Slice(page=self.page, size=size, counted=self.count != "none")
        if "page" in self.model_fields_set:
            raise invalid("page", "A cursor says which page it is.", "repeated")
        cursor = read_cursor(request, self.cursor)
        if cursor is None:
            return Slice(size=size, counted=self.count != "none", keyed=True)
        return Slice(
            size=size,
            counted=self.count != "none",
            keyed=True,
            after=cursor.key,
            backward=cursor.backward,
            total=cursor.count,
        )


class TimelessPageQuery(PageQuery):
    """A list of what has no state in valid time: `as_of` is answered in As-Of and changes nothing."""

    as_of: Instant | None = Field(None, description="Any instant gives the same answer here.")


class TypesQuery(TimelessPageQuery):
    """A list of types, which are kept as they are now alone: what was known of them before is not told wrongly."""

    known_at: Instant | None = Field(None, description="Refused: types are kept as they are now alone.")
    position: Position | None = Field(None, description="Refused, as known_at is.")

    def asked(self, request: Request) -> Asked:
        """Return it as the read model takes it. Raises Invalid for a question about earlier knowledge."""
        for name, given in (("known_at", self.known_at), ("position", self.position)):
            if given is not None:
                raise invalid(name, "Types are kept as they are now alone.", "not_applicable")
        return super().asked(request)


class HistoryQuery(PageQuery):
    """Which versions a history holds, and in which order."""

    order: Literal["valid_from", "-valid_from"] = Field("valid_from", description="Oldest first, or newest first.")
    field: EntityField | None = Field(
        None, description="Only versions that hold this field: display_name, entity_type, or details. and its type."
    )
    include: Literal["superseded"] | None = Field(
        None, description="superseded: also versions that were believed until an event told otherwise."
    )

    @property
    def chronicle(self) -> Chronicle:
        """Return it as the read model takes it."""
        return Chronicle(
            newest_first=self.order == "-valid_from", field=self.field, superseded=self.include is not None
        )


class ScheduledQuery(PageQuery):
    """Which changes that are to come."""

    as_of: Instant | None = Field(None, description="Changes after this instant; after now when absent.")
    entity_uid: Uid | None = None


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
