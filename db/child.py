"""Runs PostgreSQL's programs as the right user, tied to the life of the process that started them.

Run as a script it is what stands between: it gives up root, asks for the death signal, and execs. A script, not a
`preexec_fn`: the owner may have threads, and Python code between fork and exec can deadlock there. It starts with the
owner's rights, so it can be read wherever the owner can, and it has loaded all it needs before they go.
"""

import contextlib
import ctypes
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

UNREACHABLE = 77
"""The exit code that says: the last line of standard error is a path the operating system user cannot reach."""

PASSWORD_FILE = "cockpit.password"  # noqa: S105 - its name, not what is in it
"""The superuser's password, inside the cluster: a copy of the cluster stays usable, and none is without."""

_BUILTIN_SINCE = 17  # the first version with a locale provider that is the same on every system
_SERVICE_ACCOUNTS = ("postgres", "nobody")
# These would change the server behind our back, or are secrets of ours.
_NOT_FOR_POSTGRES = ("PG", "LC_", "LANG", "COCKPIT_")
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS = 1, 8
_PR_GET_SECUREBITS, _PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP = 27, 28, 1 << 2
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAPABILITY_V3 = 0x20080522
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _CAP_SETPCAP = 1, 2, 8
_LEAST_RIGHTS_FIRST = (None, _CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE)


class Account(NamedTuple):
    """A user of the operating system: numbers, for the child cannot look names up once it has given up root."""

    name: str
    uid: int
    gid: int
    groups: Sequence[int]


def account(cluster: Path) -> Account | None:
    """Whom a server of `cluster` runs as: None (us) unless we are root, whom PostgreSQL refuses.

    That is the owner of the cluster, else `postgres`, else `nobody`; raises LookupError where neither exists.
    A cluster that belongs to root, as after the restore of a backup, is given to that user.
    """
    if os.geteuid() != 0:
        return None
    owner = cluster.stat() if cluster.exists() else None
    if owner is not None and owner.st_uid != 0:
        try:
            return _account(pwd.getpwuid(owner.st_uid))
        except KeyError:
            return Account(str(owner.st_uid), owner.st_uid, owner.st_gid, (owner.st_gid,))
    for name in _SERVICE_ACCOUNTS:
        with contextlib.suppress(KeyError):
            chosen = _account(pwd.getpwnam(name))
            if owner is not None:
                _give_tree(cluster, chosen)
            return chosen
    raise LookupError(f"it refuses to run as root, and there is no account {' or '.join(_SERVICE_ACCOUNTS)}")


class Launcher:
    """Starts the programs in `programs` as `account`, their output to the descriptor `log`.

    They inherit the descriptor `inherit`, and with it the lock it holds, until the last of their processes is gone.
    """

    def __init__(self, programs: Path, account: Account | None, *, log: int, inherit: int) -> None:
        self.account = account
        self._programs = programs
        self._log = log
        self._inherit = inherit
        self._log_start = os.fstat(log).st_size

    @property
    def user(self) -> str:
        """The name of the user the programs run as."""
        return self.account.name if self.account is not None else str(os.geteuid())

    def give(self, path: Path) -> None:
        """Let the programs' user own a file or directory."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def run(self, name: str, arguments: Sequence[str], *, reach: Sequence[Path]) -> subprocess.Popen[bytes]:
        """Start a program that must be able to enter the directories `reach`.

        On Linux it gets SIGINT when the thread that called this ends, however it ends. macOS has no such signal.
        Its exit code is UNREACHABLE where its user cannot get to itself or to one of the directories.
        """
        who = "-" if self.account is None else ",".join(map(str, (*self.account[1:3], *self.account.groups)))
        # -I -S: neither the environment nor site-packages have a say in a process that may start as root.
        ours = [sys.executable, "-I", "-S", __file__, str(os.getpid()), who, *map(str, reach)]
        kept = {key: value for key, value in os.environ.items() if not key.startswith(_NOT_FOR_POSTGRES)}
        return subprocess.Popen(  # noqa: S603 - the programs are ours
            [*ours, "--", str(self._programs / name), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=kept,
            cwd="/",  # ours may be closed to the user
            pass_fds=(self._inherit,),
            start_new_session=True,  # Ctrl-C in the terminal reaches only us, who know the order to stop things in
        )

    def create_cluster(self, cluster: Path, *, role: str) -> int:
        """Run initdb with the superuser `role`, its random password in PASSWORD_FILE; the exit code of initdb.

        It works aside and renames at the end, so that the cluster is either whole, password and all, or not there.
        """
        for leftover in cluster.parent.glob(f"{cluster.name}.init-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{cluster.name}.init-", dir=cluster.parent))
        try:
            password = aside / "password"
            password.touch(mode=0o600)
            password.write_text(secrets.token_urlsafe(32))
            _sync(password)
            self.give(password)
            self.give(aside)
            arguments = [f"--username={role}", f"--pwfile={password}", "--auth=scram-sha-256", "--data-checksums"]
            arguments += ["--encoding=UTF8", *_locale(self._programs), "-D", str(aside / "cluster")]
            with self.run("initdb", arguments, reach=(aside,)) as process:
                try:
                    code = process.wait()
                except BaseException:  # Ctrl-C above all, which does not reach a session of its own
                    process.terminate()
                    process.wait()
                    raise
            if code == 0:
                password.rename(aside / "cluster" / PASSWORD_FILE)
                (aside / "cluster").rename(cluster)
                _sync(cluster)
                _sync(cluster.parent)
            return code
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def last_lines(self, count: int) -> list[str]:
        """What the programs of this launcher wrote last, at most 64 KiB of it."""
        end = os.fstat(self._log).st_size
        start = max(self._log_start, end - 65536)
        return os.pread(self._log, end - start, start).decode(errors="replace").splitlines()[-count:]


def serves(pid_file: Path, cluster: Path) -> bool:
    """Whether the process that a pid file names is a server of this cluster, or, where we may not look, can be one."""
    named = lines(pid_file)[:1]
    if sys.platform != "linux" or not named:
        return False  # without /proc PostgreSQL's own, more cautious check decides
    process = Path("/proc") / named[0].lstrip("-")
    try:
        return (process / "cwd").samefile(cluster)
    except PermissionError:  # as in a container, for the process of another user
        return lines(process / "comm") == ["postgres"]
    except OSError:
        return False


def lines(file: Path) -> list[str]:
    """The lines of a file that others write and remove; none where it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return file.read_text(errors="replace").splitlines()
    return []


