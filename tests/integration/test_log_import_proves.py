"""What an import proves beside the chain: a log whose links all fit is refused where its streams do not fold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest

from db.log_import import DamagedLog, import_log
from shared.core.events import REGISTRY_STREAM, EntityRegistered
from tests.conftest import Clone
from tests.integration.projecting import add, fetch, fold_all, revised, run, tables, uid
from tests.integration.test_log_import import LOG, lines_of
from tests.oracle_log import Event, link_of

Lines = list[dict[str, Any]]
Edit = Callable[[Lines], None]


@pytest.fixture(scope="module")
def lines(clone: Clone) -> Iterator[list[bytes]]:
    """Two lives: the events of the first are 1, 2, 5, those of the other 3, 4."""
    with clone() as conninfo:
        for number, names in ((1, "ab"), (2, "cd"), (1, "e")):
            known = [EntityRegistered(names[0], "PERSON", {})] if names != "e" else []
            add(conninfo, number, *known, *(revised(name) for name in names[len(known) :]))
        yield lines_of(conninfo)


def chained(lines: list[bytes], edit: Edit) -> list[bytes]:
    """Edit a log, and make every digest and link of it right again."""
    log = [json.loads(line) for line in lines]
    edit(log)
    link = bytes(32)
    for number, event in enumerate(log, start=1):
        digest = sha256(bytes.fromhex(event["salt"]) + event["payload"].encode()).digest()
        values = event | {"position": number, "payload_digest": digest, "salt": b"", "link": b""}
        values |= {name: UUID(event[name]) for name in ("event_id", "command_id")}
        values |= {name: datetime.fromisoformat(event[name]) for name in ("effective_at", "recorded_at")}
        link = link_of(link, Event(**values))
        event |= {"position": number, "payload_digest": digest.hex(), "link": link.hex()}
    return [json.dumps(event).encode() + b"\n" for event in log]


def changed(number: int, **values: Any) -> Edit:
    return lambda log: log[number - 1].update(values)


def both(*edits: Edit) -> Edit:
    def edit(log: Lines) -> None:
        for one in edits:
            one(log)

    return edit


def skipped(number: int, stream: str | None = None) -> Edit:
    """Add an event that skips another: of its stream, or of one that is given."""

    def edit(log: Lines) -> None:
        target, last = log[number - 1], log[-1]
        stream_of = stream or target["stream"]
        payload = {"context": {}, "data": {"event_id": target["event_id"]}}
        log.append(
            last
            | {"stream": stream_of, "version": 1 + sum(event["stream"] == stream_of for event in log)}
            | {"type": "EventSkipped", "payload": json.dumps(payload), "event_id": str(uuid4()), "ordinal": 9}
            | {"recorded_at": last["recorded_at"].replace("20", "21", 1), "effective_until": None}
        )

    return edit


BROKEN: dict[str, tuple[Edit, int, str]] = {
    "a version left out": (changed(5, version=4), 5, "version 4 of entity:"),
    "a stream that begins late": (both(changed(3, version=2), changed(4, version=3)), 3, "where version 1 is due"),
    "versions the wrong way round": (both(changed(3, version=2), changed(4, version=1)), 3, "stands before version 1"),
    "a type that is not known": (changed(2, type="EntityVanished"), 2, "EntityVanished in schema version 1"),
    "a schema version that is not known": (changed(2, schema_version=9), 2, "in schema version 9 is not known"),
    "another shape": (changed(4, payload='{"context":{},"data":{"display_name":5}}'), 4, "display_name"),
    "two of them": (both(changed(4, type="X"), changed(2, type="Y")), 2, "Y in schema"),
    "one of them skipped": (both(changed(2, type="X"), changed(4, type="Y"), skipped(2)), 4, "Y in schema"),
    "skipped in another stream": (both(changed(2, type="X"), skipped(2, "entity:" + str(uid(2)))), 2, "X in schema"),
    "a type skipped": (skipped(2, REGISTRY_STREAM), 6, "only events of entities can be skipped"),
}


@pytest.mark.parametrize(("edit", "line", "fault"), BROKEN.values(), ids=BROKEN)
def test_what_would_not_fold_is_refused_with_its_line_though_every_link_fits(
    lines: list[bytes], database: str, edit: Edit, line: int, fault: str
) -> None:
    with pytest.raises(DamagedLog) as refused:
        import_log(database, "log", chained(lines, edit))
    assert str(refused.value).startswith(f"log, line {line}: event {line}: ")
    assert fault in str(refused.value)
    assert fetch(database, LOG) == []


def test_what_cannot_be_read_and_is_skipped_comes_in(lines: list[bytes], unchecked_database: str) -> None:
    assert import_log(unchecked_database, "log", chained(lines, both(changed(2, type="X"), skipped(2)))) == 6
    run(fold_all(unchecked_database))
    assert tables(unchecked_database)["parked_event"] == []
    names = fetch(unchecked_database, "SELECT display_name FROM read_model.entity_version ORDER BY id")
    assert [name for (name,) in names] == ["a", "c", "d", "e"]
