"""What is known of the entities of a batch: from memory, from their open rows where these suffice, or from the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec.structs import replace
from psycopg.rows import class_row

from db.pipeline import pipeline
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

KEPT = 5000
"""How many entities are kept in memory; a batch that has more is kept as a whole, until the next one."""
KEPT_VERSIONS = 64
"""An entity with more versions is kept with its open rows alone: memory does not follow the history of one."""


class Memory:
    """The entities that were folded last, as they are in the tables once the last batch is written.

    A projection has one, and forgets all of it where a batch fails: somebody may have changed rows beside it.
    """

    def __init__(self) -> None:
        self._known: dict[UUID, Timeline] = {}

    def get(self, uid: UUID) -> Timeline | None:
        """Return an entity; where its `fields` are None, with the open rows of some of its groups alone."""
        return self._known.get(uid)

    def keep(self, timelines: Mapping[UUID, Timeline]) -> None:
        """Keep all of these, and of those before them the last."""
        for uid, timeline in timelines.items():
            self._known.pop(uid, None)
            self._known[uid] = _what_is_open(timeline) if timeline.version > KEPT_VERSIONS else timeline
        for uid in list(islice(self._known, max(0, len(self._known) - max(KEPT, len(timelines))))):
            del self._known[uid]

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()


async def find(
    connection: Connection,
    events: Mapping[UUID, Sequence[Recorded]],
    memory: Memory,
    unwritten: Container[UUID],
    up_to: int,
) -> dict[UUID, Timeline]:
    """Return the entities of some events as they are before these, as far as that can be told by now.

    New ones, and those in memory as a whole, take no question. The open rows may say enough of those whose events only
    revise; to fold what they do not tell raises NotForward. All others come from the log up to a position, but for what
    cannot be folded up to there, and for the `unwritten`, whose rows are not in the tables yet.
    """
    found: dict[UUID, Timeline] = {}
    revised: dict[UUID, Timeline | None] = {}
    others: list[UUID] = []
    for uid, batch in events.items():
        known = Timeline(entity_uid=uid) if _is_new(batch) else memory.get(uid)
        if known is not None and known.fields is not None:
            found[uid] = known
        elif _only_revised(batch):
            revised[uid] = known
        elif uid not in unwritten:
            others.append(uid)
    if revised:
        found |= await _from_rows(connection, revised, {uid: _details(events[uid]) for uid in revised})
    if others:
        recalled, failed = await from_log(connection, others, up_to)
        found |= {uid: timeline for uid, timeline in recalled.items() if uid not in failed}
    return found


async def _from_rows(
    connection: Connection, known: Mapping[UUID, Timeline | None], details: Mapping[UUID, Collection[str]]
) -> dict[UUID, Timeline]:
    """Return entities with the open rows of the entity and of some details, and ask for those that are not known."""
    found = {uid: timeline for uid, timeline in known.items() if timeline is not None}
    uids = [uid for uid in known if uid not in found]
    pairs = [
        (uid, code)
        for uid, codes in details.items()
        for code in codes
        if uid not in found or DETAILS + code not in found[uid].rows
    ]
    if not uids and not pairs:
        return found
    async with pipeline(connection):
        heads = connection.cursor(binary=True)
        await heads.execute(statement("projector/read_heads"), {"uids": uids}, prepare=True)
        entities = connection.cursor(binary=True, row_factory=class_row(EntityVersion))
        await entities.execute(statement("projector/read_open_entities"), {"uids": uids}, prepare=True)
        open_details = connection.cursor(binary=True, row_factory=class_row(DetailVersion))
        parameters = {"uids": [uid for uid, _ in pairs], "codes": [code for _, code in pairs]}
        await open_details.execute(statement("projector/read_open_details"), parameters, prepare=True)
    rows = _by_group([*await entities.fetchall(), *await open_details.fetchall()])
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
        )
    return {uid: replace(timeline, rows={**timeline.rows, **rows[uid]}) for uid, timeline in found.items()}


async def from_log(
    connection: Connection, uids: Sequence[UUID], up_to: int
) -> tuple[dict[UUID, Timeline], dict[UUID, CannotFold]]:
    """Return entities from their whole streams up to a position, the slow path; and what could not be, and why.

    Their rows are as they stand, so what they would be is not worked out again.
    """
    parameters = {"streams": [entity_stream(uid) for uid in uids], "up_to": up_to}
    async with pipeline(connection):
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


def _what_is_open(timeline: Timeline) -> Timeline:
    """Return the last row of each group of an entity alone: that does not grow with its history."""
    return replace(timeline, fields=None, rows={group: rows[-1:] for group, rows in timeline.rows.items()})


def _is_new(batch: Sequence[Recorded]) -> bool:
    return isinstance(batch[0].event, EntityRegistered)


def _only_revised(batch: Sequence[Recorded]) -> bool:
    return all(isinstance(recorded.event, EntityRevised) for recorded in batch)


def _details(batch: Sequence[Recorded]) -> set[str]:
    return {code for recorded in batch if isinstance(recorded.event, EntityRevised) for code in recorded.event.details}
