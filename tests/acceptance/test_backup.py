"""`cockpit backup` while everybody writes, and `cockpit restore`: all that was acknowledged is in the new service."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import httpx2
import psycopg
import pytest

from db.connect import DATABASE
from db.embedded import EmbeddedPostgres
from shared.core.events import entity_stream
from tests.acceptance.processes import JOHN, Process, authorization, cockpit, copy_data, running, until
from tests.acceptance.test_upgrade import RELEASES, assert_answers, left_by, unpack_data
from tests.acceptance.writing import Writer, await_writes
from tests.appending import Append, Stored, append
from tests.oracle_log import Event, read_log

NewFolder = Callable[[], Path]


@pytest.fixture
def new_folder() -> Iterator[NewFolder]:
    """What makes a folder that everyone may enter: as root, PostgreSQL runs as another user."""
    with TemporaryDirectory(prefix="cockpit-backup-") as name:
        Path(name).chmod(0o755)

        def make() -> Path:
            made = Path(name) / str(len(list(Path(name).iterdir())))
            made.mkdir()
            return made

        yield make


@pytest.fixture
def with_sample_data(sample_data: Path, new_folder: NewFolder) -> Path:
    """A folder with a data directory that has the sample data, and that nothing runs in."""
    return copy_data(sample_data, new_folder())


def say(*arguments: object, folder: Path) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = cockpit(*map(str, arguments), folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*arguments: object, folder: Path, **settings: str) -> str:
    """Run a command that must be refused, and return the one line that it says."""
    done = cockpit(*map(str, arguments), folder=folder, typed="", **settings)
    assert done.returncode == 1, done.stdout
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    return line


def stop_half_way(home: Path, file: Path, number: signal.Signals) -> int:
    """End a backup after it began to write and before its file has its name; return its exit code."""
    for _ in range(10):
        backup = Process(["backup", str(file)], home, {})
        until(lambda: any(part.stat().st_size for part in file.parent.iterdir()), 30)
        code = backup.stop(number)
        if not file.exists():
            return code
        file.unlink()  # it was faster
    raise AssertionError("no backup can be stopped half way")


def execute(folder: Path, statement: str) -> None:
    with EmbeddedPostgres(folder / "data") as server, psycopg.connect(server.dsn(DATABASE)) as connection:
        connection.execute(statement.encode())


def log_in(folder: Path) -> list[Event]:
    with EmbeddedPostgres(folder / "data") as server, psycopg.connect(server.dsn(DATABASE)) as connection:
        return read_log(connection)


@pytest.mark.slow
def test_a_backup_under_writes_has_all_that_was_acknowledged_before_it_and_restores_as_a_service(
    with_sample_data: Path, new_folder: NewFolder
) -> None:
    home, elsewhere, file = with_sample_data, new_folder(), new_folder() / "backup.tar.gz"
    with running("serve", folder=home, log_level="warning") as service:
        headers = authorization(service.url)
        writers = [Writer(service.url, headers, str(number)) for number in range(3)]
        for writer in writers:
            writer.start()
        await_writes(writers, 50)
        before = {uid: name for writer in writers for uid, name in dict(writer.acknowledged).items()}
        assert say("backup", file, folder=home).startswith(f"Backed up to {file}: ")
        during = sum(len(writer.acknowledged) for writer in writers)
        assert during > len(before), "nothing was written meanwhile"
        await_writes(writers, during + 20)
        service.kill()
        for writer in writers:
            writer.join()

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]
    assert " Clean: " in say("restore", file, folder=elsewhere)

    with running("serve", folder=elsewhere, log_level="warning") as service:
        with httpx2.Client(base_url=service.url, headers=headers, timeout=10) as client:
            for uid, name in before.items():
                assert client.get(f"/api/v1/entities/{uid}").json()["display_name"] == name
            body = {"display_name": "Written to the restored one", "entity_type": "PERSON"}
            assert client.post("/api/v1/entities", json=body).status_code == 201
        assert say("verify", folder=elsewhere).startswith("Clean: ")
        assert service.stop() == 0
    original, copy = log_in(home), log_in(elsewhere)[:-1]
    assert len(before) < len(copy) < len(original)
    assert copy == original[: len(copy)]


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.name)
def test_what_a_release_left_is_backed_up_as_it_is_and_restored_up_to_date(
    release: Path, new_folder: NewFolder
) -> None:
    home, elsewhere = new_folder(), new_folder()
    unpack_data(release, home)
    say("backup", "old.tar.gz", folder=home)
    events = len((release / "log.ndjson").read_text(encoding="utf-8").splitlines())
    assert f"Clean: {events} events" in say("restore", home / "old.tar.gz", folder=elsewhere)
    known = left_by(release)
    with running("serve", folder=elsewhere, environment="test") as service:
        with httpx2.Client(base_url=service.url, headers={"Authorization": f"Token {known['token']}"}) as client:
            assert_answers(client, known)
        assert service.stop() == 0


def test_a_backup_that_is_killed_leaves_nothing_that_looks_whole_and_the_service_goes_on(
    with_sample_data: Path, new_folder: NewFolder
) -> None:
    home, to = with_sample_data, new_folder()
    file = to / "backup.tar.gz"
    with running("serve", folder=home, log_level="warning") as service:
        headers = authorization(service.url)
        stop_half_way(home, file, signal.SIGKILL)
        (part,) = to.iterdir()
        assert part.name.endswith(".part")
        assert "is damaged" in refused("restore", part, folder=new_folder())
        body = {"display_name": "Goes on", "entity_type": "PERSON"}
        assert httpx2.post(f"{service.url}/api/v1/entities", json=body, headers=headers).status_code == 201
        say("backup", file, folder=home)
        assert service.stop() == 0
    assert "Clean: " in say("restore", file, folder=new_folder())
    with EmbeddedPostgres(home / "data") as server, psycopg.connect(server.dsn(DATABASE)) as connection:
        assert connection.execute("SELECT slot_name FROM pg_replication_slots").fetchall() == []


def test_a_restore_that_is_killed_leaves_no_cluster_and_the_next_says_what_is_in_its_way(
    with_sample_data: Path, new_folder: NewFolder
) -> None:
    say("backup", "backup.tar.gz", folder=with_sample_data)
    elsewhere = new_folder()
    restore = Process(["restore", str(with_sample_data / "backup.tar.gz")], elsewhere, {})
    until(lambda: list((elsewhere / "data").glob("postgres.restore-*/postgres/base")), 30)
    restore.kill()
    assert not (elsewhere / "data" / "postgres").exists()
    line = refused("restore", with_sample_data / "backup.tar.gz", folder=elsewhere)
    assert f"{elsewhere / 'data'} holds postgres.restore-" in line


def test_what_is_told_to_stop_leaves_nothing_behind(with_sample_data: Path, new_folder: NewFolder) -> None:
    to, elsewhere = new_folder(), new_folder()
    assert stop_half_way(with_sample_data, to / "backup.tar.gz", signal.SIGTERM) == 130
    assert list(to.iterdir()) == []
    say("backup", to / "backup.tar.gz", folder=with_sample_data)
    restore = Process(["restore", str(to / "backup.tar.gz")], elsewhere, {})
    until(lambda: list((elsewhere / "data").glob("postgres.restore-*/postgres/base")), 30)
    assert restore.stop(signal.SIGTERM) == 130
    assert not (elsewhere / "data").exists()


def test_only_an_empty_data_directory_is_restored_into(with_sample_data: Path) -> None:
    say("backup", "backup.tar.gz", folder=with_sample_data)
    before = log_in(with_sample_data)
    assert "into an empty data directory only" in refused("restore", "backup.tar.gz", folder=with_sample_data)
    assert log_in(with_sample_data) == before


def test_a_backup_replaces_no_file_and_is_of_a_database_that_is_there(
    with_sample_data: Path, new_folder: NewFolder
) -> None:
    (with_sample_data / "kept").write_text("kept")
    assert "is there already" in refused("backup", "kept", folder=with_sample_data)
    assert (with_sample_data / "kept").read_text() == "kept"
    told = "The backup failed: nowhere/backup cannot be written: No such file or directory."
    assert refused("backup", "nowhere/backup", folder=with_sample_data) == f"cockpit: {told}"
    empty = new_folder()
    assert "There is no database in" in refused("backup", "backup", folder=empty)
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("setting", ["database_url", "read_database_url"])
def test_a_database_of_one_s_own_is_pointed_to_the_guide(setting: str, tmp_path: Path) -> None:
    for arguments in (["backup", "file"], ["restore", "file"]):
        assert "docs/backup.md" in refused(*arguments, folder=tmp_path, **{setting: "postgresql://nowhere.invalid/x"})
    assert list(tmp_path.iterdir()) == []


def test_a_backup_of_a_later_release_is_refused_and_nothing_is_left_behind(
    with_sample_data: Path, new_folder: NewFolder
) -> None:
    execute(with_sample_data, "INSERT INTO public.cockpit_migration (name, digest) VALUES ('9999_later.sql', '')")
    say("backup", "backup.tar.gz", folder=with_sample_data)
    elsewhere = new_folder()
    line = refused("restore", with_sample_data / "backup.tar.gz", folder=elsewhere)
    assert line == "cockpit: The database is newer than this code: it has 9999_later.sql."
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            f"UPDATE read_model.entity_version SET display_name = 'x' WHERE entity_uid = '{JOHN}'",  # noqa: S608  # ours
            "display_name: the log says 'John Doe', the table has 'x'",
        ),
        ("DROP INDEX read_model.entity_version_starts", "The index read_model.entity_version.entity_version_starts is"),
    ],
    ids=["cell", "object"],
)
def test_what_verify_finds_in_a_restored_database_is_told_and_the_database_is_kept(
    with_sample_data: Path, new_folder: NewFolder, damage: str, told: str
) -> None:
    assert cockpit("rebuild", folder=with_sample_data).returncode == 0
    execute(with_sample_data, damage)
    say("backup", "backup.tar.gz", folder=with_sample_data)
    elsewhere = new_folder()
    assert told in refused("restore", with_sample_data / "backup.tar.gz", folder=elsewhere)
    assert len(log_in(elsewhere)) == len(log_in(with_sample_data))
    assert told in refused("verify", folder=elsewhere)


def test_what_only_a_later_release_can_fold_is_parked_in_the_restored_database_and_told(
    with_sample_data: Path, new_folder: NewFolder
) -> None:
    later = Append(stream=entity_stream(UUID(JOHN)), events=[Stored("EntityRevised", 99, '{"context":{},"data":{}}')])
    with EmbeddedPostgres(with_sample_data / "data") as server, psycopg.connect(server.dsn(DATABASE)) as connection:
        append(connection, later)
    say("backup", "backup.tar.gz", folder=with_sample_data)
    told = say("restore", with_sample_data / "backup.tar.gz", folder=new_folder())
    assert "Clean: " in told
    assert ", 1 events parked." in told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root meets another's files")
def test_root_restores_for_the_server_s_user_and_opens_nothing_to_others(
    with_sample_data: Path, new_folder: NewFolder
) -> None:
    closed, elsewhere = new_folder(), new_folder()
    closed.chmod(0o700)
    say("backup", closed / "backup.tar.gz", folder=with_sample_data)
    say("restore", closed / "backup.tar.gz", folder=elsewhere)
    cluster = elsewhere / "data" / "postgres"
    assert cluster.stat().st_uid == (with_sample_data / "data" / "postgres").stat().st_uid != 0
    assert {stat.S_IMODE(path.stat().st_mode) for path in [cluster, *cluster.rglob("*")]} == {0o700, 0o600}
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
