"""Backup and restore of a cluster, on the wheel's programs and on Debian's: what is damaged is never restored."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from db.backup import AlreadyThere, BackupFailed, NotABackup, NotEmpty, OtherPostgres, backup, restored
from db.embedded import DataDirectoryInUse, EmbeddedPostgres, StartFailed
from tests.integration.owners import DEBIAN_15, query

Tar = list[tuple[tarfile.TarInfo, bytes]]
TABLE = "CREATE TABLE kept AS SELECT n, repeat('x', 500) AS text FROM generate_series(1, 2000) AS n"


def ignore(done: int, of: int) -> None:
    """Hear of the progress and do nothing."""


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a cluster with one table, by the wheel's programs; nobody changes it."""
    folder = tmp_path_factory.mktemp("packed")
    with EmbeddedPostgres(folder / "data") as server:
        query(server.dsn("postgres"), TABLE)
        backup(server.dsn("postgres"), folder / "backup", ignore)
    return folder / "backup"


@pytest.fixture
def kept(home: Path) -> Iterator[Path]:
    """Where to restore to; in the end nothing may be there, nor beside it."""
    home.parent.chmod(0o755)
    yield home
    assert list(home.parent.iterdir()) == []


def read(file: Path) -> Tar:
    with tarfile.open(file) as archive:
        found = [(member, archive.extractfile(member)) for member in archive]
        return [(member, content.read() if content else b"") for member, content in found]


def write(file: Path, members: Tar) -> Path:
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file


def test_a_cluster_comes_back_with_what_was_committed_when_the_backup_began(home: Path, bin_dir: Path | None) -> None:
    heard: list[tuple[int, int]] = []
    file = home.parent / "backup"
    with EmbeddedPostgres(home, bin_dir=bin_dir, settings={"max_wal_size": "32MB"}) as server:
        dsn = server.dsn("postgres")
        query(dsn, TABLE)
        with psycopg.connect(dsn) as late:
            late.execute("INSERT INTO kept VALUES (0, 'not yet')")
            size = backup(dsn, file, lambda done, of: heard.append((done, of)))
        assert query(dsn, "SELECT count(*) FROM kept") == [(2001,)]
        assert query(dsn, "SELECT count(*) FROM pg_replication_slots") == [(0,)]
    assert size == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    done, of = heard[-1]
    assert heard == sorted(heard)
    assert of < done < of + 64 * 1024 * 1024
    with restored(file, home.parent / "other", bin_dir=bin_dir) as server:
        assert query(server.dsn("postgres"), "SELECT count(*), min(n), sum(length(text)) FROM kept") == [
            (2000, 1, 1_000_000)
        ]
        assert query(server.dsn("postgres"), "SELECT current_setting('data_checksums')") == [("on",)]
        query(server.dsn("postgres"), "CREATE TABLE after_it AS SELECT 1 AS n")
    with EmbeddedPostgres(home.parent / "other", bin_dir=bin_dir) as server:
        assert query(server.dsn("postgres"), "SELECT n FROM after_it") == [(1,)]


def test_the_log_that_a_backup_needs_stays_however_much_is_written_meanwhile(home: Path, bin_dir: Path | None) -> None:
    with EmbeddedPostgres(home, bin_dir=bin_dir, settings={"max_wal_size": "32MB", "min_wal_size": "32MB"}) as server:
        dsn = server.dsn("postgres")
        query(dsn, TABLE)
        turns = iter(range(4))

        def write_much(_done: int, _of: int) -> None:
            if next(turns, None) is not None:
                query(dsn, "INSERT INTO kept SELECT n, repeat('y', 500) FROM generate_series(1, 40000) AS n")
                query(dsn, "CHECKPOINT")

        backup(dsn, home.parent / "backup", write_much)
    with restored(home.parent / "backup", home.parent / "other", bin_dir=bin_dir) as server:
        assert query(server.dsn("postgres"), "SELECT count(*) FROM kept WHERE text LIKE 'x%'") == [(2000,)]


