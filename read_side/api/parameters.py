"""The query strings of the read side: what each resource takes, documented where it is checked."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal

from fastapi import Request
from msgspec.structs import replace
from pydantic import Field

from read_side.api.cursors import read_cursor
from read_side.api.values import EntityField, Instant, PageNumber, PageSize, Position, Search, Uid
from read_side.diff import Mode
from read_side.questions import (
    ENTITY_PARTS,
    LATEST,
    Asked,
    Chronicle,
    Filters,
    Keys,
    Known,
    Order,
    Parts,
    Slice,
    Trail,
    Window,
)
from read_side.steps import BEGINNING
from shared.core.errors import FieldError, Invalid, invalid
from shared.http.requests import Query, Text


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
    """What every list takes; by which parts of a key its items are found."""

    placed_by: ClassVar[Parts] = frozenset()

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
        cursor = None if self.cursor is None else read_cursor(request, self.cursor, self._parts())
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
        cursor = read_cursor(request, self.cursor, self._parts())
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

    def _parts(self) -> Parts:
        return self.placed_by


class TimelessPageQuery(PageQuery):
    """A list of what has no state in valid time: `as_of` is answered in As-Of and changes nothing."""

    as_of: Instant | None = Field(None, description="Any instant gives the same answer here.")


class TypesQuery(TimelessPageQuery):
    """A list of types, which are kept as they are now alone: what was known of them before is not told wrongly."""

    placed_by = frozenset({"text"})

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

    placed_by = frozenset({"instant", "text", "number"})

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

    placed_by = frozenset({"instant", "text", "uid"})

    as_of: Instant | None = Field(None, description="Changes after this instant; after now when absent.")
    entity_uid: Uid | None = None


class EntitiesQuery(PageQuery):
    """Which entities a list holds, and in which order."""

    default_order: ClassVar[Order] = "-valid_from"

    q: Search | None = Field(None, description="Part of the name, in any case; % and _ are themselves.")
    type: Text | None = Field(None, description="An active entity type.")
    detail_type: Text | None = Field(None, description="With detail_value: entities that have exactly this detail.")
    detail_value: Text | None = None
    external_id: Text | None = Field(None, description="What another system calls it.")
    source: Text | None = Field(None, description="Which other system, beside external_id.")
    order: Order | None = None

    def filters(self) -> Filters:
        """Return it as the read model takes it. Raises Invalid for half of a detail."""
        detail = None
        if self.detail_type is not None and self.detail_value is not None:
            detail = (self.detail_type, self.detail_value)
        elif self.detail_type is not None:
            raise invalid("detail_value", "This field is required beside detail_type.", "required")
        elif self.detail_value is not None:
            raise invalid("detail_type", "This field is required beside detail_value.", "required")
        if self.source is not None and self.external_id is None:
            raise invalid("external_id", "This field is required beside source.", "required")
        keys = Keys(source=self.source, external_id=self.external_id)
        order = self.order or self.default_order
        return Filters(q=self.q, entity_type=self.type, detail=detail, keys=keys, order=order)

    def _parts(self) -> Parts:
        return ENTITY_PARTS[self.order or self.default_order]


class ExternalKeysQuery(TimelessPageQuery):
    """Which keys of other systems: filters that all must hold."""

    placed_by = frozenset({"number"})

    source: Text | None = Field(None, description="The other system.")
    external_id: Text | None = Field(None, description="What it calls the entity.")
    entity_uid: Uid | None = None

    def keys(self) -> Keys:
        """Return it as the read model takes it."""
        return Keys(source=self.source, external_id=self.external_id, entity_uid=self.entity_uid)


class AsOfQuery(EntitiesQuery):
    """The same, at an instant; by uid."""

    default_order = "entity_uid"

    as_of: Instant


class DiffQuery(PageQuery):
    """The two points of a diff: an instant of valid time each, or a state of knowledge each, or both."""

    placed_by = frozenset({"uid"})

    as_of: Instant | None = Field(
        None, description="Without from: the instant of both points, now when absent. Beside it nothing changes."
    )
    from_: Instant | None = Field(None, alias="from", description="The first instant of valid time, by either name.")
    to: Instant | None = Field(None, description="The second one, required beside the first.")
    from_date: Instant | None = Field(None, description="Another name of from.")
    to_date: Instant | None = Field(None, description="Another name of to.")
    known_from: Instant | None = Field(None, description="What was known at this instant, for the first point.")
    known_to: Instant | None = Field(None, description="The same for the second one, required beside the first.")
    entity_uid: Uid | None = None
    mode: Mode = Field(
        "net",
        description="The net difference, every change with its own instant, or the stretches of valid time of which"
        " something else was known.",
    )

    def asked(self, request: Request) -> Asked:
        """Return it as the read model takes it, at the second point; a cursor has pinned that already."""
        asked = super().asked(request)
        if self.known_to is None or asked.known != LATEST:
            return asked
        return replace(asked, known=Known(instant=self.known_to, parameter="known_to"))

    def window(self) -> Window:
        """Return the two points. Raises Invalid where they are not two, or say the same twice."""
        start, end = either("from", self.from_, self.from_date), either("to", self.to, self.to_date)
        is_of_knowledge = self.known_from is not None or self.known_to is not None
        needed = [("known_from", self.known_from), ("known_to", self.known_to)]
        if not is_of_knowledge and self.mode != "knowledge":
            needed = [("from", start), ("to", end)]
        elif start is not None or end is not None:
            needed += [("from", start), ("to", end)]
        missing = [FieldError(name, "This field is required.", "required") for name, given in needed if given is None]
        if missing:
            raise Invalid(missing)
        self._check(start, end)
        if self.mode == "knowledge" and start is None:
            start = BEGINNING
        known = None if self.known_from is None else Known(instant=self.known_from, parameter="known_from")
        return Window(start=start, end=end, known_from=known, mode=self.mode, entity_uid=self.entity_uid)

    def _check(self, start: datetime | None, end: datetime | None) -> None:
        if start is not None and end is not None and start >= end:
            raise invalid("from", "Must be earlier than to.", "not_before")
        if self.known_from is not None and self.known_to is not None and self.known_from >= self.known_to:
            raise invalid("known_from", "Must be earlier than known_to.", "not_before")
        for name, given in (("known_at", self.known_at), ("position", self.position)):
            if given is not None and self.known_from is not None:
                raise invalid(name, "Given beside known_from and known_to, which say what was known.", "repeated")
        if self.as_of is not None and self.mode == "knowledge" and start is None:
            raise invalid("as_of", "mode=knowledge compares all of valid time, or that between from and to.", "ignored")


def either(name: str, given: datetime | None, alias: datetime | None) -> datetime | None:
    """Return a parameter that has two names. Raises Invalid where it is given by both."""
    if given is not None and alias is not None:
        raise invalid(name, f"Given twice: as {name} and as {name}_date.", "repeated")
    return given if given is not None else alias


class AuditQuery(TimelessPageQuery):
    """Which audit entries: filters that all must hold; recorded at or after `from` and before `to`."""

    placed_by = frozenset({"number"})

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
