"""`cockpit rebuild`: the read model made anew while everything goes on, told as it goes."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from db.connect import database, prepare
from projector import runs
from projector.comparing import Difference
from projector.perform import Outcome, perform
from projector.rebuild import Rebuilt, RolledBack
from projector.runs import RunKind, Runs
from projector.sets import PREVIOUS, Sets
from shared.settings import Settings

out = Console(soft_wrap=True, highlight=False)
console = Console(stderr=True)
PHASES = {
    "load": ("Loading", "events"),
    "index": ("Indexing", "objects"),
    "catch_up": ("Catching up", "events"),
    "compare": ("Comparing", "rows"),
    "switch": ("Switching", ""),
}
LINE_SECONDS = 5.0


def rebuild(
    *,
    check: Annotated[bool, typer.Option("--check", help="Only compare; exit 1 where the tables differ.")] = False,
    entity: Annotated[UUID | None, typer.Option(help="Make the rows of one entity anew, and nothing else.")] = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Go back to the set of tables before.")] = False,
    discard: Annotated[bool, typer.Option("--discard", help="Drop the set of tables before.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="How many processes may work at a time.", show_default="all processors but one"),
    ] = None,
) -> None:
    """Fold the whole log into new tables, beside the old ones and without downtime, and switch to them."""
    if sum((check, entity is not None, rollback, discard)) > 1:
        raise typer.BadParameter("--check, --entity, --rollback and --discard exclude one another.")
    kind: RunKind = "check" if check else "rollback" if rollback else "rebuild" if entity is None else "entity"
    settings = Settings()
    with database(settings) as found:
        conninfo = runs.own(prepare(found.conninfo, settings).of("project"))
        with psycopg.connect(conninfo, autocommit=True) as connection, _progress() as tell:
            doing = Runs(connection, tell)
            doing.take()
            if discard:
                _discard(Sets(connection))
                return
            outcome = perform(connection, conninfo, doing, doing.add(kind, getpass.getuser(), entity), jobs)
    _tell_outcome(outcome)
    if check and isinstance(outcome, Rebuilt) and (outcome.differences or not outcome.compared):
        raise typer.Exit(1)


def _discard(sets: Sets) -> None:
    is_kept = sets.checkpoint(PREVIOUS) is not None
    sets.drop(PREVIOUS)
    out.print("The set of tables before is dropped." if is_kept else "No set of tables was kept.")


def _tell_outcome(outcome: Outcome) -> None:
    if isinstance(outcome, RolledBack):
        out.print(f"The set of tables before is live again, at position {outcome.position}: {outcome.seconds:.1f} s.")
    elif isinstance(outcome, Rebuilt):
        for difference in outcome.differences:
            console.print(_sentence(difference), style="red", highlight=False, soft_wrap=True, markup=False)
        if not outcome.compared:
            console.print("The tables that were there could not be compared.", style="red")
        differing = sum(difference.rows for difference in outcome.differences)
        what = "Rebuilt" if outcome.switched else "Compared"
        counted = f"{outcome.position} events, {outcome.rows} rows, {outcome.seconds:.1f} s"
        out.print(f"{what}: {counted}, {differing} rows differed.")
    else:
        for position, reason in outcome.parked:
            console.print(f"Event {position} is parked: {reason}", style="red", highlight=False, markup=False)
        out.print(
            f"Rebuilt: {outcome.events} events, {outcome.rows} rows, {len(outcome.parked)} parked, up to position"
            f" {outcome.position}."
        )


def _sentence(difference: Difference) -> str:
    return (
        f"{difference.table}: {difference.rows} rows differ, first {difference.key}, {difference.column}:"
        f" was {difference.live!r}, the log says {difference.anew!r}."
    )


class _Rate(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "")


@contextmanager
def _progress() -> Iterator[Callable[[runs.Progress], None]]:
    """Give what hears of progress: a bar where somebody looks, else a line now and then; both on standard error."""
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:,.0f} of {task.total:,.0f}"))
    with Progress(*columns, _Rate(), TimeRemainingColumn(), console=console, transient=True) as bars:
        bar = bars.add_task("Rebuilding", total=0)
        phase = ""

        def tell(progress: runs.Progress) -> None:
            nonlocal phase
            if progress.phase != phase and progress.phase in PHASES:
                phase = progress.phase
                bars.reset(bar, description=PHASES[phase][0], total=progress.total, completed=progress.done)
            bars.update(bar, completed=progress.done, total=progress.total)

        yield tell


class _Lines:
    """Says each phase, and every few seconds how far it is, how fast, and how long it will take."""

    def __init__(self) -> None:
        self._phase = ""
        self._began = self._said = 0.0
        self._from = 0

    def __call__(self, progress: runs.Progress) -> None:
        now = time.monotonic()
        if progress.phase not in PHASES:
            return
        title, what = PHASES[progress.phase]
        if progress.phase != self._phase:
            self._phase, self._began, self._said, self._from = progress.phase, now, now, progress.done
            console.print(f"{title} {progress.total or ''} {what}".strip(), highlight=False)
        elif now - self._said >= LINE_SECONDS:
            self._said = now
            rate = (progress.done - self._from) / (now - self._began)
            left = f", {(progress.total - progress.done) / rate:.0f} s left" if rate else ""
            console.print(f"{title}: {progress.done} of {progress.total} {what}, {rate:.0f}/s{left}", highlight=False)
