"""`/commands/batch`: many commands in one request, a line each; what became of them, a line each, as it is known."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack
from time import monotonic
from typing import Literal
from uuid import UUID

from fastapi import APIRouter, Request, Response
from msgspec import UNSET, Struct, UnsetType
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from shared.core.errors import invalid
from shared.core.events import Metadata
from shared.http.auth import authorize
from shared.http.context import origin
from shared.http.headers import header
from shared.http.openapi import NDJSON, Problem
from shared.http.problem import within
from shared.http.requests import Query, read_query, refuse_compressed
from shared.http.routes import operation
from shared.http.shapes import encode_lines
from shared.http.streams import Streamed
from write_side.api.commands import idempotency_key, refuse_if_match, writing
from write_side.api.rows import RowIn, row_of_json
from write_side.command_ids import command_ids
from write_side.ingest import CHUNK_BYTES, CHUNK_ROWS, Ingest, Row, Told

BODY_TYPES = (NDJSON, "application/jsonl", "application/ndjson")

TOKEN_SECONDS = 5.0
"""How often a batch that goes on looks whether its token still opens it."""

router = APIRouter()


class BatchQuery(Query):
    """How the lines are taken."""

    dry_run: bool = Field(False, description="Decide every line, those before it taken as done, and append nothing.")


class LineVerdict(Struct):
    """What became of a line, by its number from 1. The event is the first that it appended.

    replayed: it was executed before, under the same Idempotency-Key. refused: the problem says why.
    """

    line: int
    status: int
    verdict: Literal["registered", "revised", "unchanged", "replayed", "refused"]
    entity_uid: UUID | None
    event_id: UUID | None
    position: int | None
    problem: Problem | UnsetType = UNSET


@operation(
    router,
    "POST",
    "/commands/batch",
    summary="Register and revise many entities",
    tag="entities",
    scope="write",
    query=BatchQuery,
    body=RowIn,
    body_types=BODY_TYPES,
    headers=("Idempotency-Key",),
    answers={200: LineVerdict},
    media=(NDJSON,),
    problems=(400, 401, 403, 406, 415, 503),
)
async def post_batch(request: Request) -> Response:
    """Execute a line each: an entity that is not known is registered, else revised. A verdict a line, in their order.

    A line that is refused stops no other. Those that concern one entity are executed in their order. With an
    Idempotency-Key the same batch can be sent again, whole: what was executed is not executed again, for good. Neither
    the body nor the answer is limited as a whole; a line is, as the body of a single command is.
    """
    principal = await authorize(request, "write")
    refuse_if_match(request)
    query = read_query(request, BatchQuery)
    key = idempotency_key(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() not in BODY_TYPES:
        raise HTTPException(415, f"The body must be {NDJSON}.")
    refuse_compressed(request)
    metadata = Metadata(actor=principal.username, request_id=request.state.request_id)
    parts = request.stream()
    # Who asks whether to go on waits for the word, which is given where reading begins, before the answer does.
    first = await anext(parts, b"") if (header(request, b"expect") or "").lower() == "100-continue" else b""

    async def verdicts() -> AsyncGenerator[bytes, None]:
        services = writing(request)
        async with AsyncExitStack() as stack:
            names = None if key is None else stack.enter_context(command_ids("batch", principal.username, key))
            handler = await stack.enter_async_context(services.rehearse()) if query.dry_run else services.handler
            ingest = Ingest(handler, metadata=metadata, context=origin(request), names=names)
            asked = monotonic()
            try:
                async for told in ingest.execute(_chunks(first, parts, request.app.state.max_body_bytes)):
                    if monotonic() - asked > TOKEN_SECONDS:  # revoked meanwhile, it opens nothing more
                        await authorize(request, "write")
                        asked = monotonic()
                    if not query.dry_run:
                        position = max((one.position for one in told if one.position), default=0)
                        services.own_writes.note(request, position)
                    yield encode_lines([_verdict(request, one, is_dry=query.dry_run) for one in told])
            except ClientDisconnect:  # what was executed stands, and nobody is there to be told
                return

    return Streamed(verdicts(), NDJSON)


def _verdict(request: Request, told: Told, *, is_dry: bool) -> LineVerdict:
    """Return what a line is told; where nothing is appended there is no event, and nobody who is registered."""
    command = told.row.command
    is_made_up = is_dry and told.verdict == "registered" and command is not None and command.entity_uid is None
    problem = UNSET if told.refusal is None else within(request, told.refusal)
    return LineVerdict(
        told.row.line,
        told.status if isinstance(problem, UnsetType) else problem.status,
        told.verdict,
        None if is_made_up else told.entity_uid,
        None if is_dry else told.event_id,
        None if is_dry else told.position,
        problem,
    )


async def _chunks(first: bytes, parts: AsyncIterable[bytes], limit: int) -> AsyncIterator[list[Row]]:
    """Yield the lines of the body as rows, as they arrive; blank ones are counted and left out."""
    number, size = 0, 0
    chunk: list[Row] = []
    async for lines in _lines(first, parts, limit):
        for line in lines:
            number += 1
            if line is None:
                chunk.append(
                    Row(number, None, 0, refusal=invalid("non_field_errors", f"Over {limit} bytes.", "too_long"))
                )
            elif line.strip():
                chunk.append(row_of_json(number, line))
                size += len(line)
            if len(chunk) == CHUNK_ROWS or size > CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk
            chunk, size = [], 0


async def _lines(start: bytes, parts: AsyncIterable[bytes], limit: int) -> AsyncIterator[list[bytes | None]]:
    """Yield the lines that each part of the body completes; None for one over the limit, which is not kept."""
    rest: bytes | None = b""
    async for part in _all(start, parts):
        first, *others = part.split(b"\n")
        rest = None if rest is None or len(rest) + len(first) > limit else rest + first
        if others:
            *whole, last = others
            yield [rest, *(line if len(line) <= limit else None for line in whole)]
            rest = last if len(last) <= limit else None
    if rest != b"":
        yield [rest]


async def _all(start: bytes, parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    yield start
    async for part in parts:
        yield part
