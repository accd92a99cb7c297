"""One row of a file, one line of a batch, as a pydantic model: JSON or cells to command."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from uuid import UUID

from msgspec import UNSET
from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag, ValidationError, WithJsonSchema

from shared.core.errors import FieldError, Invalid
from shared.http.requests import Text, Written, field_errors, parse_json
from write_side.api.bodies import (
    Code,
    DatedBody,
    DetailChange,
    DetailValue,
    Name,
    details_of,
    given,
    required_when_given,
)
from write_side.external_key import ID_CHARACTERS, SOURCE, ExternalKey
from write_side.ingest import Row
from write_side.upsert import Upsert

LISTED, BY_TYPE = "listed", "by_type"
MOST_DETAILS = 1000
SOURCE_PATTERN = f"^{SOURCE.pattern}$"
Source = Annotated[
    Text,
    StringConstraints(pattern=SOURCE_PATTERN),
    WithJsonSchema({"type": "string", "title": "Source", "pattern": SOURCE_PATTERN}),
]
ExternalId = Annotated[str, Written(1, ID_CHARACTERS)]
Listed = Annotated[list[DetailChange], Field(max_length=MOST_DETAILS), Tag(LISTED)]
ByType = Annotated[dict[Code, DetailValue | None], Field(max_length=MOST_DETAILS), Tag(BY_TYPE)]


def _form(value: object) -> str:
    return BY_TYPE if isinstance(value, dict) else LISTED


def _once(value: object) -> object:
    """Refuse a detail type that is there twice once it is trimmed: of two values one would be ignored."""
    if isinstance(value, dict) and len({str(code).strip() for code in value}) < len(value):
        raise ValueError("A detail type is there twice.")
    return value


class RowIn(DatedBody):
    """An entity to register or to revise: named by its uid, by its key in another system, or by both.

    What is not known yet is registered, and needs a name and a type; else everything absent stays. Details are listed,
    as elsewhere, or given by type: `{"EMAIL": "…", "PHONE": null}`; null removes one.
    """

    entity_uid: UUID | None = Field(None, strict=False)
    source: Source | None = Field(None, description="The other system.")
    external_id: ExternalId | None = Field(None, description="What the other system calls the entity.")
    display_name: Name = Field("", json_schema_extra=required_when_given)
    entity_type: Code = Field("", json_schema_extra=required_when_given)
    details: Annotated[Listed | ByType, Discriminator(_form), BeforeValidator(_once)] = []


def row_of_json(line: int, raw: bytes, source: str | None = None) -> Row:
    """Return a line of NDJSON as a row; a key without a source has this one, if any."""
    return _row(line, raw, len(raw), lambda: parse_json(RowIn, raw.rstrip()), source)


def row_of_cells(line: int, cells: Mapping[str, Any], size: int, source: str, raw: object) -> Row:
    """Return what cells say, by field, as a row; a key without a source has this one."""
    return _row(line, raw, size, lambda: RowIn.model_validate(cells), source)


def _row(line: int, raw: object, size: int, read: Callable[[], RowIn], source: str | None) -> Row:
    try:
        body = read()
        return Row(line, raw, size, _command(body, source), body.reason)
    except ValidationError as error:
        refusal = Invalid(field_errors(error))
    except Invalid as error:
        refusal = error
    return Row(line, raw, size, refusal=Invalid([_renamed(error) for error in refusal.errors]))


def _command(body: RowIn, default_source: str | None) -> Upsert:
    """Return what a row asks for. Raises Invalid where it does not say of which entity."""
    source = body.source or default_source
    key = None
    if body.external_id is not None:
        if source is None:
            raise Invalid([FieldError("source", "This field is required beside external_id.", "required")])
        key = ExternalKey(source, body.external_id)
    elif body.source is not None:
        raise Invalid([FieldError("external_id", "This field is required beside source.", "required")])
    elif body.entity_uid is None:
        raise Invalid([FieldError("entity_uid", "Name the entity by entity_uid, by external_id, or both.", "required")])
    return Upsert(
        entity_uid=body.entity_uid,
        key=key,
        display_name=given(body, "display_name", UNSET),
        entity_type=given(body, "entity_type", UNSET),
        details=body.details if isinstance(body.details, dict) else details_of(body),
        **body.span(),
    )


def _renamed(error: FieldError) -> FieldError:
    """Return an error without the form of the details in the name of its field."""
    for form in (LISTED, BY_TYPE):
        prefix = f"details.{form}"
        if error.field.startswith(prefix):
            return error._replace(field="details" + error.field.removeprefix(prefix))
    return error
