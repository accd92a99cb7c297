"""What the tests of parked events share: events that this release cannot fold, and a release that can."""

from __future__ import annotations

from uuid import UUID

import pytest

from projector.refold import Refolded, refold_stream
from shared.core.codec import encode_payload
from shared.core.events import Context, EntityRevised
from shared.core.upcasters import SCHEMA_VERSIONS, UPCASTERS
from tests.appending import Stored
from tests.integration.projecting import fetch, projecting

VANISHED = Stored()


def from_tomorrow(name: str) -> Stored:
    """Return a revision in a schema version that only the next release knows."""
    return Stored("EntityRevised", 2, encode_payload(EntityRevised(display_name=name), Context()))


def upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this process the next release: revisions have another schema version there, of the same shape."""
    monkeypatch.setitem(SCHEMA_VERSIONS, "EntityRevised", 2)
    monkeypatch.setitem(UPCASTERS, ("EntityRevised", 1), lambda data: data)


def event_id(conninfo: str, position: int) -> UUID:
    """Return the id of the event at a position."""
    ((found,),) = fetch(conninfo, "SELECT event_id FROM log.event WHERE position = %s", position)
    assert isinstance(found, UUID)
    return found


def parked(conninfo: str) -> list[int]:
    """Return the positions that are parked."""
    return [position for (position,) in fetch(conninfo, "SELECT position FROM read_model.parked_event ORDER BY 1")]


async def anew(conninfo: str, stream: str) -> Refolded | None:
    """Fold a stream anew."""
    async with projecting(conninfo) as (connection, _):
        return await refold_stream(connection, stream)
