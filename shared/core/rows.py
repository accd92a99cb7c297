"""The rows of the read model, and what an event can do to them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec import Struct


class Version(Struct, frozen=True, kw_only=True, gc=False):
    """What every version row has: one stretch of valid time, [valid_from, valid_to), open while valid_to is None.

    `recorded_from_position` is the event that made the row, `valid_to_known_position` the one that told its end;
    `created_at` and `updated_at` are their recorded times. An open row has in `asserted_to` the last instant asserted
    about its group. `actor` is who made the row.
    """

    id: int
    entity_uid: UUID
    hashdiff: str
    valid_from: datetime
    valid_to: datetime | None = None
    asserted_to: datetime | None
    recorded_from_position: int
    valid_to_known_position: int | None = None
    created_at: datetime
    updated_at: datetime
    actor: str

    def covers(self, instant: datetime) -> bool:
        """Say whether the row is valid at an instant, as far as its own end is told."""
        return self.valid_from <= instant and (self.valid_to is None or instant < self.valid_to)


class EntityVersion(Version, frozen=True, kw_only=True):
    """One row of `entity_version`: the name and type of an entity."""

    display_name: str
    entity_type: str


class DetailVersion(Version, frozen=True, kw_only=True):
    """One row of `entity_detail_version`: one detail of an entity."""

    detail_type: str
    detail_value: str


Row = EntityVersion | DetailVersion


class Opened(Struct, frozen=True, gc=False):
    """A row to insert."""

    row: Row


class Closed(Struct, frozen=True, gc=False):
    """A row to update: its valid_to, and from which position that is known."""

    row: Row


class Superseded(Struct, frozen=True, gc=False):
    """A row that was believed until an event at this position told otherwise: to be moved out of the way."""

    row: Row
    recorded_to_position: int


class Reasserted(Struct, frozen=True, gc=False):
    """A row to update: only its asserted_to."""

    row: Row


Change = Opened | Closed | Superseded | Reasserted
