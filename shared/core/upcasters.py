"""How payloads of older schema versions become today's: one function a step, applied when an event is read.

`UPCASTERS[type, n]` turns the `data` of version n into that of n + 1. The log itself is never rewritten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA_VERSIONS: dict[str, int] = {
    "EntityRegistered": 1,
    "EntityRevised": 1,
    "EntityRetired": 1,
    "EntityReopened": 1,
    "EventCancelled": 1,
    "EventSkipped": 1,
    "ExternalKeyClaimed": 1,
    "TypeRegistered": 1,
    "TypeChanged": 1,
    "TypeActivated": 1,
    "TypeDeactivated": 1,
}
"""The schema version in which each event type is written today."""

UPCASTERS: dict[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}


def upcast(event_type: str, schema_version: int, data: dict[str, Any]) -> dict[str, Any]:
    """Bring the data of an event up to today's schema version."""
    for version in range(schema_version, SCHEMA_VERSIONS[event_type]):
        data = UPCASTERS[event_type, version](data)
    return data
