"""A backlog for the projector, in the mix its goal was measured with: appended as the batcher does, past HTTP.

One in five registers an entity with three details, two rename one, two tell a detail of one anew; these are drawn from
all entities, so that little of what they need was needed just before. That makes 1.6 rows an event.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from uuid import UUID, uuid4

from db.pool import Dsns, make_pool
from shared.core.events import Context, EntityEvent, EntityRegistered, EntityRevised, Metadata, entity_stream
from write_side.appends import Append
from write_side.event_store import EventStore

BATCH_COMMANDS = 500
CONTEXT = Context(ip_address="192.0.2.1", user_agent="made")
DETAILS = ("EMAIL", "PHONE", "ADDRESS")


def append_backlog(conninfo: str, known: Sequence[str], count: int, seed: int) -> None:
    """Append so many events, some of them about entities that are known. Raises Unavailable."""
    asyncio.run(_append(Dsns(conninfo).of("write"), known, count, random.Random(seed)))  # noqa: S311  # it draws names


async def _append(conninfo: str, known: Sequence[str], count: int, chance: random.Random) -> None:
    async with make_pool(conninfo, 2) as pool:
        store = EventStore(pool)
        for first in range(0, count, BATCH_COMMANDS):
            await store.append([_command(known, chance) for _ in range(first, min(first + BATCH_COMMANDS, count))])


def _command(known: Sequence[str], chance: random.Random) -> Append:
    uid, event = _event(known, chance)
    return Append(
        command_id=uuid4(),
        stream=entity_stream(uid),
        expectations=(),
        events=[(uuid4(), event)],
        effective_at=None,
        context=CONTEXT,
        metadata=Metadata(actor=f"user_{chance.randrange(100)}", request_id=f"request-{chance.randrange(10**9)}"),
    )


def _event(known: Sequence[str], chance: random.Random) -> tuple[UUID, EntityEvent]:
    name, mail = f"Somebody {chance.randrange(10**9)}", f"{chance.randrange(10**9)}@example.com"
    kind = chance.randrange(5)
    if kind == 0:
        phone, address = f"+1-202-{chance.randrange(10**7)}", f"{chance.randrange(900)} Main Street, Springfield"
        return uuid4(), EntityRegistered(name, "PERSON", {"EMAIL": mail, "PHONE": phone, "ADDRESS": address})
    uid = UUID(chance.choice(known))
    if kind <= 2:  # two of five
        return uid, EntityRevised(display_name=name)
    return uid, EntityRevised(details={chance.choice(DETAILS): mail})
