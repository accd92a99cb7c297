"""`cockpit export` and `cockpit import`: lists out, for programs and for people; a log out, and in again elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cockpit.exporting import Exported, Format, What, export, sources
from cockpit.output import opened
from db.connect import database, look, prepare
from db.log_import import import_log
from read_side.questions import LATEST, Asked, Known
from shared.core.errors import invalid
from shared.http.instants import parse_instant
from shared.settings import Settings

if TYPE_CHECKING:
    from db.pool import Dsns

console = Console(stderr=True)
STANDARD_INPUT = Path("-")
NAMES = {"audit": "audit entries"}
"""What the items of a list are called, where it is not by the list."""


def export_command(
    what: Annotated[What, typer.Argument(help="The list to write.")],
    as_of: Annotated[str | None, typer.Option(help="Entities at this instant of valid time; now when absent.")] = None,
    known_at: Annotated[str | None, typer.Option(help="As known at this instant; the latest when absent.")] = None,
    position: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="The same, exactly: as known at this position.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="Lines for programs, or a table for people.")] = "ndjson",
    output: Annotated[Path | None, typer.Option(help="The file to write; standard output when absent.")] = None,
) -> None:
    """Write entities, versions, the log's events or the audit trail, as of one point, however long it takes."""
    asked = _asked(what, as_of, known_at, position)
    settings = Settings()

    async def run(dsns: Dsns, write: Callable[[bytes], object], tell: Callable[[int], None]) -> Exported:
        async with sources(dsns, settings) as found:
            return await export(found, what, asked, form, write, tell)

    shown = output is not None or not sys.stdout.isatty()  # else it would stand between the lines
    try:
        with database(settings) as found, opened(output) as to, _progress(f"Exporting {what}", shown=shown) as tell:
            done = asyncio.run(run(look(found.conninfo, settings), to.write, tell))
    except BrokenPipeError:
        raise typer.Exit(1) from None
    _say(f"{done.items} {NAMES.get(what, what)} exported, as known at position {done.position}.")
    if done.warning is not None:
        _say(f"Incomplete: {done.warning}.")
    if done.position < done.head and asked.known == LATEST:
        _say(f"The log goes on to position {done.head}: the read model is behind it.")


def import_command(
    file: Annotated[Path, typer.Argument(help="What `cockpit export events` wrote; - for standard input.")],
) -> None:
    """Bring an exported log, verbatim, into an empty database; the projector folds it then."""
    settings = Settings()
    with database(settings, create=True) as found, _progress("Importing events") as tell:
        prepare(found.conninfo, settings)
        if file == STANDARD_INPUT:
            count = import_log(found.conninfo, "standard input", sys.stdin.buffer, tell)
        else:
            with file.open("rb") as lines:
                count = import_log(found.conninfo, str(file), lines, tell)
    _say(f"{count} events imported.")


def _asked(what: What, as_of: str | None, known_at: str | None, position: int | None) -> Asked:
    """Return the point that is asked for. Raises Invalid."""
    if as_of is not None and what != "entities":
        raise invalid("--as-of", f"Entities alone are exported at an instant of valid time, {what} are not.")
    if known_at is not None and position is not None:
        raise invalid("--known-at", "Given beside --position: one of them says what was known.")
    instant = None if known_at is None else parse_instant("--known-at", known_at)
    is_latest = instant is None and position is None
    return Asked(
        as_of=None if as_of is None else parse_instant("--as-of", as_of),
        known=LATEST if is_latest else Known(position=position, instant=instant, parameter="--known-at"),
    )


@contextmanager
def _progress(doing: str, *, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """Yield what is told how many there are so far; a terminal shows it."""
    if not (shown and console.is_terminal):
        yield lambda _: None
        return
    with console.status(doing) as status:
        yield lambda count: status.update(f"{doing}: {count}")


def _say(line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True, markup=False)
