"""The router of every resource of the read side, for whoever composes an app of them."""

from __future__ import annotations

from read_side.api import (
    audit,
    entities,
    events,
    external_keys,
    history,
    parked,
    projections,
    scheduled,
    temporal,
    types,
)

routers = [
    resource.router
    for resource in (
        entities,
        external_keys,
        history,
        scheduled,
        temporal,
        audit,
        events,
        types,
        parked,
        projections,
    )
]
