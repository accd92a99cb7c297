"""A service under a steady load: commands and reads at a fixed rate, every answer kept, and held against the oracle.

The clients are threads with a connection of their own each. What is read is judged afterwards, by the raw events of the
log: an answer says at which instant and at which position it is true.
"""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from shared.core.events import entity_stream
from tests.oracle_log import Event
from tests.oracle_points import Said, state
from tests.oracle_rows import said

WRITERS, READERS = 2, 4
POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Read:
    """One answer: what was asked, the point it is true at, and the entities in it by uid."""

    path: str
    as_of: datetime
    position: int
    entities: dict[UUID, dict[str, Any]]
    only: UUID | None


@dataclass
class Load:
    """What went on: answers, acknowledged writes (position, when), how far the read model was when, and what failed."""

    url: str
    token: str
    hot: Sequence[UUID]
    cold: Callable[[random.Random], UUID]
    commands_a_second: float = 50
    reads_a_second: float = 200
    reads: list[Read] = field(default_factory=list)
    acknowledged: list[tuple[int, float]] = field(default_factory=list)
    reached: list[tuple[int, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._watched = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, conninfo: str) -> None:
        """Begin; everything goes on until `stop`."""
        jobs: list[tuple[Callable[..., None], Any]] = [(self._watch, conninfo)]
        jobs += [(self._write, n) for n in range(WRITERS)] + [(self._read, n) for n in range(READERS)]
        self._threads = [threading.Thread(target=self._guarded, args=job, daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the clients, and wait until what they wrote is visible."""
        watcher, *clients = self._threads
        for threads, event in ((clients, self._stop), ([watcher], self._watched)):
            event.set()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive(), "a client hangs"

    def _guarded(self, job: Callable[..., None], argument: object) -> None:
        try:
            job(argument)
        except Exception as error:  # noqa: BLE001  # whatever it is, the test is told
            self.failures.append(repr(error))

    def _watch(self, conninfo: str) -> None:
        """Note when the read model reached which position, until it has all that was acknowledged."""
        with psycopg.connect(conninfo, autocommit=True) as connection:
            last = -1
            while not self._watched.is_set() or last < max(self.acknowledged, default=(0, 0.0))[0]:
                ((position,),) = connection.execute("SELECT position FROM read_model.checkpoint").fetchall()
                if position != last:
                    last = position
                    self.reached.append((position, time.monotonic()))
                time.sleep(POLL_SECONDS)

    def _paced(self, rate: float, turn: Callable[[], None]) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            turn()
            due = max(due + 1 / rate, time.monotonic() - 1)  # what was held up is caught up with, for a second
            time.sleep(max(0.0, due - time.monotonic()))

    def _ask(self, client: http.client.HTTPConnection, method: str, path: str, body: object = None) -> Any:
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        client.request(method, f"/api/v1/{path}", None if body is None else json.dumps(body), headers)
        answer = client.getresponse()
        text = answer.read()
        if answer.status not in {200, 201}:
            self.failures.append(f"{method} {path}: {answer.status} {text.decode()}")
            return None, answer.headers
        return json.loads(text), answer.headers

    def _client(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        return http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)

    def _write(self, number: int) -> None:
        chance = random.Random(f"writer {number}")  # noqa: S311  # it chooses whom to change

        def turn() -> None:
            name = f"Changed {number} {len(self.acknowledged)}"
            body = {"display_name": name} if chance.random() < 0.5 else {"details": [_email(f"{name}@example.com")]}
            found, headers = self._ask(client, "PATCH", f"entities/{chance.choice(self.hot)}", body)
            if found is not None:
                self.acknowledged.append((int(headers["Position"]), time.monotonic()))

        with closing(self._client()) as client:
            self._paced(self.commands_a_second / WRITERS, turn)

    def _read(self, number: int) -> None:
        chance = random.Random(f"reader {number}")  # noqa: S311  # it chooses what to ask

        def turn() -> None:
            uid = chance.choice(self.hot) if chance.random() < 0.5 else self.cold(chance)
            ways = [f"entities/{uid}", f"entities/{uid}?as_of={self._some_instant(chance)}"]
            ways += ["entities?page_size=10&count=none", "entities-asof/?page_size=10&count=none&as_of=" + _now()]
            if self.reached:
                ways.append(f"entities/{uid}?position={self.reached[0][0]}")
            path = chance.choices(ways, [6, 3, 1, 1, 3][: len(ways)])[0]
            body, headers = self._ask(client, "GET", path)
            if body is not None:
                found = body.get("results", [body])
                self.reads.append(
                    Read(
                        path,
                        datetime.fromisoformat(headers["As-Of"]),
                        int(headers["Position"]),
                        {UUID(entity["entity_uid"]): _told(entity) for entity in found},
                        None if "results" in body else uid,
                    )
                )

        with closing(self._client()) as client:
            self._paced(self.reads_a_second / READERS, turn)

    def _some_instant(self, chance: random.Random) -> str:
        """Return an instant since which the entities of the load have existed, at any rate."""
        return quote(datetime.fromtimestamp(time.time() - chance.random(), UTC).isoformat())  # noqa: TID251

    def lags(self, begun: float, ended: float) -> list[float]:
        """Return for how long each write that was acknowledged between two instants was not visible, in seconds."""
        found, place = [], 0
        for position, at in sorted(self.acknowledged):
            while place < len(self.reached) and self.reached[place][0] < position:
                place += 1
            assert place < len(self.reached), f"position {position} was never reached"
            if begun <= at < ended:
                found.append(max(0.0, self.reached[place][1] - at))
        return found

    def judge(self, connection: psycopg.Connection[Any]) -> int:
        """Hold every answer against the oracle at the point that it was given for; return how many entities."""
        uids = {uid for read in self.reads for uid in read.entities}
        heard = {uid: _history(connection, uid) for uid in uids}
        judged = 0
        for read in self.reads:
            assert read.only is None or set(read.entities) == {read.only}, read
            for uid, told in read.entities.items():
                wanted = state(heard[uid], read.as_of, read.position)
                assert told == wanted, f"{read.path} at {read.as_of}, position {read.position}: {told}, not {wanted}"
                judged += 1
        return judged


def _history(connection: psycopg.Connection[Any], uid: UUID) -> list[Said]:
    with connection.cursor(row_factory=class_row(Event)) as cursor:
        events = cursor.execute(
            "SELECT position, event_id, stream, version, type, schema_version, effective_at, effective_until::text,"
            " recorded_at, payload::text, salt, payload_digest, link, command_id, ordinal, metadata::text"
            " FROM log.event WHERE stream = %s ORDER BY version",
            [entity_stream(uid)],
        ).fetchall()
    return [said(event) for event in events]


def _told(entity: dict[str, Any]) -> dict[str, Any]:
    """Return an entity of an answer in the oracle's words."""
    details = {f"details.{d['detail_type']}": d["detail_value"] for d in entity["entity_details"]}
    return {"display_name": entity["display_name"], "entity_type": entity["entity_type"], **details}


def _email(value: str) -> dict[str, str]:
    return {"detail_type": "EMAIL", "detail_value": value}


def _now() -> str:
    return quote(datetime.now(UTC).isoformat())  # noqa: TID251  # a client has a clock of its own
