"""The event feed: what happened, in the order of its positions, in pages or as it comes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from msgspec import Struct
from starlette.responses import StreamingResponse

from read_side.api import answers, sse
from read_side.api.feed_parameters import LAST_EVENT_ID, EventsQuery, StreamQuery
from read_side.cloudevents import CloudEvent
from read_side.feed import Feed
from read_side.following import Follower
from shared.http.auth import identify
from shared.http.paging import link
from shared.http.requests import read_query
from shared.http.routes import operation
from shared.http.shapes import encode

router = APIRouter()


class Events(Struct):
    """A page of the log: `after` is the position to go on after, `head` the last one of the log.

    `next` is the next page, null when nothing more is there now.
    """

    events: list[CloudEvent]
    next: str | None
    after: int
    head: int


@operation(
    router,
    "GET",
    "/events",
    summary="List what happened",
    tag="feed",
    scope="read",
    query=EventsQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=("ETag", "Position"),
    answers={200: Events, 304: None},
)
async def list_events(request: Request) -> Response:
    """List the events of the log after a position, oldest first, as CloudEvents. A token is needed in any case.

    With a filter a page looks at 10,000 positions at most (of one entity, events): it may be empty and have a next one.
    """
    await identify(request, "read")
    query = read_query(request, EventsQuery)
    feed: Feed = request.app.state.feed
    page = await feed.page(query.selection(), query.after, query.limit)
    following = link(request, after=str(page.after)) if page.after < page.head else None
    return answers.answer(request, encode(Events(page.events, following, page.after, page.head)), page.after)


@operation(
    router,
    "GET",
    "/events/stream",
    summary="Follow what happens",
    tag="feed",
    scope="read",
    query=StreamQuery,
    headers=[LAST_EVENT_ID],
    gives=("Position",),
    answers={200: str},
    media=[sse.EVENT_STREAM],
)
async def stream_events(request: Request) -> Response:
    """Send the events of the log as they are recorded, each once and in order, as server-sent events.

    The id is the position, the data a CloudEvent. Comments are heartbeats; an id without an event says how far the log
    was looked at. `cockpit.became_effective` tells of a scheduled change whose instant has come: it has no id, and
    comes once or more. A token is needed in any case, and the stream ends when it is no longer valid, or the log a
    shorter one. Who begins beyond its end is refused.
    """
    await identify(request, "read")
    query = read_query(request, StreamQuery)
    feed: Feed = request.app.state.feed
    follower = await Follower.begin(feed, query.selection(), query.start(request))
    request.state.position = follower.after
    headers = {"Position": str(follower.after), "Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    if request.method == "HEAD":
        return Response(headers=headers, media_type=sse.EVENT_STREAM)
    body = sse.until(request.app.state.stopping, sse.told(request, follower, query.limit))
    return StreamingResponse(body, headers=headers, media_type=sse.EVENT_STREAM)
