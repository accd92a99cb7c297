"""A crash of the server may take back what the projector committed last; rows and checkpoint go together."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psycopg

from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from db.roles import ensure_roles
from tests import oracle
from tests.integration.projecting import JOHN, add, come_true, fetch, fold_all, revised, run

SETTINGS = {"wal_writer_delay": "10s"}
"""Nothing that is not waited for reaches the disk by itself in the time of the test."""


def position(conninfo: str) -> int:
    ((found,),) = fetch(conninfo, "SELECT position FROM read_model.checkpoint")
    return int(found)


def test_what_a_crash_takes_from_the_tables_is_folded_again_from_the_log(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with EmbeddedPostgres(tmp_path, settings=SETTINGS) as server:
        conninfo = server.dsn("postgres")
        migrate(conninfo)
        assert ensure_roles(conninfo) is None
        last = add(conninfo, 1, JOHN, revised("Jo"))
        run(fold_all(conninfo))
        assert position(conninfo) == last
        assert server.pid is not None
        os.kill(server.pid, signal.SIGQUIT)  # an end without a checkpoint, as a crash is
        run(come_true(lambda: server.pid is None))
    with EmbeddedPostgres(tmp_path, settings=SETTINGS) as server:
        conninfo = server.dsn("postgres")
        assert fetch(conninfo, "SELECT max(position) FROM log.event") == [(last,)]
        assert position(conninfo) < last
        with psycopg.connect(conninfo) as connection:
            oracle.check(connection)
        run(fold_all(conninfo))
        assert position(conninfo) == last
        with psycopg.connect(conninfo) as connection:
            oracle.check(connection)
