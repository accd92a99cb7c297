"""What is known of the entities that a batch touches: from their open rows where these suffice, else from the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from psycopg.rows import class_row

from db.queries import statement
from shared.core.codec import decode
from shared.core.errors import CannotFold
from shared.core.events import EntityRegistered, EntityRevised, Recorded, entity_stream, uid_of
from shared.core.rows import DetailVersion, EntityVersion
from shared.core.timeline import Timeline, fold

if TYPE_CHECKING:
    from db.pool import Connection


STREAM = 2
"""Where the stream stands in a row of projector/read_streams."""


async def from_rows(connection: Connection, events: Mapping[UUID, Sequence[Recorded]]) -> dict[UUID, Timeline]:
    """Return the entities whose open rows say enough: new ones, and those whose events only revise what has a row.

    The instants asserted about their fields are taken from `asserted_to`, which is never too early: what is forward
    of it is forward.
    """
    found = {uid: Timeline(entity_uid=uid) for uid, batch in events.items() if _is_new(batch)}
    wanted = [uid for uid, batch in events.items() if uid not in found and _only_revised(batch)]
    if not wanted:
        return found
    parameters = {"uids": wanted}
    async with connection.pipeline():
        heads = connection.cursor(binary=True)
        await heads.execute(statement("projector/read_heads"), parameters, prepare=True)
        entities = connection.cursor(binary=True, row_factory=class_row(EntityVersion))
        await entities.execute(statement("projector/read_open_entities"), parameters, prepare=True)
        details = connection.cursor(binary=True, row_factory=class_row(DetailVersion))
        await details.execute(statement("projector/read_open_details"), parameters, prepare=True)
    entity_rows = {row.entity_uid: row for row in await entities.fetchall()}
    detail_rows: defaultdict[UUID, dict[str, DetailVersion]] = defaultdict(dict)
    for row in await details.fetchall():
        detail_rows[row.entity_uid][row.detail_type] = row
    for uid, version, last_event_id, last_position, change_points, registered_at in await heads.fetchall():
        entity_row = entity_rows.get(uid)
        touched = {code for recorded in events[uid] for code in _details(recorded)}
        if entity_row is None or version != events[uid][0].version - 1 or not touched <= detail_rows[uid].keys():
            continue
        found[uid] = Timeline(
            entity_uid=uid,
            version=version,
            last_event_id=last_event_id,
            last_position=last_position,
            change_points=change_points,
            registered_at=registered_at,
            exists=True,
            display_name=entity_row.display_name,
            entity_type=entity_row.entity_type,
            details={code: row.detail_value for code, row in detail_rows[uid].items()},
            entity_row=entity_row,
            detail_rows=detail_rows[uid],
            existence_asserted_to=entity_row.asserted_to,
            entity_asserted_to=entity_row.asserted_to,
            detail_asserted_to={code: row.asserted_to for code, row in detail_rows[uid].items()},
        )
    return found


async def from_log(
    connection: Connection, uids: Sequence[UUID], up_to: int
) -> tuple[dict[UUID, Timeline], dict[UUID, CannotFold]]:
    """Return entities folded from their whole streams up to a position, the slow path; and what could not be, why."""
    found = {uid: Timeline(entity_uid=uid) for uid in uids}
    failed: dict[UUID, CannotFold] = {}
    cursor = connection.cursor(binary=True)
    parameters = {"streams": [entity_stream(uid) for uid in uids], "up_to": up_to}
    await cursor.execute(statement("projector/read_streams"), parameters, prepare=True)
    for row in await cursor.fetchall():
        uid = uid_of(row[STREAM])
        if uid is None or uid in failed:
            continue
        try:
            found[uid], _ = fold(found[uid], decode(*row))
        except CannotFold as error:
            failed[uid] = error
    return found, failed


def _is_new(batch: Sequence[Recorded]) -> bool:
    return isinstance(batch[0].event, EntityRegistered)


def _only_revised(batch: Sequence[Recorded]) -> bool:
    return all(isinstance(recorded.event, EntityRevised) for recorded in batch)


def _details(recorded: Recorded) -> Sequence[str]:
    return list(recorded.event.details) if isinstance(recorded.event, EntityRevised) else []
