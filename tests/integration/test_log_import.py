"""A log goes out and comes in again: the same chain and the same tables, or nothing at all and the line named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from db.log_import import DamagedLog, LogNotEmpty, NotTheOwner, import_log
from db.log_lines import LoggedEvent, from_line, to_line
from db.pool import Dsns
from db.queries import statement
from shared.core.events import EntityRegistered, entity_stream
from tests.appending import Append, append
from tests.conftest import Clone
from tests.integration.projecting import Histories, add, come_true, fetch, fold_all, revised, run, tables, uid, working

LOG = "SELECT e::text FROM log.event e ORDER BY position"
Change = Callable[[list[bytes]], list[bytes]]


def lines_of(conninfo: str) -> list[bytes]:
    """Return the log as it is exported."""
    everything = {"after": 0, "until": None, "limit": 1_000_000}
    with psycopg.connect(conninfo, options="-c timezone=UTC") as connection:
        rows = connection.execute(statement("read/list_log"), everything).fetchall()
    return [to_line(LoggedEvent(*row[3:])) for row in rows]


@pytest.fixture(scope="module")
def lines(clone: Clone) -> Iterator[list[bytes]]:
    """A small log."""
    with clone() as conninfo:
        Histories(7).extend(conninfo, 40)
        yield lines_of(conninfo)


@pytest.mark.parametrize("seed", [1, 2])
def test_tables_and_chain_come_out_the_same(clone: Clone, database: str, seed: int) -> None:
    with clone() as original:
        Histories(seed).extend(original, 300)
        lines = lines_of(original)
        assert {"EntityRetired", "EntityReopened", "EventCancelled"} <= {from_line(line).type for line in lines}
        assert {b'"effective_until": null', b'"effective_until": "infinity"'} <= {
            part for line in lines for part in line.split(b", ") if part.startswith(b'"effective_until')
        }
        told: list[int] = []
        assert import_log(database, "log.ndjson", lines, told.append) == 300
        assert fetch(database, LOG) == fetch(original, LOG)
        assert lines_of(database) == lines
        run(fold_all(original))
        run(fold_all(database, limit=7))
        assert tables(database) == tables(original)
        assert all(tables(database)[name] for name in ("entity_version_superseded", "entity_detail_version"))


def test_thirty_thousand_events_come_out_the_same(clone: Clone, unchecked_database: str) -> None:
    with clone() as original:
        with psycopg.connect(original) as connection:
            for batch in range(30):
                numbers = range(batch * 1000, batch * 1000 + 1000)
                event = EntityRegistered("Somebody", "PERSON", {"EMAIL": "Ä\u2028\n\\N\t"})
                append(connection, *(Append(stream=entity_stream(uid(n)), events=[event]) for n in numbers))
                connection.commit()
        told: list[int] = []
        assert import_log(unchecked_database, "log", iter(lines_of(original)), told.append) == 30_000
        assert told == list(range(1000, 30_001, 1000))
        assert fetch(unchecked_database, LOG) == fetch(original, LOG)


def test_what_was_imported_goes_on(lines: list[bytes], database: str) -> None:
    async def at_work() -> None:
        async with working(database):
            import_log(database, "log", lines)
            await come_true(lambda: fetch(database, "SELECT position FROM read_model.checkpoint") == [(40,)])

    run(at_work())
    assert add(database, 999, EntityRegistered("After", "PERSON", {})) == 41
    run(fold_all(database))


def test_only_an_empty_log_takes_one(lines: list[bytes], unchecked_database: str) -> None:
    add(unchecked_database, 1, EntityRegistered("Here", "PERSON", {}), revised("Still here"))
    with pytest.raises(LogNotEmpty):
        import_log(unchecked_database, "log", lines)
    assert len(fetch(unchecked_database, LOG)) == 2


def test_only_its_owner_may(lines: list[bytes], unchecked_database: str) -> None:
    for side in ("write", "project", "read"):
        with pytest.raises(NotTheOwner):
            import_log(Dsns(unchecked_database).of(side), "log", lines)
    as_given = make_conninfo(unchecked_database, options=r"-c default_transaction_isolation=repeatable\ read")
    assert import_log(as_given, "log", lines) == 40


def edited(number: int, **values: Any) -> Change:
    def change(lines: list[bytes]) -> list[bytes]:
        event = json.loads(lines[number - 1])
        event |= {name: value(event[name]) if callable(value) else value for name, value in values.items()}
        return [*lines[: number - 1], json.dumps(event, ensure_ascii=False).encode() + b"\n", *lines[number:]]

    return change


def flipped(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


DAMAGE: dict[str, tuple[Change, int, str]] = {
    "nothing": (lambda _: [], 1, "no event"),
    "cut within a line": (lambda a: [*a[:19], a[19][:100]], 20, "truncated"),
    "cut within a line, and on": (lambda a: [*a[:19], a[19][:100] + a[20], *a[21:]], 20, "not an event"),
    "its beginning lost": (lambda a: a[5:], 1, "position 6 stands where 1 belongs"),
    "a line lost": (lambda a: [*a[:9], *a[10:]], 10, "position 11 stands where 10 belongs"),
    "a line twice": (lambda a: [*a[:10], *a[9:]], 11, "position 10 stands where 11 belongs"),
    "two lines changed over": (lambda a: [*a[:9], a[10], a[9], *a[11:]], 10, "position 11 stands where 10 belongs"),
    "an empty line": (lambda a: [*a[:9], b"\n", *a[9:]], 10, "not an event"),
    "no JSON": (lambda a: [*a[:9], b"position 10\n"], 10, "not an event"),
    "no UTF-8": (lambda a: [*a[:9], a[9].replace(b"user_1", b"user_\xff")], 10, "not an event"),
    "a table": (lambda _: [b"position,event_id\n", b"1,2\n"], 1, "not an event"),
    "a column more": (edited(10, more=1), 10, "unknown field"),
    "a number as text": (edited(10, version="1"), 10, "version"),
    "a number beyond all": (edited(10, version=2**40), 10, "out of range"),
    "an id that is none": (edited(10, event_id="x"), 10, "uuid"),
    "an instant that is none": (edited(10, effective_at="yesterday-ish"), 10, "timestamp"),
    "a bound before its start": (edited(10, effective_until="1999-01-01 00:00:00+00"), 10, "check constraint"),
    "a payload that is no JSON": (edited(10, payload="{"), 10, "json"),
    "half a digit pair": (edited(10, link="abc"), 10, "link"),
    "a NUL": (edited(10, type="a\0b"), 10, "NUL"),
    "no payload": (edited(10, payload=None), 10, "lost its payload"),
    "no salt": (edited(10, salt=None), 10, "lost its payload"),
    "another salt": (edited(10, salt=flipped), 10, "digest"),
    "another payload": (edited(10, payload=lambda text: text.replace("{", "{ ", 1)), 10, "digest"),
    "another digest": (edited(10, payload_digest=flipped), 10, "digest"),
    "another link": (edited(10, link=flipped), 10, "link"),
    "another link at the end": (edited(40, link=flipped), 40, "link"),
    "another stream": (edited(10, stream="entity:x"), 10, "link"),
    "another type": (edited(10, type="EntityErased"), 10, "link"),
    "another start": (edited(10, effective_at="2001-01-01 00:00:00+00"), 10, "link"),
    "another bound": (edited(10, effective_until="2999-01-01 00:00:00+00"), 10, "link"),
    "another actor": (edited(10, metadata=lambda text: text.replace("user_1", "user_2")), 10, "link"),
    "another command": (edited(10, command_id=flipped), 10, "link"),
    "recorded earlier": (edited(10, recorded_at="2001-01-01 00:00:00+00"), 10, "before its predecessor"),
    "a version of another event": (edited(10, stream="registry", version=1), 10, "duplicate key"),
}


@pytest.mark.parametrize(("change", "line", "fault"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_refused_with_its_line_and_nothing_is_left(
    lines: list[bytes], database: str, change: Change, line: int, fault: str
) -> None:
    damaged = change(lines)
    assert damaged != lines
    with pytest.raises(DamagedLog) as refused:
        import_log(database, "log.ndjson", damaged)
    told = str(refused.value)
    assert told.startswith(f"log.ndjson, line {line}: ")
    assert fault in told
    assert len(told.splitlines()) == 1
    assert fetch(database, LOG) == []
    if line > 1:
        assert import_log(database, "log.ndjson", lines) == 40
        run(fold_all(database))
