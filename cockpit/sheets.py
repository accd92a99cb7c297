"""A file of entities, as rows: NDJSON, a line each, or CSV, whose columns are mapped to fields."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from io import TextIOWrapper
from typing import BinaryIO

import msgspec
from msgspec import Struct

from shared.core.errors import CockpitError, FieldError, Invalid, invalid
from write_side.api.rows import RowIn, row_of_cells, row_of_json
from write_side.ingest import Row

BOM = codecs.BOM_UTF8
FIELDS = (*(name for name in RowIn.model_fields if name != "details"),)
DETAIL = re.compile(r"(?:details\.)?([A-Z0-9_]{1,50})")
"""How a column of details is called."""


class BadSheet(CockpitError):
    """{name}: {reason}"""  # noqa: D415  # the message is the reason itself

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self.reason = reason


class Layout(Struct, frozen=True, kw_only=True):
    """How a CSV is written: `columns` says which header means which field (empty: the column is left out).

    A cell that says `null` removes its detail; an empty one is not spoken of.
    """

    delimiter: str = ","
    encoding: str = "utf-8"
    null: str | None = None
    columns: Mapping[str, str] = {}


class Sheet:
    """An open CSV whose header was understood: every column has its field, or is left out."""

    def __init__(self, name: str, raw: BinaryIO, layout: Layout, limit: int) -> None:
        self._name, self._layout, self._limit = name, layout, limit
        try:
            codec = codecs.lookup(layout.encoding).name
            text = TextIOWrapper(raw, "utf-8-sig" if codec == "utf-8" else codec, "surrogateescape", newline="")
            self._text = text
            self._lines = _Lines(text, limit)
            csv.field_size_limit(limit)
            self._reader = csv.reader(self._lines, delimiter=layout.delimiter, strict=True)
            header = next(self._reader, [])
        except LookupError:
            raise BadSheet(name, f"there is no encoding {layout.encoding}.") from None
        except TypeError:
            raise BadSheet(name, f"a delimiter is one character, not {layout.delimiter!r}.") from None
        except (csv.Error, UnicodeError) as error:
            raise BadSheet(name, f"the header cannot be read: {error}.") from None
        self.header = [cell.strip() for cell in header]
        self._fields = self._understood()

    @property
    def codes(self) -> set[str]:
        """The detail types that its columns name."""
        return {field.removeprefix("details.") for field in self._fields if field.startswith("details.")}

    def rows(self, source: str) -> Iterator[Row]:
        """Yield the records as rows, by the line each begins at; blank lines are left out."""
        while True:
            line = self._lines.number + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                self._text.detach()  # else it would close the file that it reads from
                return
            except csv.Error as error:
                if (
                    isinstance(error, _TooLong) and self._lines.number > line
                ):  # within quotes: what follows is no record
                    raise BadSheet(self._name, f"line {line} and on: {error}, within a cell.") from None
                refusal = invalid("non_field_errors", f"Malformed CSV: {error}.", "malformed_csv")
                yield Row(line, None, 0, refusal=refusal)
                continue
            except UnicodeError as error:  # in an encoding where what follows cannot be told either
                raise BadSheet(self._name, f"line {line} and on: {error}.") from None
            if cells:
                yield self._row(line, cells, source)

    def _row(self, line: int, cells: Sequence[str], source: str) -> Row:
        raw = dict(zip(self.header, map(_shown, cells), strict=False))
        if len(cells) != len(self._fields):
            told = f"{len(cells)} cells, where the header has {len(self._fields)}."
            size = sum(map(len, cells))
            return Row(line, list(map(_shown, cells)), size, refusal=invalid("non_field_errors", told, "cell_count"))
        said: dict[str, str | None] = {
            field: None if cell == self._layout.null else cell
            for field, cell in zip(self._fields, cells, strict=True)
            if field and cell and not cell.isspace()
        }
        wrong = [field for field, cell in said.items() if cell is not None and not _is_text(cell)]
        if wrong:
            told = f"Not {self._layout.encoding}."
            return Row(line, raw, 0, refusal=Invalid([FieldError(field, told, "invalid_encoding") for field in wrong]))
        details = {f.removeprefix("details."): cell for f, cell in said.items() if f.startswith("details.")}
        plain: dict[str, object] = {f: cell for f, cell in said.items() if not f.startswith("details.")}
        size = sum(map(len, cells))
        return row_of_cells(line, {**plain, "details": details} if details else plain, size, source, raw)

    def _understood(self) -> list[str]:
        """Return the field of each column. Raises BadSheet, naming the columns, where any has none, or two have one."""
        header, columns = self.header, self._layout.columns
        if not any(header):
            raise BadSheet(self._name, "there is no header.")
        missing = sorted(columns.keys() - set(header))
        twice = sorted({name for name in header if header.count(name) > 1})
        fields = [_field(columns.get(name, name), is_mapped=name in columns) for name in header]
        unknown = [
            name or f"(number {n})"
            for n, (name, field) in enumerate(zip(header, fields, strict=True), 1)
            if field is None
        ]
        found = [field for field in fields if field]
        clash = sorted({field for field in found if found.count(field) > 1})
        for names, told in (
            (missing, "there is no such column"),
            (twice, "there more than once"),
            (unknown, "unknown column: --column maps it to a field or to nothing, --delimiter is what divides cells"),
            (clash, "field that more than one column is mapped to"),
        ):
            if names:
                raise BadSheet(self._name, f"{told}: {', '.join(names)}.")
        return [field or "" for field in fields]


class _TooLong(csv.Error):
    """A physical line that is longer than any record may be."""


class _Lines:
    """The physical lines of a text, counted; one that is too long is refused and passed over."""

    def __init__(self, text: TextIOWrapper, limit: int) -> None:
        self._text, self._limit = text, limit
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._limit + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) <= self._limit:
            return line
        while line and not line.endswith(("\n", "\r")):
            line = self._text.readline(self._limit)
        raise _TooLong(f"a line of over {self._limit} characters")


def json_rows(raw: BinaryIO, source: str, limit: int) -> Iterator[Row]:
    """Yield the lines of NDJSON as rows; blank ones are counted and left out."""
    number = 0
    while line := raw.readline(limit + 1):
        number += 1
        if number == 1:
            line = line.removeprefix(BOM)
        if len(line.rstrip(b"\r\n")) > limit:
            while line and not line.endswith(b"\n"):
                line = raw.readline(limit)
            yield Row(number, None, 0, refusal=invalid("non_field_errors", f"Over {limit} bytes.", "too_long"))
        elif line.strip():
            yield row_of_json(number, line, source)


def shown(raw: object) -> object:
    """Return what was written in a row, for the file of errors: JSON as such where it is any."""
    if not isinstance(raw, bytes):
        return raw
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw.decode(errors="replace").rstrip("\r\n")


def _field(name: str, *, is_mapped: bool) -> str | None:
    """Return the field that a column is about; empty where it is left out, None where there is no such field."""
    if name in FIELDS or (is_mapped and not name):
        return name
    match = DETAIL.fullmatch(name)
    return f"details.{match[1]}" if match else None


def _is_text(cell: str) -> bool:
    return cell.isascii() or not any("\ud800" <= character <= "\udfff" for character in cell)


def _shown(cell: str) -> str:
    return cell if cell.isascii() else cell.encode(errors="surrogateescape").decode(errors="replace")
