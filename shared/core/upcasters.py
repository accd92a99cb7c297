"""How payloads of older schema versions become today's: one function a step, applied when an event is read.

`UPCASTERS[type, n]` turns the `data` of version n into that of n + 1: a pure function of it, plain JSON in and out. The
log itself is never rewritten. How to add a version: docs/schema-evolution.md.
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


class NotUpcast(Exception):
    """Data of another shape than that of its schema version."""


def upcast(event_type: str, schema_version: int, data: dict[str, Any]) -> dict[str, Any]:
    """Bring the data of an event up to today's schema version. Raises NotUpcast where a step meets what it cannot."""
    for version in range(schema_version, SCHEMA_VERSIONS[event_type]):
        try:
            data = UPCASTERS[event_type, version](data)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise NotUpcast(f"the step from {version} on cannot read its data: {error!r}") from error
    return data
