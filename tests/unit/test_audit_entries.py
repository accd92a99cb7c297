"""What the audit tells of an event: each group that changed, at the first instant at which it is not what it was.

One that changed nothing is told as well.
"""

from __future__ import annotations

import json
from typing import Any

from projector.audit import AuditEntry, audit_entries
from shared.core.events import (
    EntityEvent,
    EntityReopened,
    EntityRetired,
    EntityRevised,
    EventCancelled,
    Until,
)
from shared.core.timeline import Timeline, fold
from tests.given import JOHN, UID, day, record

Said = tuple[EntityEvent, int] | tuple[EntityEvent, int, Until]


def audit_of(*said: Said) -> list[AuditEntry]:
    """Return what the audit tells of the last of these events."""
    timeline = Timeline(entity_uid=UID)
    entries: list[AuditEntry] = []
    for version, (event, at, *until) in enumerate(said, start=1):
        recorded = record(event, version, day(100 + version), day(at), effective_until=until[0] if until else None)
        timeline, changes = fold(timeline, recorded)
        entries = audit_entries(recorded, changes)
    return entries


def shown(entries: list[AuditEntry]) -> list[tuple[int, str | None, str, Any, Any]]:
    def value(text: str | None) -> Any:
        return text and json.loads(text)

    return [
        (e.audit_id & 0xFFFF, e.detail_code, e.operation, value(e.before_value), value(e.after_value)) for e in entries
    ]


def email(value: str | None) -> EntityRevised:
    return EntityRevised(details={"EMAIL": value})


def test_a_forward_change_shows_what_was_and_what_is_and_only_what_differs() -> None:
    both = EntityRevised(display_name="Jo", details={"EMAIL": None, "PHONE": "1"})
    assert shown(audit_of((JOHN, 1), (both, 5))) == [
        (0, None, "UPDATE", {"display_name": "John"}, {"display_name": "Jo"}),
        (1, "EMAIL", "DELETE", {"detail_value": "john@example.com"}, None),
        (2, "PHONE", "INSERT", None, {"detail_value": "1"}),
    ]


def test_a_correction_shows_the_first_instant_that_is_not_what_it_was() -> None:
    assert shown(audit_of((JOHN, 1), (email("b"), 9), (email("a"), 5))) == [
        (0, "EMAIL", "UPDATE", {"detail_value": "john@example.com"}, {"detail_value": "a"})
    ]
    assert shown(audit_of((JOHN, 1), (email("b"), 9), (email("b"), 5))) == [
        (0, "EMAIL", "UPDATE", {"detail_value": "john@example.com"}, {"detail_value": "b"})
    ]


def test_a_cancellation_shows_what_resumes() -> None:
    history: list[Said] = [(JOHN, 1), (email("x"), 5, day(7)), (email("y"), 9)]
    (entry,) = audit_of(*history, (EventCancelled(record(JOHN, 2, day(1)).event_id), 50))
    assert shown([entry]) == [(0, "EMAIL", "UPDATE", {"detail_value": "x"}, {"detail_value": "john@example.com"})]
    assert entry.event_id == record(JOHN, 4, day(1)).event_id


def test_an_earlier_start_inserts_and_a_retirement_of_the_past_deletes() -> None:
    earlier = EntityReopened("Jo", "PERSON")
    values = {"display_name": "Jo", "entity_type": "PERSON"}
    assert shown(audit_of((JOHN, 5), (earlier, 1))) == [(0, None, "INSERT", None, values)]
    assert [entry[1:3] for entry in shown(audit_of((JOHN, 1), (email("b"), 9), (EntityRetired(), 5)))] == [
        (None, "DELETE"),
        ("EMAIL", "DELETE"),
    ]


def test_an_event_that_changes_no_row_has_one_entry_without_values() -> None:
    bare = [(0, None, "UPDATE", None, None)]
    history: list[Said] = [(JOHN, 1), (email("x"), 5, day(7)), (email("y"), 5, day(7))]
    (entry,) = audit_of(*history, (EventCancelled(record(JOHN, 2, day(1)).event_id), 50))
    assert shown([entry]) == bare
    assert (entry.table_name, entry.entity_uid, entry.event_id) == ("entity", UID, record(JOHN, 4, day(1)).event_id)
    assert shown(audit_of((JOHN, 1), (EntityRevised(display_name="John"), 5))) == bare
    assert shown(audit_of((JOHN, 1), (EntityRevised(display_name="John"), 5, day(9)))) == bare
