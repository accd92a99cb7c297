"""Instants in and out: RFC 3339 with an offset, or a date; naive ones count as UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec

from shared.core.errors import invalid

SCHEMA: dict[str, Any] = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
"""What the OpenAPI document says of an instant that comes in."""

_SHAPE = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?)(Z|[+-]\d\d:?\d\d)?)?",
    re.IGNORECASE | re.ASCII,
)


def parse_instant(name: str, text: str) -> datetime:
    """Return the instant a client wrote, in UTC, cut to microseconds.

    Takes RFC 3339 (`2024-01-15T10:30:00Z`, a space for the T, seconds left out), a date (midnight UTC), and naive
    instants (UTC). Raises Invalid, naming the field, for all else and for what leaves the years 1 to 9999.
    """
    # a plus sign that was not escaped in a query string arrives as a space
    match = _SHAPE.fullmatch(re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()) if text.count(":") > 1 else text.strip())
    if match is None:
        raise invalid(name, "Not an instant: write it as 2024-01-15T10:30:00Z, or a date.", "invalid_instant")
    date, time, offset = match.groups()
    offset = (offset or "Z").upper()
    if offset != "Z" and ":" not in offset:
        offset = f"{offset[:3]}:{offset[3:]}"
    time = (time or "00:00").replace(",", ".")
    whole, _, fraction = time.partition(".")
    try:
        return datetime.fromisoformat(
            f"{date}T{whole}.{fraction[:6]:0<6}{offset}" if fraction else f"{date}T{whole}{offset}"
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        raise invalid(name, "No such instant between the years 1 and 9999.", "invalid_instant") from None


def show(instant: datetime) -> str:
    """Return an instant as the API writes it, for headers and links."""
    return msgspec.to_builtins(instant.astimezone(UTC))  # type: ignore[no-any-return]  # a str for a datetime
