"""Forms as browsers send them."""

from __future__ import annotations

from urllib.parse import parse_qsl

from shared.core.errors import Invalid, invalid

URLENCODED = "application/x-www-form-urlencoded"
FORM_FIELDS = 10


def urlencoded(raw: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form, empty ones included. Raises Invalid for what is none, or has too many."""
    try:
        return list(parse_qsl(raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=FORM_FIELDS))
    except ValueError:
        raise malformed() from None


def malformed() -> Invalid:
    """Build the error for what is no form."""
    return invalid("non_field_errors", "Malformed form.", "malformed_form")
