"""Events to bytes and back: the canonical JSON that is stored, hashed and never written twice differently."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import msgspec

from shared.core import events
from shared.core.errors import CannotFold
from shared.core.upcasters import SCHEMA_VERSIONS, NotUpcast, upcast

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

EVENT_CLASSES: dict[str, type[events.Event]] = {cls.__name__: cls for cls in get_args(events.Event)}

_encode = msgspec.json.Encoder(order="sorted").encode
_decode_metadata = msgspec.json.Decoder(events.Metadata).decode


def _envelope(cls: type[events.Event]) -> Any:  # noqa: ANN401  # a class made at run time
    return msgspec.defstruct("Payload", [("data", cls), ("context", events.Context)], frozen=True)


_PAYLOADS: dict[str, Any] = {name: _envelope(cls) for name, cls in EVENT_CLASSES.items()}
_DECODERS: dict[str, Any] = {name: msgspec.json.Decoder(cls).decode for name, cls in _PAYLOADS.items()}


class _Earlier(msgspec.Struct):
    """A payload of an earlier schema version, whose data only the upcasters understand."""

    data: dict[str, Any]
    context: Any


_decode_earlier = msgspec.json.Decoder(_Earlier).decode


def encode_payload(event: events.Event, context: events.Context) -> str:
    """Return the canonical JSON of what an event asserts and where it came from.

    NOTE: a storage format: `{"context": {…}, "data": {…}}`, keys sorted, no white space, UTF-8.
    """
    return _encode({"context": context, "data": event}).decode()


def encode_metadata(metadata: events.Metadata) -> str:
    """Return the canonical JSON of an event's metadata. NOTE: a storage format, keys sorted, no white space."""
    return _encode(metadata).decode()


def decode(
    position: int,
    event_id: UUID,
    stream: str,
    version: int,
    event_type: str,
    schema_version: int,
    effective_at: datetime,
    effective_until: datetime | None,
    is_for_good: bool,  # noqa: FBT001  # a column of the row
    recorded_at: datetime,
    payload: bytes | str,
    metadata: bytes | str,
) -> events.Recorded:
    """Return the event that a row of the log holds, brought up to today's schema version.

    An effective_until of infinity comes as None with `is_for_good`. Raises CannotFold for a type or a schema version
    that this code does not know, and for a payload of another shape.
    """
    today = SCHEMA_VERSIONS.get(event_type)
    if today is None or not 1 <= schema_version <= today:
        raise CannotFold(position, f"{event_type} in schema version {schema_version} is not known here")
    try:
        if schema_version == today:
            body = _DECODERS[event_type](payload)
        else:
            earlier = _decode_earlier(payload)
            data = upcast(event_type, schema_version, earlier.data)
            body = msgspec.convert({"data": data, "context": earlier.context}, _PAYLOADS[event_type])
        return events.Recorded(
            position=position,
            event_id=event_id,
            stream=stream,
            version=version,
            event=body.data,
            effective_at=effective_at,
            effective_until=events.INFINITY if is_for_good else effective_until,
            recorded_at=recorded_at,
            context=body.context,
            metadata=_decode_metadata(metadata),
        )
    except NotUpcast as error:
        raise CannotFold(position, f"{event_type} in schema version {schema_version}: {error}") from error
    except msgspec.DecodeError as error:  # of another shape, or no JSON to msgspec while it is to PostgreSQL ("\ud800")
        raise CannotFold(position, str(error)) from error
