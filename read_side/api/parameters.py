"""The query strings of the read side: what each resource takes, documented where it is checked."""

from __future__ import annotations

from typing import ClassVar, Literal

from fastapi import Request
from msgspec.structs import replace
from pydantic import Field

from read_side.api.cursors import read_cursor
from read_side.api.values import EntityField, Instant, PageNumber, PageSize, Position, Search, Uid
from read_side.questions import (
    ENTITY_PARTS,
    Asked,
    Chronicle,
    Filters,
    Keys,
    Known,
    Order,
    Parts,
    Slice,
    Trail,
)
from shared.core.errors import FieldError, Invalid, invalid
from shared.http.openapi import CSV
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


class WholeQuery(PageQuery):
    """A list that can be had whole, as CSV."""

    format: Literal["json", "csv"] | None = Field(
        None, description="What to answer with, whatever Accept says; csv is the whole list, without pages."
    )

    def is_csv(self, request: Request) -> bool:
        """Say whether it is asked for as CSV. Raises Invalid for what asks for a page beside that."""
        if request.scope["state"]["media"] != CSV:
            return False
        given = [name for name in ("page", "page_size", "cursor", "count") if name in self.model_fields_set]
        if given:
            raise Invalid(
                [FieldError(name, "CSV is the whole list: it has no pages.", "not_applicable") for name in given]
            )
        return True


class TimelessPageQuery(PageQuery):
    """A list of what has no state in valid time: `as_of` is answered in As-Of and changes nothing."""

    as_of: Instant | None = Field(None, description="Any instant gives the same answer here.")


class PresentPageQuery(TimelessPageQuery):
    """A list of what is kept as it is now alone: what was known of it before is not told wrongly."""

    known_at: Instant | None = Field(None, description="Refused: this is kept as it is now alone.")
    position: Position | None = Field(None, description="Refused, as known_at is.")

    def asked(self, request: Request) -> Asked:
        """Return it as the read model takes it. Raises Invalid for a question about earlier knowledge."""
        refuse_knowledge(self)
        return super().asked(request)


class TypesQuery(PresentPageQuery):
    """A list of types."""

    placed_by = frozenset({"text"})


class ParkedQuery(PresentPageQuery):
    """A list of what is parked."""

    placed_by = frozenset({"number"})


class ParkedEventQuery(ReadQuery):
    """One event that is parked."""

    as_of: Instant | None = Field(None, description="Any instant gives the same answer here.")
    known_at: Instant | None = Field(None, description="Refused: this is kept as it is now alone.")
    position: Position | None = Field(None, description="Refused, as known_at is.")

    def asked(self, request: Request) -> Asked:
        """Return it as the read model takes it. Raises Invalid for a question about earlier knowledge."""
        refuse_knowledge(self)
        return super().asked(request)


def refuse_knowledge(query: ReadQuery) -> None:
    """Raise Invalid where it is asked what was known earlier."""
    for name, given in (("known_at", query.known_at), ("position", query.position)):
        if given is not None:
            raise invalid(name, "This is kept as it is now alone.", "not_applicable")


class HistoryQuery(WholeQuery):
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


class EntitiesQuery(WholeQuery):
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


class AuditQuery(WholeQuery, TimelessPageQuery):
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
