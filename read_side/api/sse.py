"""Server-sent events, as the HTML standard has them: what a follower is told, line by line, until somebody ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from shared.core.errors import Forbidden, Unauthenticated, Unavailable
from shared.http.auth import identify
from shared.http.shapes import encode

if TYPE_CHECKING:
    from fastapi import Request

    from read_side.cloudevents import CloudEvent, Notice
    from read_side.following import Follower

EVENT_STREAM = "text/event-stream"
RETRY_MS = 1000
"""After how long a client should come back."""
AWAY_SECONDS = 0.5
"""How long to wait before the database is asked again that did not answer."""
UNTOLD = 1000
"""How many positions may be passed over before the client is told how far the log was looked at."""


async def told(request: Request, follower: Follower, limit: int | None) -> AsyncIterator[bytes]:
    """Yield what comes, `limit` events at most, for as long as the token is good: one page after the other is taken.

    It ends where the log has become a shorter one, restored from a backup: whoever comes back is told so.
    """
    now = asyncio.get_running_loop().time
    seconds: float = request.app.state.settings.heartbeat_seconds
    beat_at = now() + seconds
    known = follower.after
    left = limit
    yield b"retry: %d\nid: %d\n\n" % (RETRY_MS, known)
    while True:
        rest = max(beat_at - now(), 0.0)
        try:
            page = await follower.events(left)
            if page.events:
                known = page.events[-1].position
                left = None if left is None else left - len(page.events)
                yield b"".join(map(_event, page.events))
            if left == 0 or page.after > page.head:
                return
            if page.after - known >= UNTOLD:
                known = page.after
                yield b"id: %d\n\n" % known
            if notices := await follower.notices():
                yield b"".join(map(_notice, notices))
            elif page.after >= page.head:
                await follower.wait(rest)
        except Unavailable:  # the follower stands where it stood
            await asyncio.sleep(min(AWAY_SECONDS, rest))
        if now() >= beat_at:
            if not await _is_welcome(request):
                return
            yield b": heartbeat\n" + (b"id: %d\n\n" % follower.after if follower.after > known else b"\n")
            known = follower.after
            beat_at = now() + seconds


async def until(stopping: asyncio.Event, items: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the items until the service stops: then end at once, whatever the next one waits for."""
    ended = asyncio.create_task(stopping.wait())
    try:
        while True:
            coming = asyncio.ensure_future(anext(items, None))
            try:
                await asyncio.wait({coming, ended}, return_when=asyncio.FIRST_COMPLETED)
                if ended.done() or (item := coming.result()) is None:
                    return
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
            yield item
    finally:
        ended.cancel()


def _event(event: CloudEvent) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.position, event.type.encode(), encode(event))


def _notice(notice: Notice) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (notice.type.encode(), encode(notice))


async def _is_welcome(request: Request) -> bool:
    """Whether the token still opens the stream; while the database is away nobody can say otherwise."""
    try:
        await identify(request, "read")
    except (Unauthenticated, Forbidden):
        return False
    except Unavailable:
        return True
    return True
