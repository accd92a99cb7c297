"""What the event feed is asked: where to go on, and which events; in the query string and in one header."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, TypeAdapter, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from read_side.api.values import Position, Uid, whole
from read_side.cloudevents import BECAME_EFFECTIVE, EVENT_TYPES, PREFIX
from read_side.feed import Selection
from read_side.following import Start
from shared.core.errors import invalid
from shared.http.requests import Query

if TYPE_CHECKING:
    from fastapi import Request

LAST_EVENT_ID = "Last-Event-ID"
STREAM_TYPES = (*EVENT_TYPES, BECAME_EFFECTIVE)
MOST_EVENTS = 1000

_position = TypeAdapter(Position)


def _reader(known: Iterable[str]) -> Callable[[str], frozenset[str]]:
    """Return what takes names of event types, written as in the log or as in CloudEvents, separated by commas."""
    names = frozenset(known)

    def read(text: str) -> frozenset[str]:
        asked = frozenset(part.strip().removeprefix(PREFIX) for part in text.split(","))
        if asked - names:
            told = {"known": ", ".join(sorted(names))}
            raise PydanticCustomError("unknown_type", "Not all are event types; those are: {known}.", told)
        return asked

    return read


def _schema(known: Iterable[str]) -> WithJsonSchema:
    name = rf"(cockpit\.)?({'|'.join(known)})"
    return WithJsonSchema({"type": "string", "pattern": f"^{name}(,{name})*$"})


EventTypes = Annotated[frozenset[str], PlainValidator(_reader(EVENT_TYPES)), _schema(EVENT_TYPES)]
StreamTypes = Annotated[frozenset[str], PlainValidator(_reader(STREAM_TYPES)), _schema(STREAM_TYPES)]
Limit = Annotated[int, Field(ge=1, le=MOST_EVENTS), BeforeValidator(whole)]
Number = Annotated[int, Field(ge=1, le=2**31 - 1), BeforeValidator(whole)]


class EventsQuery(Query):
    """Which events of the log, and how many."""

    after: Position = Field(0, description="Events after this position; 0 is before the first.")
    limit: Limit = Field(100, description="How many events at most.")
    type: EventTypes | None = Field(None, description="Only events of these types, separated by commas.")
    entity_uid: Uid | None = Field(None, description="Only events of this entity.")

    def selection(self) -> Selection:
        """Return which events, as the feed takes it."""
        return Selection(self.type, self.entity_uid)


class StreamQuery(Query):
    """Which events of the log a stream has, and from where on."""

    after: Position | None = Field(
        None,
        description="Go on after this position; without it and Last-Event-ID, begin with what is to come.",
    )
    limit: Number | None = Field(None, description="End after so many events; never when absent.")
    type: StreamTypes | None = Field(
        None, description="Only these types, separated by commas; became_effective are the notices."
    )
    entity_uid: Uid | None = Field(None, description="Only what concerns this entity.")

    def selection(self) -> Selection:
        """Return which events, as the feed takes it."""
        return Selection(self.type, self.entity_uid)

    def start(self, request: Request) -> Start:
        """Return where to begin: where the header says, which a client sends that comes back, else the parameter."""
        given = request.headers.get(LAST_EVENT_ID)
        if given is None or not given.strip():
            return Start(self.after, "after")
        try:
            position: Any = _position.validate_python(given.strip())
        except ValidationError:
            message = "Not a position: send the last id that came with an event."
            raise invalid(LAST_EVENT_ID, message, "not_whole") from None
        return Start(int(position), LAST_EVENT_ID)
