"""A line of a batch as most lines are: read by msgspec, in a tenth of the time that the model takes.

Nothing is refused here: what this does not take, the model of `rows.py` reads, which alone says what is wrong with it.
So what is taken is what the model takes too, and means the same.
"""

from __future__ import annotations

import re
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, DecodeError, Meta, Struct, UnsetType
from msgspec.json import Decoder, Encoder

from write_side.external_key import ID_CHARACTERS, SOURCE

MOST_DETAILS = 1000
_Code = Annotated[str, Meta(min_length=1, max_length=50)]
_Value = Annotated[str, Meta(min_length=1, max_length=10_000)]

UNTRIMMED = re.compile(r'"\s|\s"|\\')
"""Where a string begins or ends with white space, or has what JSON escapes: NUL and line ends, too."""


class Line(Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    """What a line says, each member named once and every string trimmed; details by type."""

    entity_uid: UUID | None = None
    source: Annotated[str, Meta(pattern=f"^{SOURCE.pattern}$")] | None = None
    external_id: Annotated[str, Meta(min_length=1, max_length=ID_CHARACTERS)] | None = None
    display_name: Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType = UNSET
    entity_type: _Code | UnsetType = UNSET
    details: Annotated[dict[_Code, _Value | None], Meta(max_length=MOST_DETAILS)] = {}
    effective_at: str | None = None
    effective_until: str | None = None
    reason: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None


_decode = Decoder(Line).decode
_encode = Encoder().encode


def read_line(raw: bytes) -> Line | None:
    """Return what a line says; None where the model must read it.

    Outside of strings a colon stands after the name of a member and nowhere else: where as many are left of those that
    were read as there were, no member was lost to another of its name, and none was null.
    """
    try:
        line = _decode(raw)
    except (DecodeError, UnicodeDecodeError):
        return None
    again = _encode(line)
    if rb"\u003" in raw or raw.count(b":") != again.count(b":") or not _is_trimmed(again):
        return None
    return line


def _is_trimmed(compact: bytes) -> bool:
    """Say whether no string begins or ends with white space, or has what JSON escapes."""
    if compact.isascii():  # the same as below, four times as fast
        return not (b"\\" in compact or b'" ' in compact or b' "' in compact)
    return UNTRIMMED.search(compact.decode()) is None
