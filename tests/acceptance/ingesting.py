"""The log that the tests of `cockpit ingest` start with: made once, and cloned for each."""

from __future__ import annotations

import asyncio
from uuid import UUID

from cockpit.fixtures import load
from cockpit.services import writers
from db.pool import Dsns
from shared.core.events import Kind, Metadata
from shared.settings import Settings
from write_side.entity import Register, Retire
from write_side.external_key import ExternalKey
from write_side.handler import Request
from write_side.registry import RegisterType
from write_side.upsert import Upsert

REQUEST = Request(metadata=Metadata(actor="tests", request_id="before"))
RETIRED = "ed0f3b04-7a5c-4d52-9c14-1f9a4f0d7e55"
"""Somebody who is no more: the same in every process that runs tests."""


def prepare(database: str) -> None:
    """Give a log the sample data, somebody retired, a key taken, a type closed."""

    async def write() -> None:
        async with writers(Dsns(database), Settings(_env_file=None)) as writing:
            handler = writing.handler
            await load(handler, writing.accounts)
            await handler.registry(RegisterType(Kind.DETAIL, "FAX", "Fax", is_active=False), REQUEST)
            await handler.entity(UUID(RETIRED), Register(display_name="Gone", entity_type="PERSON"), REQUEST)
            await handler.entity(UUID(RETIRED), Retire(), REQUEST)
            key = ExternalKey("bad", "taken")
            await handler.upsert(Upsert(key=key, display_name="Taken", entity_type="PERSON"), REQUEST)

    asyncio.run(write())
