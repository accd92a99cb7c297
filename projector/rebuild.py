"""A rebuild without downtime: another set of tables is made from the log beside the live one, compared, switched to.

Reads and writes go on throughout. Ended at any moment it leaves a set that nobody looks at, which the next one drops.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
from msgspec import Struct

from db.queries import statement
from projector.building import build
from projector.comparing import Difference, compare
from projector.following import Follower, following
from projector.loading import Share
from projector.sets import LIVE, NEXT, NOT_AS_FAR, PREVIOUS, Checkpoint, NotKept, Planned, Sets
from projector.shares import load_shared
from projector.worker import LEADER_LOCK
from shared.core.errors import CockpitError

if TYPE_CHECKING:
    from projector.runs import Phase, Run, Runs

SMALL_GAP = 200
"""How many events may be missing when the live set is held still for them."""
PATIENCE_SECONDS = 60.0
"""How long a lock that somebody else has is tried for, in short tries that keep nobody waiting."""
PAUSE_SECONDS = 0.2

Answer = TypeVar("Answer")


class NoSwitch(CockpitError):
    """The new set could not be switched to within {seconds:g} s: {reason}."""

    def __init__(self, seconds: float, reason: str) -> None:
        self.seconds, self.reason = seconds, reason


class Rebuilt(Struct, frozen=True):
    """What a rebuild came to: up to which position (so many events), how many rows, and where the live set differed.

    `compared` is false where the live set was of no use, `switched` where the new one was only to be compared.
    """

    position: int
    rows: int
    seconds: float
    compared: bool
    switched: bool
    differences: list[Difference]


class RolledBack(Struct, frozen=True):
    """The set before is the live one again, and as far as the one that is kept now in its place."""

    position: int
    seconds: float


class Rebuild:
    """One run, by way of a connection in autocommit mode that holds the lock of runs."""

    def __init__(self, connection: psycopg.Connection[Any], conninfo: str, runs: Runs, run: Run, jobs: int = 1) -> None:
        """Take the run, and how many processes may work at it at a time."""
        self._connection = connection
        self._jobs = jobs
        self._conninfo = conninfo
        self._sets = Sets(connection)
        self._runs = runs
        self._run = run
        self._started = time.monotonic()

    def rebuild(self, *, switch: bool) -> Rebuilt:
        """Make a new set, compare it with the live one, and let it take over unless that is not wanted.

        Raises CannotMakeSet, NoSwitch.
        """
        live = self._sets.live()
        planned = _patiently(self._sets.begin)
        rows = self._load(live)
        self._index(planned)
        differences: list[Difference] = []

        def outcome(position: int) -> Rebuilt:
            return Rebuilt(position, rows, self._seconds(), live is not None, switch, differences)

        with following(self._conninfo, NEXT) as follower:
            self._catch_up(follower)
            if live is not None:
                differences, rows = self._compare(follower, rows)
            position = self._switch(follower, NEXT, outcome) if switch else follower.position
        if switch:
            position = self._go_on(position)
        else:
            _patiently(lambda: self._sets.drop(NEXT))
        return outcome(position)

    def roll_back(self) -> RolledBack:
        """Let the set before take over again, once it is as far as the live one. Raises NotKept, CannotMakeSet."""
        if self._sets.checkpoint(PREVIOUS) is None:
            raise NotKept
        self._sets.revive()
        with following(self._conninfo, PREVIOUS) as follower:
            self._catch_up(follower)
            position = self._switch(follower, PREVIOUS, self._rolled_back)
        return self._rolled_back(position)

    def _rolled_back(self, position: int) -> RolledBack:
        return RolledBack(position, self._seconds())

    def _load(self, live: Checkpoint | None) -> int:
        """Fold the log up to where the live set stood when this began, and return how many rows that makes."""
        start = {"position": live and live.position, "clock_at": live and live.clock_at}
        row = self._connection.execute(statement("projector/begin_checkpoint"), start).fetchone()
        assert row is not None  # noqa: S101  # an insert returns its row
        up_to, clock, set_id = row
        whole = Share(set_id, up_to, clock)
        self._tell("load", 0, up_to)
        counted = load_shared(
            self._connection, self._conninfo, whole, self._jobs, lambda events: self._tell("load", events, up_to)
        )
        return counted.total()

    def _index(self, planned: list[Planned]) -> None:
        total = len(planned)
        self._tell("index", 0, total)
        build(self._conninfo, planned, self._jobs, _patiently, lambda number: self._tell("index", number, total))
        self._connection.execute(statement("projector/begin_marks"))  # else the live set waits for it

    def _catch_up(self, follower: Follower) -> None:
        """Bring a set near the live one."""
        start, goal = follower.position, self._goal()

        def told(position: int) -> None:
            self._tell("catch_up", position - start, max(goal, position) - start)

        told(start)
        self._come_near(follower, told)

    def _come_near(self, follower: Follower, told: Callable[[int], None] = lambda _: None) -> None:
        while (goal := self._goal()) - follower.position > SMALL_GAP:
            follower.up_to(goal, told)

    def _goal(self) -> int:
        """Return where the live set is; where that is of no use, where the log ends."""
        live = self._sets.live()
        return self._sets.head() if live is None else live.position

    def _compare(self, follower: Follower, rows: int) -> tuple[list[Difference], int]:
        """Compare both sets in one snapshot, taken while both are equally far; return also how many rows there are."""
        self._tell("compare", 0, rows)
        compared = 0

        def told(number: int) -> None:
            nonlocal compared
            compared = number
            self._tell("compare", number, max(rows, number))

        with psycopg.connect(self._conninfo) as snapshot:
            snapshot.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            self._meet(follower, lambda _: snapshot.execute("SELECT 1"))
            return compare(snapshot, self._conninfo, self._jobs, told), compared

    def _switch(self, follower: Follower, set_name: str, outcome: Callable[[int], Rebuilt | RolledBack]) -> int:
        """Let a set take over, and write down in the same transaction that it has: ended now, it is not done again."""
        self._tell("switch")

        def take_over(_live: Checkpoint | None) -> int:
            follower.pass_time()
            self._sets.switch(set_name)
            self._runs.record(self._run, outcome(follower.position))
            return follower.position

        return self._meet(follower, take_over)

    def _go_on(self, position: int) -> int:
        """Fold the rest of the log where no projector runs that would; return the position reached."""
        if self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", LEADER_LOCK).fetchone() != (True,):
            return position
        try:
            with following(self._conninfo, LIVE) as follower:
                head = self._sets.head()
                follower.up_to(head, lambda at: self._tell("switch", at, head))
                return follower.position
        finally:
            self._connection.execute("SELECT pg_advisory_unlock(%s, %s)", LEADER_LOCK)

    def _meet(self, follower: Follower, do: Callable[[Checkpoint | None], Answer]) -> Answer:
        """Do something while the live set stands still, the other one being just as far: it takes a moment."""

        def attempt() -> Answer:
            self._come_near(follower)
            with self._sets.held() as live:
                follower.up_to(self._sets.head() if live is None else live.position)
                return do(live)

        return _patiently(attempt)

    def _tell(self, phase: Phase, done: int = 0, total: int = 0) -> None:
        self._runs.tell(self._run, phase, done, total)

    def _seconds(self) -> float:
        return round(time.monotonic() - self._started, 3)


def _patiently(do: Callable[[], Answer]) -> Answer:
    """Do what needs a lock that others may have, again and again for a while. Raises NoSwitch."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return do()
        except psycopg.DatabaseError as error:
            is_in_the_way = isinstance(error, psycopg.errors.LockNotAvailable) or error.sqlstate == NOT_AS_FAR
            if not is_in_the_way:
                raise
            if time.monotonic() > give_up:
                raise NoSwitch(PATIENCE_SECONDS, error.diag.message_primary or str(error)) from error
        time.sleep(PAUSE_SECONDS)
