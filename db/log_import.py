"""An exported log into an empty one, verbatim: all of it is there and proven at the end, or nothing is.

One transaction under the append lock, as the owner of the log: nobody else may write to it but through its function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import psycopg
from psycopg import IsolationLevel

from db.log_lines import LoggedEvent, from_line
from db.queries import statement
from shared.core.codec import LogRow, decode
from shared.core.errors import CannotFold, CockpitError
from shared.core.events import EventSkipped, uid_of

TOLD_EVERY = 1000
MOST_UNREADABLE = 1000
"""How many events may wait for their skipping; a log with more is refused by the first."""
Unreadable = dict[tuple[str, str], tuple[int, str]]
"""By stream and event_id: the line, and why it cannot be read."""
COPY_LINE = re.compile(r"^COPY event, line (\d+)", re.MULTILINE)


class DamagedLog(CockpitError):
    """{name}, line {line}: {fault}. Nothing is imported."""

    def __init__(self, name: str, line: int, fault: str) -> None:
        self.name, self.line, self.fault = name, line, fault.rstrip(".")


class LogNotEmpty(CockpitError):
    """There are events in this database: a log is imported into an empty one only."""


class NotTheOwner(CockpitError):
    """This login may not write to the log as it is: import as its owner, whom COCKPIT_DATABASE_URL names."""


def import_log(conninfo: str, name: str, lines: Iterable[bytes], tell: Callable[[int], None] = lambda _: None) -> int:
    """Bring the events of these lines into the log, and return how many they are; `tell` hears how far it is.

    Raises DamagedLog, naming the line, where they are not a whole log from its first event on: each in its place, its
    payload what its digest covers, its link what follows from the one before, the versions of each stream in their
    order, and nothing in it that cannot be read here but what is skipped. Raises LogNotEmpty and NotTheOwner.
    """
    unreadable: Unreadable = {}
    with psycopg.connect(conninfo) as connection:
        connection.isolation_level = IsolationLevel.READ_COMMITTED  # to see what the lock waited for
        try:
            connection.execute(statement("write/lock_log"))
            if connection.execute(statement("write/has_events")).fetchone() == (True,):
                raise LogNotEmpty
            count = _copy(connection, name, lines, tell, unreadable)
        except psycopg.errors.InsufficientPrivilege:
            raise NotTheOwner from None
        for find in ("find_broken_event", "find_broken_stream"):
            broken = connection.execute(statement(f"projector/{find}")).fetchone()
            if broken is not None:
                raise DamagedLog(name, broken[0], f"event {broken[0]}: {broken[1]}")
        if unreadable:
            raise DamagedLog(name, *min(unreadable.values()))
        connection.execute(statement("write/notify_events"), {"position": str(count)})
    return count


def _copy(
    connection: psycopg.Connection[Any],
    name: str,
    lines: Iterable[bytes],
    tell: Callable[[int], None],
    unreadable: Unreadable,
) -> int:
    """Write the events, each at the position that is its line's number; what the database refuses names its line."""
    number = 0
    try:
        with connection.cursor().copy(statement("write/copy_events")) as copy:
            for number, line in enumerate(lines, 1):
                event = from_line(line)
                copy.write_row(_row(event))
                if event.position != number:
                    raise DamagedLog(name, number, f"position {event.position} stands where {number} belongs")
                if event.payload is None or event.salt is None:
                    raise DamagedLog(name, number, f"event {number} has lost its payload")
                _look_at(event, unreadable)
                if len(unreadable) > MOST_UNREADABLE:
                    raise DamagedLog(name, *min(unreadable.values()))
                if number % TOLD_EVERY == 0:
                    tell(number)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedLog(name, number, f"it is not an event: {error}") from None
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        at = COPY_LINE.search(error.diag.context or "")
        fault = error.diag.message_primary or str(error)
        raise DamagedLog(name, int(at[1]) if at else number, fault) from None
    if number == 0:
        raise DamagedLog(name, 1, "there is no event in it")
    return number


def _look_at(event: LoggedEvent, unreadable: Unreadable) -> None:
    """Take note of an event that cannot be read, until a later one of its stream skips it; only an entity's may be."""
    one = (event.stream, event.event_id)
    until = event.effective_until
    row: LogRow = (
        *(event.position, event.event_id, event.stream, event.version, event.type, event.schema_version),
        *(event.effective_at, until, until == "infinity", event.recorded_at, event.payload, event.metadata),
    )
    try:
        said = decode(*row).event
    except CannotFold as error:
        unreadable[one] = (event.position, f"event {event.position}: {error.reason}")
        return
    if isinstance(said, EventSkipped):
        if uid_of(event.stream) is None:
            unreadable[one] = (event.position, f"event {event.position}: only events of entities can be skipped")
        unreadable.pop((event.stream, str(said.event_id)), None)


def _row(event: LoggedEvent) -> list[Any]:
    binary = {"salt", "payload_digest", "link"}
    values = msgspec.structs.asdict(event)
    return [f"\\x{value}" if name in binary and value is not None else value for name, value in values.items()]
