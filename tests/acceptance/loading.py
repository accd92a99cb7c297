"""A service under a steady load: commands and reads at a fixed rate, every answer kept, and held against the oracle.

The clients are a process of their own (load_client.py). What they were answered is judged afterwards, by the raw events
of the log: an answer says at which instant and at which position it is true.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from shared.core.events import entity_stream
from tests.acceptance.load_client import Plan
from tests.oracle_log import Event
from tests.oracle_points import Said, state
from tests.oracle_rows import said


@dataclass(frozen=True)
class Answer:
    """What came to a request: when it was due and answered, and all of it."""

    kind: str
    path: str
    due: float
    at: float
    raw: bytes

    @property
    def status(self) -> int:
        return int(self.raw[9:12])

    @property
    def headers(self) -> dict[str, str]:
        lines = self.raw.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]


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
    """What went on: acknowledged writes (position, when), how far the read model was when, late answers, failures."""

    plan: Plan
    acknowledged: list[tuple[int, float]] = field(default_factory=list)
    reached: list[tuple[int, float]] = field(default_factory=list)
    latencies: list[tuple[str, float, float]] = field(default_factory=list)
    """Of each answer: to what, when it was due, how long after that it came."""
    failures: list[str] = field(default_factory=list)
    core_seconds: float = 0.0

    def start(self) -> None:
        """Begin; everything goes on until `stop`."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.load_client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(self.plan) + b"\n")
        self._process.stdin.flush()
        begun = self._process.stdout.readline()
        assert begun == b"begun\n", self._process.communicate()[1].decode()

    def stop(self) -> None:
        """End the clients, wait until what they wrote is visible, and take note of what they were answered."""
        out, errors = self._process.communicate()
        assert self._process.returncode == 0, errors.decode()
        self.core_seconds = float(out)
        for answer in self._answers():
            if answer.kind == "SEEN":
                self.reached.append((int(answer.path), answer.at))
                continue
            self.latencies.append((answer.kind, answer.due, answer.at - answer.due))
            if answer.status not in {200, 201}:
                self.failures.append(f"{answer.kind} {answer.path}: {answer.raw.decode()}")
            elif answer.kind == "PATCH":
                self.acknowledged.append((int(answer.headers["position"]), answer.at))

    def reads(self) -> Iterator[Read]:
        """Yield what was read, in the order in which it came."""
        for answer in self._answers():
            if answer.kind == "GET" and answer.status == 200:
                yield _read(answer)

    def _answers(self) -> Iterator[Answer]:
        with Path(self.plan.file).open("rb") as file:
            for line in file:
                kind, due, at, path, size = line.decode().split()
                yield Answer(kind, path, 0.0 if due == "-" else float(due), float(at), file.read(int(size)))

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

    def waits(self, kind: str, begun: float, ended: float) -> list[float]:
        """Return how long after it was due each request between two instants was answered, in seconds."""
        return [seconds for of, due, seconds in self.latencies if of == kind and begun <= due < ended]


def judge(connection: psycopg.Connection[Any], reads: Iterable[Read]) -> int:
    """Hold every answer against the oracle at the point that it was given for; return how many entities."""
    heard: dict[UUID, list[Said]] = {}
    judged = 0
    for read in reads:
        assert read.only is None or set(read.entities) == {read.only}, read
        for uid, told in read.entities.items():
            if uid not in heard:
                heard[uid] = _history(connection, uid)
            wanted = state(heard[uid], read.as_of, read.position)
            assert told == wanted, f"{read.path} at {read.as_of}, position {read.position}: {told}, not {wanted}"
            judged += 1
    return judged


def _read(answer: Answer) -> Read:
    headers, body = answer.headers, json.loads(answer.body)
    return Read(
        answer.path,
        datetime.fromisoformat(headers["as-of"]),
        int(headers["position"]),
        {UUID(entity["entity_uid"]): _told(entity) for entity in body.get("results", [body])},
        None if "results" in body else UUID(answer.path.partition("/")[2].partition("?")[0]),
    )


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
