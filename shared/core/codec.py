"""Events to bytes and back: the canonical JSON that is stored, hashed and never written twice differently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from shared.core import events
from shared.core.errors import CannotFold
from shared.core.upcasters import SCHEMA_VERSIONS, NotUpcast, upcast

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

LogRow = tuple[Any, ...]
"""A row of the log as its readers select it: the arguments of `decode`."""

POSITION, EVENT_ID, STREAM, VERSION, TYPE, RECORDED_AT = 0, 1, 2, 3, 4, 9
"""Where these stand in such a row."""

EVENT_CLASSES: dict[str, type[events.Event]] = {cls.__name__: cls for cls in get_args(events.Event)}

_encode = msgspec.json.Encoder(order="sorted").encode
_decode_metadata = msgspec.json.Decoder(events.Metadata).decode


def _envelope(cls: type[events.Event]) -> Any:  # noqa: ANN401  # a class made at run time
    return msgspec.defstruct("Payload", [("data", cls), ("context", events.Context)], frozen=True, gc=False)


_PAYLOADS: dict[str, Any] = {name: _envelope(cls) for name, cls in EVENT_CLASSES.items()}
_DECODERS: dict[str, Any] = {name: msgspec.json.Decoder(cls).decode for name, cls in _PAYLOADS.items()}


class _Earlier(msgspec.Struct):
    """A payload of an earlier schema version, whose data only the upcasters understand."""

    data: dict[str, Any]
    context: Any


_decode_earlier = msgspec.json.Decoder(_Earlier).decode


def payload_bytes(event: events.Event, context: events.Context) -> bytes:
    """Return the canonical JSON of what an event asserts and where it came from.

    NOTE: a storage format: `{"context": {…}, "data": {…}}`, keys sorted, no white space, UTF-8.
    """
    return _encode({"context": context, "data": event})


def encode_payload(event: events.Event, context: events.Context) -> str:
    """Return the same as text."""
    return payload_bytes(event, context).decode()


def metadata_bytes(metadata: events.Metadata) -> bytes:
    """Return the canonical JSON of an event's metadata. NOTE: a storage format, keys sorted, no white space."""
    return _encode(metadata)


def encode_metadata(metadata: events.Metadata) -> str:
    """Return the same as text."""
    return metadata_bytes(metadata).decode()


def decode_stream(rows: Sequence[LogRow]) -> Iterator[events.Recorded]:
    """Yield the events of a stream, from its first on; one that is skipped later reads as its own skipping.

    Raises CannotFold at the first that `decode` does not take.
    """
    skipped: set[UUID] = set()
    for row in rows:
        if is_skipping(row):
            with suppress(CannotFold):  # then it skips nothing, and is found again below
                event = decode(*row).event
                skipped |= {event.event_id} if isinstance(event, events.EventSkipped) else set()
    for row in rows:
        yield _left_out(row) if row[EVENT_ID] in skipped else decode(*row)


def is_skipping(row: LogRow) -> bool:
    """Say whether a row of the log leaves an earlier event of its stream out."""
    return bool(row[TYPE] == events.EventSkipped.__name__)


def _left_out(row: LogRow) -> events.Recorded:
    """Return what stands for an event that is skipped: it asserts nothing; of its metadata what can be read."""
    position, event_id, stream, version, _, _, effective_at, _, _, recorded_at, _, metadata = row
    told = events.Metadata(actor="", request_id="")
    with suppress(msgspec.DecodeError):
        told = _decode_metadata(metadata)
    return events.Recorded(
        position=position,
        event_id=event_id,
        stream=stream,
        version=version,
        event=events.EventSkipped(event_id),
        effective_at=effective_at,
        effective_until=None,
        recorded_at=recorded_at,
        context=events.Context(),
        metadata=told,
    )


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
    except (TypeError, RecursionError) as error:  # no payload at all, or nested beyond measure
        raise CannotFold(position, f"its payload cannot be read: {error}") from error
    except msgspec.DecodeError as error:  # of another shape, or no JSON to msgspec while it is to PostgreSQL ("\ud800")
        raise CannotFold(position, str(error)) from error