def _locale(programs: Path) -> list[str]:
    """The flags of initdb by which `lower('Ä')` is `ä`, on every version where the system allows it."""
    asked = [str(programs / "postgres"), "--version"]  # the one question it answers root
    told = subprocess.run(asked, check=False, capture_output=True, text=True)  # noqa: S603 - the programs are ours
    found = re.search(r"\d+", told.stdout)
    version = int(found[0]) if found else 0  # what is wrong with it, initdb will tell in the log
    # A process of its own, because to try a locale is to change it for every thread.
    trial = [sys.executable, "-I", "-S", "-c", "import locale; locale.setlocale(locale.LC_ALL, 'C.UTF-8')"]
    tried = subprocess.run(trial, check=False, stderr=subprocess.DEVNULL)  # noqa: S603 - nor is this anyone else's
    flags = ["--locale=C.UTF-8" if tried.returncode == 0 else "--locale=C"]
    return [*flags, "--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if version >= _BUILTIN_SINCE else flags


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _account(entry: pwd.struct_passwd) -> Account:
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, groups)


def _give_tree(top: Path, account: Account) -> None:
    # Bottom up: a half-given tree still belongs to root at its top, so the next start finishes the work.
    for directory, directories, files in os.walk(top, topdown=False):
        for name in (*directories, *files):
            os.lchown(Path(directory) / name, account.uid, account.gid)
    os.lchown(top, account.uid, account.gid)


def main(argv: Sequence[str]) -> NoReturn:
    """Exec what `Launcher.run` described; exits with UNREACHABLE, or 1 and a line on standard error."""
    owner, who, *rest = argv
    end = rest.index("--")
    reach, (program, *arguments) = rest[:end], rest[end + 1 :]
    libc = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux":
        libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    # An ignored or blocked signal stays so across exec, and initdb would then outlive us.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    blocked = program
    try:
        if who != "-":
            _become(libc, *map(int, who.split(",")))
        for capability in _LEAST_RIGHTS_FIRST if who != "-" else (None,):
            if capability is not None and not _keep(libc, capability):
                continue
            closed = [directory for directory in reach if not _can_enter(directory)]
            if closed:
                blocked = closed[0]
                continue
            # Last, because every change of credentials clears the death signal.
            _die_with(libc, int(owner))
            try:
                os.execv(program, [program, *arguments])  # noqa: S606 - no shell is the point
            except PermissionError:
                blocked = program
    except OSError as error:
        sys.exit(f"cannot start {program}: {error}")
    sys.stderr.write(f"{blocked}\n")
    sys.exit(UNREACHABLE)


def _become(libc: ctypes.CDLL, uid: int, gid: int, *groups: int) -> None:
    """Change to an unprivileged user; the capabilities stay permitted, but none in effect, and exec drops them."""
    if sys.platform == "linux":
        _call(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups(groups)
    os.setgid(gid)
    os.setuid(uid)


def _keep(libc: ctypes.CDLL, capability: int) -> bool:
    """Take this one capability into effect and across exec (ambient); False where we may not have it."""
    if sys.platform != "linux":
        return False
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_V3, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: capabilities 0 to 31, then 32 to 63
    _call(libc.capget(header, sets))
    wanted = 1 << capability
    capabilities = (ctypes.c_uint32 * 6)(wanted | 1 << _CAP_SETPCAP, sets[1], wanted, 0, 0, 0)
    if libc.capset(header, capabilities) != 0:
        return False
    # PostgreSQL asks access() whether it can run its own programs, which leaves capabilities out for all but root
    # unless this secure bit is set. To set it takes a capability that goes again at once.
    bits = libc.prctl(_PR_GET_SECUREBITS, 0, 0, 0, 0) | _SECBIT_NO_SETUID_FIXUP
    results = [
        libc.prctl(_PR_SET_SECUREBITS, bits, 0, 0, 0),
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0),
    ]
    capabilities[0] = wanted
    return not any([*results, libc.capset(header, capabilities)])


def _can_enter(directory: str) -> bool:
    # The kernel's own answer under the rights we have now: it knows of access lists, mode bits alone do not.
    try:
        os.stat(f"{directory}/.")  # noqa: PTH116 - pathlib drops the dot that asks for the right to search
    except PermissionError:
        return False
    return True


def _die_with(libc: ctypes.CDLL, owner: int) -> None:
    if sys.platform == "linux":
        _call(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0))
    if os.getppid() != owner:
        sys.exit("the owner ended before the server began")


def _call(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(sys.argv[1:])
