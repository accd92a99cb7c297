"""What else is measured in the same rounds: the raw server, the raw database, and the library `eventsourcing`."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.bench.load import WrongAnswers
from tests.bench.stand import Stand, clean_environment, leashed, wait_until

CLIENTS = 32
TABLE = "CREATE TABLE made (id uuid PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), body jsonb NOT NULL)"
INSERT = """\\set n random(1, 1000000000)
INSERT INTO made (id, body) VALUES (gen_random_uuid(), jsonb_build_object('display_name', 'Somebody ' || :n,
    'entity_type', 'PERSON', 'details', jsonb_build_object('EMAIL', :n || '@example.com', 'PHONE', '+1-202-' || :n)));
"""


@contextmanager
def hello(stand: Stand) -> Iterator[str]:
    """Give the address of an ASGI application that only says hello, under the same server as the service."""
    with stand.process("hello", [sys.executable, "-m", "tests.bench.hello"]) as said:
        wait_until(lambda: re.search(r"http://\S+ ", said.read_text()), "the raw application")
        found = re.search(r"http://\S+", said.read_text())
        assert found is not None
        yield found[0]


class PgBench:
    """PostgreSQL by itself: one durable insert a transaction, over many connections."""

    def __init__(self, stand: Stand) -> None:
        self._conninfo = stand.create("pgbench")
        with psycopg.connect(self._conninfo) as connection:
            connection.execute(TABLE)
        self._script = stand.folder / "insert.sql"
        self._script.write_text(INSERT)

    @staticmethod
    def is_there() -> bool:
        return shutil.which("pgbench") is not None

    def inserts(self, seconds: float) -> float:
        """Return how many a second. Raises WrongAnswers.

        On a busy machine the time may be over before all have connected: then there is more of it.
        """
        options = ["-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1", "-f", str(self._script)]
        said = ""
        for more in (1, 4, 16):
            said = _run(["pgbench", *options, "-T", str(more * max(2, round(seconds))), self._conninfo])
            if "actually processed: 0" not in said:
                return _figure(r"^tps = ([\d.]+)", said)
        raise WrongAnswers(f"pgbench inserts nothing: {said[-200:]}")


class Library:
    """The library `eventsourcing`, in a process and a database of its own."""

    def __init__(self, stand: Stand, database: str = "library") -> None:
        given = conninfo_to_dict(stand.create(database))
        names = {"DBNAME": "dbname", "HOST": "host", "PORT": "port", "USER": "user", "PASSWORD": "password"}
        self._settings = {f"POSTGRES_{name}": str(given[key]) for name, key in names.items()}
        self._settings["PERSISTENCE_MODULE"] = "eventsourcing.postgres"

    @staticmethod
    def is_there() -> bool:
        return importlib.util.find_spec("eventsourcing") is not None

    def saves(self, seconds: float) -> float:
        """Return how many new aggregates it saves a second."""
        return self._run("save", seconds)

    def projects(self, events: float) -> float:
        """Return how many events a second its projection takes, of a backlog of so many."""
        return self._run("project", events)

    def _run(self, what: str, much: float) -> float:
        command = [sys.executable, "-m", "tests.bench.library", what, str(much)]
        return _figure(r"^rate ([\d.]+)", _run(command, **self._settings))


def _run(command: list[str], **settings: str) -> str:
    running = leashed(
        command,
        env=clean_environment(**settings),
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said, _ = running.communicate()
    finally:
        running.kill()
        running.wait()
    if running.returncode != 0:
        raise WrongAnswers(f"{command[0]} ended with {running.returncode}: {said[-1000:].decode()}")
    return said.decode()


def _figure(pattern: str, said: str) -> float:
    found = re.search(pattern, said, re.MULTILINE)
    if found is None:
        raise WrongAnswers(f"no figure in: {said[-1000:]}")
    return float(found[1])
