"""Which event may be skipped: the first of an entity's stream that cannot be folded, and no other."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from shared.core.codec import LogRow, encode_metadata, encode_payload
from shared.core.errors import BehindParked, CanBeFolded, CockpitError, NotSkippable
from shared.core.events import (
    REGISTRY_STREAM,
    Context,
    EntityRevised,
    Event,
    EventSkipped,
    Metadata,
    entity_stream,
    external_key_of,
    external_key_stream,
)
from tests.given import JOHN, UID, day
from write_side.skipping import decide, skipping, unfoldable

VANISHED = "EntityVanished"
JANE = EntityRevised(display_name="Jane")


def rows(*events: Event | str, stream: str = entity_stream(UID)) -> list[LogRow]:
    """Return a stream as the log has it, one event a day; a string is a type that nobody knows."""
    return [_row(n, stream, event, day(n)) for n, event in enumerate(events, start=1)]


def _row(n: int, stream: str, event: Event | str, at: datetime) -> tuple[Any, ...]:
    name = event if isinstance(event, str) else type(event).__name__
    payload = "{}" if isinstance(event, str) else encode_payload(event, Context())
    said_by = encode_metadata(Metadata(actor="user_1", request_id="1"))
    return (n, UUID(int=n), stream, n, name, 1, at, None, False, at, payload, said_by)


def test_the_first_event_that_cannot_be_folded_is_found() -> None:
    assert unfoldable(UID, rows(JOHN, JANE)) is None
    assert unfoldable(UID, rows(JOHN, VANISHED, JANE, VANISHED)) == 2
    assert unfoldable(UID, rows(JOHN, JOHN)) == 2
    assert unfoldable(UID, rows(JANE)) == 1


def test_what_is_skipped_is_passed_over() -> None:
    skip = EventSkipped(UUID(int=2))
    assert unfoldable(UID, rows(JOHN, VANISHED, JANE, skip)) is None
    assert unfoldable(UID, rows(JOHN, VANISHED, VANISHED, skip)) == 3


def test_that_first_one_may_be_skipped() -> None:
    assert decide(rows(JOHN, VANISHED, JANE), 2) == (entity_stream(UID), UID, UUID(int=2))


@pytest.mark.parametrize(
    ("events", "position", "error"),
    [
        ([JOHN, JANE], 2, CanBeFolded),
        ([JOHN, VANISHED], 1, CanBeFolded),
        ([JOHN, VANISHED, JANE], 3, BehindParked),
        ([JOHN, VANISHED, VANISHED], 3, BehindParked),
        ([JOHN, VANISHED, EventSkipped(UUID(int=2))], 3, CanBeFolded),
    ],
)
def test_no_other_may(events: list[Event | str], position: int, error: type[CockpitError]) -> None:
    with pytest.raises(error):
        decide(rows(*events), position)


@pytest.mark.parametrize("stream", [REGISTRY_STREAM, external_key_stream("legacy", "4:2"), "campaign:1", "entity:x"])
def test_nothing_of_what_is_no_entity_is_skipped(stream: str) -> None:
    with pytest.raises(NotSkippable):
        decide(rows(VANISHED, stream=stream), 1)


def test_what_is_skipped_already_is_answered_by_the_event_that_says_so() -> None:
    log = rows(JOHN, VANISHED, EventSkipped(UUID(int=2)), JANE)
    assert decide(log, 2) == (entity_stream(UID), UID, UUID(int=2))
    found = skipping(log, UUID(int=2))
    assert found is not None
    assert found.position == 3
    assert skipping(log, UUID(int=1)) is None


def test_a_skip_that_cannot_be_read_skips_nothing_and_may_be_skipped_itself() -> None:
    log = rows(JOHN, VANISHED)
    log.append((*log[1][:4], "EventSkipped", 9, *log[1][6:]))
    log[2] = (3, UUID(int=3), log[1][2], 3, *log[2][4:])
    assert skipping(log, UUID(int=2)) is None
    assert unfoldable(UID, log) == 2
    assert unfoldable(UID, [log[0], (2, UUID(int=3), log[1][2], 2, *log[2][4:])]) == 2


def test_a_stream_tells_the_key_that_it_claims() -> None:
    assert external_key_of(external_key_stream("legacy", "4:2")) == ("legacy", "4:2")
    assert external_key_of("external_key:legacy:") == ("legacy", "")
    for other in (REGISTRY_STREAM, entity_stream(UID), "external_key:legacy", ""):
        assert external_key_of(other) is None
