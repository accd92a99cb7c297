"""What is known of the entities of a batch: from memory, from their open rows where these suffice, or from the log."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Container, Mapping, Sequence
from itertools import islice
from sys import getsizeof
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import UNSET
from msgspec.structs import replace

from db.arrays import texts, uuids
from db.pipeline import Asked, Pipeline
from shared.core.assertions import DETAILS
from shared.core.codec import STREAM, LogRow, decode_stream
from shared.core.errors import CannotFold
from shared.core.events import EntityRegistered, EntityRevised, Recorded, entity_stream, uid_of
from shared.core.rows import DetailVersion, EntityVersion, Row
from shared.core.segments import ENTITY
from shared.core.timeline import ENTITY_BYTES, ROW_BYTES, Timeline, recall
from shared.core.turn import Rows

if TYPE_CHECKING:
    from db.pool import Connection

KEPT_BYTES = 24 * 2**20
"""About how much memory the entities take that are kept; a batch that has more is kept whole, until the next one."""
KEPT_VERSIONS = 64
"""An entity with more versions is kept with its open rows alone: memory does not follow the history of one."""


class Memory:
    """The entities that were folded last, as they are in the tables once the last batch is written.

    A projection has one, and forgets all of it where a batch fails: somebody may have changed rows beside it.
    """

    def __init__(self) -> None:
        self._known: dict[UUID, Timeline] = {}
        self._weight = 0

    def get(self, uid: UUID) -> Timeline | None:
        """Return an entity; where its `fields` are None, with the open rows of some of its groups alone."""
        return self._known.get(uid)

    def keep(self, timelines: Mapping[UUID, Timeline]) -> None:
        """Keep all of these, and of those before them the last."""
        for uid, timeline in timelines.items():
            self._forget(uid)
            kept = self._known[uid] = _what_is_open(timeline) if timeline.version > KEPT_VERSIONS else timeline
            self._weight += _weight(kept)
        for uid in list(islice(self._known, len(self._known) - len(timelines))):
            if self._weight <= KEPT_BYTES:
                break
            self._forget(uid)

    def _forget(self, uid: UUID) -> None:
        forgotten = self._known.pop(uid, None)
        if forgotten is not None:
            self._weight -= _weight(forgotten)

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._weight = 0


class Known:
    """What is known of the entities of some events before these, as far as that can be told by now.

    New ones, and those in memory as a whole, take no question. The open rows may say enough of those whose events only
    revise; to fold what they do not tell raises NotForward. All others come from the log up to a position, but for what
    cannot be folded up to there, and for the `unwritten`, whose rows are not in the tables yet.
    """

    def __init__(self, events: Mapping[UUID, Sequence[Recorded]], memory: Memory, unwritten: Container[UUID]) -> None:
        self._found: dict[UUID, Timeline] = {}
        self._heads: list[UUID] = []
        self._entities: list[UUID] = []
        self._details: list[tuple[UUID, str]] = []
        self._others: list[UUID] = []
        self.asked: list[Asked] = []
        for uid, batch in events.items():
            known = Timeline(entity_uid=uid) if _is_new(batch) else memory.get(uid)
            if known is not None and known.fields is not None:
                self._found[uid] = known
            elif _only_revised(batch):
                self._lack(uid, known, _groups(batch))
            elif uid not in unwritten:
                self._others.append(uid)

    def _lack(self, uid: UUID, known: Timeline | None, groups: Collection[str]) -> None:
        """Ask for the head of an entity that is not known, and for the open rows of groups that are spoken of."""
        if known is None:
            self._heads.append(uid)
        else:
            self._found[uid] = known
            groups = [group for group in groups if group not in known.rows]
        for group in groups:
            if group == ENTITY:
                self._entities.append(uid)
            else:
                self._details.append((uid, group.removeprefix(DETAILS)))

    @property
    def _lacks_rows(self) -> bool:
        return bool(self._heads or self._entities or self._details)

    @property
    def is_whole(self) -> bool:
        """Whether nothing has to be asked."""
        return not (self._lacks_rows or self._others)

    def ask(self, sending: Pipeline, up_to: int) -> None:
        """Ask what has to be asked; `hear` has it once that is answered."""
        if self._lacks_rows:
            of, codes = [uid for uid, _ in self._details], [code for _, code in self._details]
            self.asked = [
                sending.ask("projector/read_heads", {"uids": uuids(self._heads)}),
                sending.ask("projector/read_open_entities", {"uids": uuids(self._entities)}),
                sending.ask("projector/read_open_details", {"uids": uuids(of), "codes": texts(codes)}),
            ]
        if self._others:
            self.asked += _ask_log(sending, self._others, up_to)

    def hear(self) -> dict[UUID, Timeline]:
        """Return each entity that could be told, once all that was asked is answered."""
        if self._lacks_rows:
            heads, entities, details, *_ = self.asked
            rows = _by_group(entities, details)
            for uid, version, event_id, position, change_points, registered_at, schedule in heads.rows:
                self._found[uid] = Timeline(
                    entity_uid=uid,
                    version=version,
                    last_event_id=event_id,
                    last_position=position,
                    change_points=change_points,
                    registered_at=registered_at,
                    schedule=tuple(schedule),
                    fields=None,
                    rows=rows.pop(uid, {}),
                )
            for uid, more in rows.items():
                if uid in self._found:  # in memory, but not with all groups that are spoken of
                    self._found[uid] = replace(self._found[uid], rows={**self._found[uid].rows, **more})
        if self._others:
            recalled, failed = _from_log(self._others, self.asked[-3:])
            self._found |= {uid: timeline for uid, timeline in recalled.items() if uid not in failed}
        return self._found


async def from_log(
    connection: Connection, uids: Sequence[UUID], up_to: int
) -> tuple[dict[UUID, Timeline], dict[UUID, CannotFold]]:
    """Return entities from their whole streams up to a position, the slow path; and what could not be, and why.

    Their rows are as they stand, so what they would be is not worked out again.
    """
    async with Pipeline(connection) as sending:
        asked = _ask_log(sending, uids, up_to)
    return _from_log(uids, asked)


def _ask_log(sending: Pipeline, uids: Sequence[UUID], up_to: int) -> list[Asked]:
    parameters = {"uids": uuids(uids)}
    return [
        sending.ask("projector/read_streams", {"streams": texts([entity_stream(uid) for uid in uids]), "up_to": up_to}),
        sending.ask("projector/read_entity_rows", parameters),
        sending.ask("projector/read_detail_rows", parameters),
    ]


def _from_log(uids: Sequence[UUID], asked: Sequence[Asked]) -> tuple[dict[UUID, Timeline], dict[UUID, CannotFold]]:
    streams, entities, details = asked
    events: defaultdict[UUID | None, list[LogRow]] = defaultdict(list)
    for event in streams.rows:
        events[uid_of(event[STREAM])].append(event)
    rows = _by_group(entities, details)
    found: dict[UUID, Timeline] = {}
    failed: dict[UUID, CannotFold] = {}
    for uid in uids:
        try:
            found[uid] = recall(uid, decode_stream(events[uid]), rows.get(uid, {}))
        except CannotFold as error:
            found[uid], failed[uid] = Timeline(entity_uid=uid), error
    return found, failed


def _by_group(entities: Asked, details: Asked) -> dict[UUID, dict[str, Rows]]:
    """Return the rows of each entity by group, in the order in which they come."""
    found: defaultdict[UUID, dict[str, Rows]] = defaultdict(dict)
    rows: list[Row] = [EntityVersion(**values) for values in entities.named()]
    rows += [DetailVersion(**values) for values in details.named()]
    for row in rows:
        group = ENTITY if isinstance(row, EntityVersion) else DETAILS + row.detail_type
        found[row.entity_uid][group] = (*found[row.entity_uid].get(group, ()), row)
    return found


def _what_is_open(timeline: Timeline) -> Timeline:
    """Return the last row of each group of an entity alone: that does not grow with its history."""
    return replace(timeline, fields=None, rows={group: rows[-1:] for group, rows in timeline.rows.items()})


def _weight(timeline: Timeline) -> int:
    """Return about how many bytes an entity takes; of one with its open rows alone, these do."""
    if timeline.fields is not None:
        return timeline.size
    rows = [row for rows in timeline.rows.values() for row in rows]
    texts = [row.display_name if isinstance(row, EntityVersion) else row.detail_value for row in rows]
    return ENTITY_BYTES + sum([ROW_BYTES + getsizeof(text) for text in texts])


def _is_new(batch: Sequence[Recorded]) -> bool:
    return isinstance(batch[0].event, EntityRegistered)


def _only_revised(batch: Sequence[Recorded]) -> bool:
    return all(isinstance(recorded.event, EntityRevised) for recorded in batch)


def _groups(batch: Sequence[Recorded]) -> set[str]:
    """Return the groups of rows that some revisions speak of."""
    found: set[str] = set()
    for recorded in batch:
        event = recorded.event
        if isinstance(event, EntityRevised):
            found |= {DETAILS + code for code in event.details}
            if event.display_name is not UNSET or event.entity_type is not UNSET:
                found.add(ENTITY)
    return found