def cut_short(file: Path, at: Path) -> Path:
    content = file.read_bytes()
    at.write_bytes(content[: len(content) * 2 // 3])
    return at


def without_its_last_bytes(file: Path, at: Path) -> Path:
    at.write_bytes(file.read_bytes()[:-4])
    return at


def with_one_byte_changed(file: Path, at: Path) -> Path:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    at.write_bytes(content)
    return at


def with_a_row_changed(file: Path, at: Path) -> Path:
    return write(at, [(member, content.replace(b"x" * 500, b"z" * 500, 1)) for member, content in read(file)])


def with_log_changed(file: Path, at: Path) -> Path:
    def changed(member: tarfile.TarInfo, content: bytes) -> bytes:
        is_log = member.name.startswith("pg_wal/0")
        return content[:40] + bytes(len(content) - 40) if is_log else content

    return write(at, [(member, changed(member, content)) for member, content in read(file)])


def without(name: str) -> Callable[[Path, Path], Path]:
    return lambda file, at: write(at, [item for item in read(file) if item[0].name != name])


def with_one_more_file(file: Path, at: Path) -> Path:
    return write(at, [*read(file), (tarfile.TarInfo("base/1/99999999"), b"stranger")])


def with_a_way_out(file: Path, at: Path) -> Path:
    return write(at, [*read(file), (tarfile.TarInfo("../../escaped"), b"stranger")])


def with_a_link(file: Path, at: Path) -> Path:
    link = tarfile.TarInfo("base/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/"
    return write(at, [*read(file), (link, b"")])


def of_something_else(_file: Path, at: Path) -> Path:
    return write(at, [(tarfile.TarInfo("project/README"), b"a tar")])


def no_archive(_file: Path, at: Path) -> Path:
    at.write_bytes(b"position,event_id\n1,2\n")
    return at


def empty(_file: Path, at: Path) -> Path:
    at.write_bytes(b"")
    return at


def packed_nothing(_file: Path, at: Path) -> Path:
    at.write_bytes(gzip.compress(b""))
    return at


DAMAGES: list[tuple[Callable[[Path, Path], Path], str]] = [
    (cut_short, "Compressed file ended"),
    (without_its_last_bytes, "Compressed file ended"),
    (with_one_byte_changed, "it is damaged"),
    (with_a_row_changed, "checksum mismatch"),
    (with_log_changed, "WAL parsing failed"),
    (without("backup_manifest"), "it has no backup_manifest"),
    (without("cockpit.password"), "it has no cockpit.password"),
    (without("global/pg_control"), "pg_control"),
    (with_one_more_file, "not in the manifest"),
    (with_a_way_out, "has no place in it"),
    (with_a_link, "has no place in it"),
    (of_something_else, "it has no PG_VERSION"),
    (no_archive, "Not a gzipped file"),
    (empty, "empty"),
    (packed_nothing, "empty"),
]


@pytest.mark.parametrize(("damage", "told"), DAMAGES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_file_that_is_not_whole_is_refused_and_nothing_is_left_behind(
    damage: Callable[[Path, Path], Path], told: str, packed: Path, kept: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotABackup, match=told), restored(damage(packed, tmp_path / "damaged"), kept):
        pytest.fail("it was restored")


def test_what_fails_on_the_way_leaves_nothing_behind(packed: Path, kept: Path) -> None:
    with pytest.raises(ZeroDivisionError), restored(packed, kept) as server:  # noqa: PT012  # the block is what fails
        assert query(server.dsn("postgres"), "SELECT 1 / count(*) FROM kept")
        raise ZeroDivisionError


def test_a_cluster_that_does_not_start_is_told_with_the_server_s_words_and_not_restored(
    packed: Path, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.backup._check", lambda *_: None)
    file = without("global/pg_control")(packed, tmp_path / "damaged")
    with pytest.raises(StartFailed, match="pg_control"), restored(file, kept):
        pytest.fail("it was restored")


def test_a_directory_that_holds_anything_is_left_as_it_is(packed: Path, home: Path) -> None:
    home.mkdir()
    (home / "kept").write_text("kept")
    with pytest.raises(NotEmpty, match="kept"), restored(packed, home):
        pytest.fail("it was restored")
    assert [(path.name, path.read_text()) for path in home.iterdir()] == [("kept", "kept")]


def test_an_empty_directory_that_was_there_stays_and_may_be_a_link(packed: Path, home: Path) -> None:
    home.mkdir(mode=0o711)
    link = home.parent / "link"
    link.symlink_to(home)
    with pytest.raises(ZeroDivisionError), restored(packed, link):
        raise ZeroDivisionError
    assert list(home.iterdir()) == []
    with restored(packed, link):
        pass
    assert (home / "postgres" / "PG_VERSION").exists()
    assert link.is_symlink()


def test_who_began_to_serve_in_the_directory_meanwhile_is_not_disturbed(packed: Path, home: Path) -> None:
    with EmbeddedPostgres(home) as other:
        pass
    cluster = home / "postgres"
    cluster.rename(home.parent / "set-aside")
    for name in [path.name for path in home.iterdir()]:
        (home / name).unlink()
    with pytest.raises(DataDirectoryInUse), restored(packed, home):  # noqa: PT012  # its end is what fails
        (home.parent / "set-aside").rename(cluster)
        other.start()
    try:
        assert query(other.dsn("postgres"), "SELECT to_regclass('kept') IS NULL") == [(True,)]
        assert not list(home.glob("postgres.restore-*"))
    finally:
        other.stop()


@pytest.mark.skipif(not DEBIAN_15.exists(), reason="no PostgreSQL 15 here")
def test_a_backup_of_another_version_of_postgresql_is_told_from_a_damaged_one(packed: Path, kept: Path) -> None:
    told = "is of PostgreSQL 18, and the programs here are of 15"
    with pytest.raises(OtherPostgres, match=told), restored(packed, kept, bin_dir=DEBIAN_15):
        pytest.fail("it was restored")


def test_a_file_that_is_there_is_not_replaced_not_even_at_the_last_moment(home: Path) -> None:
    file = home.parent / "backup"
    with EmbeddedPostgres(home) as server:

        def be_faster(_done: int, _of: int) -> None:
            file.write_text("kept")

        for _ in range(2):
            with pytest.raises(AlreadyThere):
                backup(server.dsn("postgres"), file, be_faster)
            assert file.read_text() == "kept"
    assert sorted(path.name for path in home.parent.iterdir()) == ["backup", "data"]


def test_a_server_that_ends_meanwhile_leaves_no_file_and_its_words_are_told(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        dsn = server.dsn("postgres")
        with pytest.raises((BackupFailed, psycopg.OperationalError)):
            backup(dsn, home.parent / "backup", lambda *_: server.stop())
    assert list(home.parent.iterdir()) == [home]


def test_a_disk_that_is_full_is_told_and_leaves_no_file(home: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("only Linux has a device that is full")
    with EmbeddedPostgres(home) as server:

        def fill(_done: int, _of: int) -> None:
            (part,) = home.parent.glob("*.part")
            with full.open("wb") as nothing:
                for descriptor in Path("/proc/self/fd").iterdir():
                    if descriptor.exists() and descriptor.samefile(part):
                        os.dup2(nothing.fileno(), int(descriptor.name))

        with pytest.raises(OSError, match="No space left"):
            backup(server.dsn("postgres"), home.parent / "backup", fill)
    assert list(home.parent.iterdir()) == [home]
