"""A copy of the embedded cluster in one file, made while it runs, and a cluster made of such a file again.

PostgreSQL's own programs do the work. `pg_basebackup` sends the cluster, the log that makes it consistent, and a
manifest with a checksum of every file; we pack that stream and put it under its name once it is whole and on disk.
`pg_verifybackup` holds what was unpacked against the manifest. The programs are always those of the server's version:
they stand beside the `postgres` that runs.
"""

import contextlib
import gzip
import os
import re
import secrets
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from db import child
from db.data_dir import usable
from db.embedded import EmbeddedPostgres, make_home, own, programs
from shared.core.errors import CockpitError

COMPRESSION = 1  # a sixth larger than the usual 6, in two thirds of the time
CHUNK_BYTES = 1 << 20
FOREIGN = (gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError)
"""What reading a file leads to that is damaged, cut short, or no packed archive at all."""


@dataclass(eq=False)
class AlreadyThere(CockpitError):
    """{path} is there already: a backup replaces nothing."""

    path: Path


@dataclass(eq=False)
class BackupFailed(CockpitError):
    """The backup failed: {detail}."""

    detail: str


@dataclass(eq=False)
class NotEmpty(CockpitError):
    """{path} holds {found}: a backup is restored into an empty data directory only."""

    path: Path
    found: str


@dataclass(eq=False)
class NotABackup(CockpitError):
    """{path} is no backup of Cockpit, or it is damaged ({detail}): nothing was restored."""

    path: Path
    detail: str


@dataclass(eq=False)
class OtherPostgres(CockpitError):
    """{path} is of PostgreSQL {found}, and the programs here are of {here}: nothing was restored."""

    path: Path
    found: str
    here: str


def backup(conninfo: str, to: Path, progress: Callable[[int, int], None]) -> int:
    """Write a backup of the server, which its superuser reaches by `conninfo`, and return its size in bytes.

    Every transaction that was committed when it began is in it, those that came meanwhile up to one of them, and none
    in part. Only its owner may read the file, for the password is in it. It is written beside as NAME.….part, and
    renamed when it is whole. `progress` hears how many bytes were read, and about how many there are. Raises
    AlreadyThere, BackupFailed, OSError.
    """
    if to.exists():
        raise AlreadyThere(to)
    try:
        descriptor, name = tempfile.mkstemp(prefix=f"{to.name}.", suffix=".part", dir=to.parent)
    except OSError as error:
        raise BackupFailed(f"{to} cannot be written: {error.strerror}") from error
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            _pack(conninfo, file, progress)
            file.flush()
            os.fsync(file.fileno())
        if to.exists():  # another was faster
            raise AlreadyThere(to)
        part.rename(to)
    finally:
        part.unlink(missing_ok=True)
    _sync(to.parent)
    return to.stat().st_size


@contextlib.contextmanager
def restored(file: Path, data_dir: Path, *, bin_dir: Path | None = None) -> Iterator[EmbeddedPostgres]:
    """Yield a running server of what a backup holds; when the block ends well, `data_dir` has its cluster, stopped.

    Until then it stands aside, below `data_dir`: whatever goes wrong, nothing is left behind. Raises NotEmpty,
    NotABackup, OtherPostgres, Unusable, OSError, and what starting a server raises.
    """
    data_dir = data_dir.resolve()
    with usable(data_dir):
        is_new = not data_dir.exists()
        for found in () if is_new else data_dir.iterdir():
            raise NotEmpty(data_dir, found.name)
    with file.open("rb") as packed:
        aside = data_dir / f"postgres.restore-{secrets.token_hex(4)}"
        with usable(data_dir):
            make_home(data_dir)
        try:
            make_home(aside)
            cluster = aside / "postgres"
            _unpack(packed, cluster, file)
            _check(cluster, file, programs(bin_dir))
            with EmbeddedPostgres(aside, bin_dir=bin_dir) as server:
                yield server
            with contextlib.ExitStack() as held:
                own(data_dir, held)
                cluster.rename(data_dir / cluster.name)
                _sync(data_dir)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            if is_new:
                with contextlib.suppress(OSError):  # it is not empty: all went well
                    data_dir.rmdir()


