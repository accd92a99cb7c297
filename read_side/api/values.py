"""The values that query strings hold: read strictly, and refused with what is wrong about them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field, PlainValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.core.errors import Invalid
from shared.http.instants import SCHEMA, parse_instant
from shared.http.paging import LAST_PAGE
from shared.http.requests import DIGITS, LAST_POSITION, Text

MAX_PAGE_SIZE = 500
MAX_SEARCH = 255


def whole(text: str) -> int:
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
Position = Annotated[int, Field(ge=0, le=LAST_POSITION), BeforeValidator(whole)]
PageNumber = Annotated[int, Field(ge=1, le=LAST_PAGE), BeforeValidator(whole)]
EntityField = Annotated[Text, StringConstraints(pattern=r"^(display_name|entity_type|details\.[A-Z0-9_]{1,50})$")]
PageSize = Annotated[int, Field(ge=1, le=MAX_PAGE_SIZE), BeforeValidator(whole)]
