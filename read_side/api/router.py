"""Every resource of the read side under one router, for whoever composes an app of it."""

from __future__ import annotations

from fastapi import APIRouter

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

router = APIRouter(prefix="/api/v1")
for resource in (entities, external_keys, history, scheduled, temporal, audit, events, types, parked, projections):
    router.include_router(resource.router)
