"""The audit trail: who changed what, when, by which request; narrowed by anything that an entry has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from fastapi import Request, Response
from msgspec import Raw, Struct

from cockpit.admin.pages import Filled, part_of, refused, render
from read_side.api.parameters import AuditQuery
from read_side.queries import ReadModel
from read_side.shapes import AuditOut
from shared.core.errors import Invalid
from shared.http.requests import read_query

FIELDS = ("entity_uid", "actor", "operation", "request_id", "from", "to")


class Entry(Struct, frozen=True):
    """One entry as it is shown: its values by field, before and after."""

    row: AuditOut
    before: Mapping[str, str]
    after: Mapping[str, str]

    @property
    def fields(self) -> list[str]:
        """The fields that changed."""
        return list({**self.before, **self.after})


def entries(rows: Iterable[AuditOut]) -> list[Entry]:
    """Return entries with their values read."""
    return [Entry(row, _values(row.before_value), _values(row.after_value)) for row in rows]


async def browse(request: Request) -> Response:
    """Show a page of the entries that are asked for, the newest first."""
    read: ReadModel = request.app.state.read
    try:
        query = read_query(request, AuditQuery)
        part = query.part(request)
        found = await read.audit(query.trail(), part, query.asked(request))
    except Invalid as error:
        return render(request, "audit.html", refused(request, error, request.query_params, FIELDS), found=None)
    form = Filled(given=request.query_params)
    return render(request, "audit.html", form, found=part_of(request, entries(found.items), found.count, part))


def _values(raw: Raw) -> Mapping[str, str]:
    return msgspec.json.decode(raw, type=dict[str, str] | None) or {}
