"""What is known of the entities that a batch touches: from their open rows where these suffice, else from the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from psycopg.rows import class_row

from db.queries import statement
from shared.core.assertions import DETAILS
from shared.core.codec import STREAM, LogRow, decode_stream
from shared.core.errors import CannotFold
from shared.core.events import EntityRegistered, EntityRevised, Recorded, entity_stream, uid_of
from shared.core.rows import DetailVersion, EntityVersion, Row
from shared.core.segments import ENTITY
from shared.core.timeline import Timeline, recall
from shared.core.turn import Rows

if TYPE_CHECKING:
    from db.pool import Connection


async def from_rows(connection: Connection, events: Mapping[UUID, Sequence[Recorded]]) -> dict[UUID, Timeline]:
    """Return the entities whose open rows may say enough: new ones, and those whose events only revise.

    To fold what an open row does not tell raises NotForward.
    """
    found = {uid: Timeline(entity_uid=uid) for uid, batch in events.items() if _is_new(batch)}
    wanted = {uid: _details(batch) for uid, batch in events.items() if uid not in found and _only_revised(batch)}
    if not wanted:
        return found
    uids: dict[str, Any] = {"uids": list(wanted)}
    pairs = [(uid, code) for uid, codes in wanted.items() for code in codes]
    async with connection.pipeline():
        heads = connection.cursor(binary=True)
        await heads.execute(statement("projector/read_heads"), uids, prepare=True)
        entities = connection.cursor(binary=True, row_factory=class_row(EntityVersion))
        await entities.execute(statement("projector/read_open_entities"), uids, prepare=True)
        details = connection.cursor(binary=True, row_factory=class_row(DetailVersion))
        parameters = {"uids": [uid for uid, _ in pairs], "codes": [code for _, code in pairs]}
        await details.execute(statement("projector/read_open_details"), parameters, prepare=True)
    rows = _by_group([*await entities.fetchall(), *await details.fetchall()])
    for uid, version, last_event_id, last_position, change_points, registered_at, schedule in await heads.fetchall():
        found[uid] = Timeline(
            entity_uid=uid,
            version=version,
            last_event_id=last_event_id,
            last_position=last_position,
            change_points=change_points,
            registered_at=registered_at,
            schedule=tuple(schedule),
            fields=None,
            rows=rows[uid],
        )
    return found


async def from_log(
    connection: Connection, uids: Sequence[UUID], up_to: int
) -> tuple[dict[UUID, Timeline], dict[UUID, CannotFold]]:
    """Return entities from their whole streams up to a position, the slow path; and what could not be, and why.

    Their rows are as they stand, so what they would be is not worked out again.
    """
    parameters = {"streams": [entity_stream(uid) for uid in uids], "up_to": up_to}
    async with connection.pipeline():
        streams = connection.cursor(binary=True)
        await streams.execute(statement("projector/read_streams"), parameters, prepare=True)
        entities = connection.cursor(binary=True, row_factory=class_row(EntityVersion))
        await entities.execute(statement("projector/read_entity_rows"), {"uids": list(uids)}, prepare=True)
        details = connection.cursor(binary=True, row_factory=class_row(DetailVersion))
        await details.execute(statement("projector/read_detail_rows"), {"uids": list(uids)}, prepare=True)
    events: defaultdict[UUID | None, list[LogRow]] = defaultdict(list)
    for event in await streams.fetchall():
        events[uid_of(event[STREAM])].append(event)
    rows = _by_group([*await entities.fetchall(), *await details.fetchall()])
    found: dict[UUID, Timeline] = {}
    failed: dict[UUID, CannotFold] = {}
    for uid in uids:
        try:
            found[uid] = recall(uid, decode_stream(events[uid]), rows[uid])
        except CannotFold as error:
            found[uid], failed[uid] = Timeline(entity_uid=uid), error
    return found, failed


def _by_group(rows: Sequence[Row]) -> Mapping[UUID, Mapping[str, Rows]]:
    """Return the rows of each entity by group, in the order in which they come."""
    found: defaultdict[UUID, dict[str, Rows]] = defaultdict(dict)
    for row in rows:
        group = ENTITY if isinstance(row, EntityVersion) else DETAILS + row.detail_type
        found[row.entity_uid][group] = (*found[row.entity_uid].get(group, ()), row)
    return found


def _is_new(batch: Sequence[Recorded]) -> bool:
    return isinstance(batch[0].event, EntityRegistered)


def _only_revised(batch: Sequence[Recorded]) -> bool:
    return all(isinstance(recorded.event, EntityRevised) for recorded in batch)


def _details(batch: Sequence[Recorded]) -> set[str]:
    return {code for recorded in batch if isinstance(recorded.event, EntityRevised) for code in recorded.event.details}
