"""The audit trail: who changed what, when, and by which request."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request, Response

from read_side.api import answers, whole
from read_side.api.parameters import AuditQuery
from read_side.queries import ReadModel
from read_side.shapes import AuditOut
from read_side.sheets import AUDIT
from read_side.walking import walk
from shared.http.auth import identify
from shared.http.requests import read_query
from shared.http.routes import READ_HEADERS, operation
from shared.http.shapes import Page

router = APIRouter()


@operation(
    router,
    "GET",
    "/audit",
    summary="List the audit trail",
    tag="audit",
    scope="read",
    query=AuditQuery,
    headers=[answers.IF_NONE_MATCH],
    gives=READ_HEADERS,
    answers={200: Page[AuditOut], 304: None},
    media=whole.MEDIA,
)
async def list_audit(request: Request) -> Response:
    """List what was changed, newest first. A token is needed even where other reads are public.

    Every event of an entity is told: one that changed no row has an entry whose values are both null.
    """
    await identify(request, "read")
    query = read_query(request, AuditQuery)
    read: ReadModel = request.app.state.read
    ask = partial(read.audit, query.trail())
    if query.is_csv(request):
        return await whole.csv(request, "audit", await walk(ask, query.asked(request)), AUDIT)
    part = query.part(request)
    return answers.page(request, await ask(part, query.asked(request)), part)
