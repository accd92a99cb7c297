"""Whole streams into rows: what the log says of an entity, of the types or of a key, folded from its first event on.

Verifying, rebuilding and beginning anew with one entity all go this way; a batch of the live projector goes it where
an event is skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from msgspec import Struct

from projector.rows import Writes
from shared.core.codec import POSITION, STREAM, LogRow, decode_stream
from shared.core.errors import CannotFold
from shared.core.events import (
    REGISTRY_STREAM,
    ExternalKeyClaimed,
    Recorded,
    RegistryEvent,
    external_key_stream,
    uid_of,
)
from shared.core.timeline import Timeline, fold

BEHIND = "an earlier event of its stream is parked"


class Portion(Struct, frozen=True):
    """What some whole streams lead to: the last of them, how many events they have, and their rows."""

    stream: str
    events: int
    writes: Writes


def replay(rows: Iterable[LogRow], portion_events: int) -> Iterator[Portion]:
    """Fold events that come stream by stream, each from its first on, and yield the rows of some streams at a time.

    A portion ends with the stream that brings it to `portion_events`: memory follows these, not the log.
    """
    writes, events, last = Writes(), 0, ""
    for stream, group in groupby(rows, key=lambda row: str(row[STREAM])):
        listed = list(group)
        fold_stream(stream, listed, writes)
        events, last = events + len(listed), stream
        if events >= portion_events:
            yield Portion(last, events, writes)
            writes, events = Writes(), 0
    if events:
        yield Portion(last, events, writes)


def fold_stream(stream: str, rows: Sequence[LogRow], writes: Writes) -> None:
    """Take in a whole stream; park its first event that cannot be folded, and all behind it."""
    uid = uid_of(stream)
    timeline = None if uid is None else Timeline(entity_uid=uid)
    folded = 0
    try:
        for recorded in decode_stream(rows):
            if timeline is None:
                take_in(recorded, writes)
            else:
                timeline, changes = fold(timeline, recorded)
                writes.add(recorded, timeline, changes)
            folded += 1
    except CannotFold as error:
        reason = str(error)
        for row in rows[folded:]:
            writes.park(row[POSITION], stream, reason)
            reason = BEHIND


def take_in(recorded: Recorded, writes: Writes) -> None:
    """Take in an event that is of no entity. Raises CannotFold where it does not belong in its stream."""
    event, stream = recorded.event, recorded.stream
    if isinstance(event, RegistryEvent) and stream == REGISTRY_STREAM:
        writes.registry.append(event)
    elif (
        isinstance(event, ExternalKeyClaimed)
        and stream == external_key_stream(event.source, event.external_id)
        and recorded.version == 1
    ):
        writes.claims.append(recorded)
    else:
        raise CannotFold(recorded.position, f"{type(event).__name__} does not belong in this stream")