def _pack(conninfo: str, file: IO[bytes], progress: Callable[[int, int], None]) -> None:
    """Write what pg_basebackup sends, compressed."""
    password = str(conninfo_to_dict(conninfo)["password"])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    with psycopg.connect(conninfo, autocommit=True) as connection, tempfile.TemporaryFile() as errors:
        ((where, size),) = connection.execute(
            "SELECT setting, (SELECT sum(pg_database_size(oid))::bigint FROM pg_database)"
            " FROM pg_config WHERE name = 'BINDIR'"
        ).fetchall()
        # Nothing of the log that the copy will need is removed before it is sent; the slot goes with the connection.
        slot = f"cockpit_backup_{os.getpid()}"
        connection.execute("SELECT pg_create_physical_replication_slot(%s, true, true)", [slot])
        process = subprocess.Popen(  # noqa: S603 - the programs are ours
            [
                str(programs(Path(where)) / "pg_basebackup"),
                f"--dbname={make_conninfo(conninfo, password=None)}",
                *("--no-password", "--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**kept, "PGPASSWORD": password},  # not among the arguments, which anybody may read
        )
        with process, gzip.GzipFile(fileobj=file, mode="wb", compresslevel=COMPRESSION, mtime=0) as packed:
            try:
                done = 0
                while process.stdout is not None and (chunk := process.stdout.read(CHUNK_BYTES)):
                    packed.write(chunk)
                    done += len(chunk)
                    progress(done, size)
            except BaseException:
                process.terminate()
                raise
        if process.returncode != 0:
            errors.seek(0)
            raise BackupFailed(_last_line(errors.read()) or f"pg_basebackup ended with {process.returncode}")


def _unpack(packed: IO[bytes], cluster: Path, file: Path) -> None:
    """Unpack to a directory that is not there yet, owned by us and closed to others."""
    cluster.mkdir(mode=0o700)
    try:
        with gzip.open(packed) as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    _extract(archive, member, cluster)
            while stream.read(CHUNK_BYTES):  # to the checksum at its end
                pass
    except FOREIGN as error:
        raise NotABackup(file, str(error)) from error


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, to: Path) -> None:
    """Unpack one file or directory, readable by us alone. By hand: filters came to Python with 3.11.4."""
    content = archive.extractfile(member) if member.isreg() else None
    if Path(member.name).is_absolute() or ".." in Path(member.name).parts or not (content or member.isdir()):
        raise tarfile.ReadError(f"{member.name} has no place in it")
    path = to / member.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # an archive of others may not name it
    if content is None:
        path.mkdir(mode=0o700, exist_ok=True)
    else:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(content, file, CHUNK_BYTES)


def _check(cluster: Path, file: Path, found: Path) -> None:
    """Raise unless this is a cluster of ours, for these programs, just as its manifest says."""
    for needed in ("PG_VERSION", "backup_manifest", child.PASSWORD_FILE):
        if not (cluster / needed).is_file():
            raise NotABackup(file, f"it has no {needed}")
    checker = found / "pg_verifybackup"
    of, here = (cluster / "PG_VERSION").read_text().strip(), _run(checker, "--version")
    version = re.search(r"\d+", here.stdout.decode())
    if version is None or version[0] != of:
        raise OtherPostgres(file, of, version[0] if version else here.stdout.decode())
    checked = _run(checker, str(cluster))
    if checked.returncode != 0:
        raise NotABackup(file, _last_line(checked.stderr))


def _run(program: Path, argument: str) -> subprocess.CompletedProcess[Any]:
    return subprocess.run([program, argument], capture_output=True, check=False)  # noqa: S603 - the programs are ours


def _last_line(text: bytes) -> str:
    """Return the last thing a program said, without what only says that it is an error."""
    lines = text.decode(errors="replace").strip().splitlines()
    return re.sub(r"^pg_\w+: (error: )?(backup failed: ERROR: +)?", "", lines[-1]).rstrip(".") if lines else ""


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
