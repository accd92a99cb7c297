"""Lists as CSV, for people who look: RFC 4180, a line a row, each value as it is, nothing escaped for spreadsheets.

What is absent is an empty field; an empty text is `""`, in quotes, as PostgreSQL's COPY writes and reads them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from msgspec import UNSET, Raw, Struct

from read_side.shapes import AuditOut, VersionOut
from shared.core.errors import Unavailable
from shared.http.instants import show
from shared.http.shapes import EntityOut

if TYPE_CHECKING:
    from read_side.diff import EntityDiff, Mode

Item = TypeVar("Item")
QUOTED = re.compile(r'[",\r\n]|^$')


class Sheet(Struct, Generic[Item], frozen=True):
    """A table: the names of its columns, and the rows that an item of the list becomes."""

    columns: tuple[str, ...]
    rows: Callable[[Item], Iterable[Iterable[object]]]

    def head(self) -> bytes:
        """Return the line that names the columns."""
        return line(self.columns)

    def lines(self, items: Iterable[Item]) -> bytes:
        """Return the lines of these items."""
        return b"".join(line(row) for item in items for row in self.rows(item))


def line(values: Iterable[object]) -> bytes:
    r"""Return one line of CSV.

    >>> line(["a", "b, c", None, "", True, 7])
    b'a,"b, c",,"",true,7\r\n'
    """
    texts = map(_text, values)
    fields = ("" if text is None else _quoted(text) if QUOTED.search(text) else text for text in texts)
    return (",".join(fields) + "\r\n").encode()


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(value: object) -> str | None:
    """Return a value as JSON has it, but for the quotes around it; None where it is absent."""
    if value is None or value is UNSET:
        return None
    if isinstance(value, Raw):
        text = bytes(value).decode()
        return None if text == "null" else text
    if isinstance(value, bool):
        return "true" if value else "false"
    return show(value) if isinstance(value, datetime) else str(value)


def plain(shape: type[Struct], *without: str) -> Sheet[Any]:
    """Return the table whose columns are the fields of a shape, but for some."""
    columns = tuple(name for name in shape.__struct_fields__ if name not in without)
    return Sheet(columns, lambda item: [[getattr(item, name) for name in columns]])


def entity_sheet(codes: Sequence[str]) -> Sheet[EntityOut]:
    """Return the table of entities: a row each, its own fields and then a column for each of these detail types.

    A row raises Unavailable where the entity has a detail of another type: nothing is left out in silence.
    """
    own, columns = plain(EntityOut, "entity_details"), frozenset(codes)

    def rows(entity: EntityOut) -> Iterable[Iterable[object]]:
        details = {detail.detail_type: detail.detail_value for detail in entity.entity_details}
        for unknown in sorted(details.keys() - columns):
            raise Unavailable(f"There is no column for {unknown}: the read model does not know that detail type.")
        return ([*row, *map(details.get, codes)] for row in own.rows(entity))

    return Sheet((*own.columns, *(f"details.{code}" for code in codes)), rows)


def diff_sheet(mode: Mode) -> Sheet[EntityDiff]:
    """Return the table of a difference: a row each change; in mode=knowledge with the stretch that it is about."""
    about = ("valid_from", "valid_to") if mode == "knowledge" else ()
    columns = ("field", "before", "after", "change_timestamp", "change_type", "event_id", "actor", "reason", *about)

    def rows(diff: EntityDiff) -> Iterable[Iterable[object]]:
        return ([diff.entity_uid, *(getattr(change, name) for name in columns)] for change in diff.changes)

    return Sheet(("entity_uid", *columns), rows)


def _history_sheet() -> Sheet[VersionOut]:
    own, content = plain(VersionOut, "changes"), ("display_name", "entity_type", "detail_type", "detail_value")

    def rows(version: VersionOut) -> Iterable[Iterable[object]]:
        return ([*row, *map(version.changes.get, content)] for row in own.rows(version))

    return Sheet((*own.columns, *content), rows)


HISTORY: Sheet[VersionOut] = _history_sheet()
"""A row each version, with its content in columns of their own."""
AUDIT: Sheet[AuditOut] = plain(AuditOut)
"""A row each entry, its values before and after as JSON."""
