"""`cockpit parked …`: what cannot be folded, from the command line: look, try again, or leave it out for good."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from getpass import getuser
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import psycopg
import typer
from pydantic import ValidationError

from cockpit.output import plain
from cockpit.services import writers
from db.connect import database, look, prepare
from db.queries import statement
from projector.refold import Refolded, refold_stream
from read_side import rows as shaped
from read_side.questions import Slice
from read_side.snapshots import FRONT
from shared.core.errors import CockpitError, Invalid
from shared.core.events import Context, Metadata
from shared.http.instants import show as instant
from shared.http.requests import LAST_POSITION, field_errors
from shared.http.shapes import encode
from shared.settings import Settings
from write_side.api.bodies import SkipEvent
from write_side.handler import Request
from write_side.skipping import Skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db.pool import Dsns

NOW = {"as_of": None}
Position = Annotated[int, typer.Argument(min=1, max=LAST_POSITION, help="The event's position in the log.")]

PAUSE_SECONDS = 0.3
"""Between streams that are folded anew."""
parked = typer.Typer(help="Parked events: those that cannot be folded.", no_args_is_help=True)


class NotParked(CockpitError):
    """No event is parked at position {position}."""

    def __init__(self, position: int) -> None:
        self.position = position


@parked.command("list")
def list_parked() -> None:
    """List the events that cannot be folded, a line each, with how many wait behind them."""
    everything = {**NOW, **Slice(size=1).params(), "limit": None}
    found = [shaped.parked(row[1:]) for row in _ask("read/list_parked", everything) if row[1] is not None]
    for event in found:
        told = (
            str(event.position),
            plain(event.stream),
            f"{plain(event.type)} in schema version {event.schema_version}",
            instant(event.recorded_at),
            f"{event.behind} behind",
            plain(event.reason),
        )
        typer.echo("  ".join(told))
    if not found:
        typer.echo("Nothing is parked.")


@parked.command("show")
def show(position: Position) -> None:
    """Print a parked event as it is stored, as JSON, with why it is parked and what is behind it."""
    (row,) = _ask("read/get_parked", {**NOW, "at": position})
    if row[0] is None:
        raise NotParked(position)
    text = json.dumps(json.loads(encode(shaped.parked_event(row))), indent=2, ensure_ascii=False)
    typer.echo(text.encode("utf-8", "backslashreplace").decode())  # half a surrogate pair is told as JSON has it


@parked.command("retry")
def retry(
    position: Annotated[
        int | None, typer.Argument(min=1, max=LAST_POSITION, help="A parked event: its stream is folded again.")
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every stream that is parked.")] = False,
) -> None:
    """Fold what is parked again, as after an update; exit 1 while some of it still cannot be."""
    if (position is None) != everything:
        raise typer.BadParameter("Give a position, or --all.")
    with _dsns() as dsns:
        found = asyncio.run(_retry(dsns.of("project"), position))
    for stream, refolded in found.items():
        if refolded.parked:
            ((first, reason), *behind) = refolded.parked
            typer.echo(f"{plain(stream)}: event {first} still is parked, {len(behind)} behind: {plain(reason)}")
        else:
            typer.echo(f"{plain(stream)}: nothing is parked any more, {refolded.events} events are folded.")
    if not found:
        typer.echo("Nothing is parked.")
    if any(refolded.parked for refolded in found.values()):
        raise typer.Exit(1)


@parked.command("skip")
def skip(
    position: Position,
    reason: Annotated[str, typer.Option(help="Why; the log keeps it.")],
    actor: Annotated[str | None, typer.Option(help="Who decides it. [default: who runs this]")] = None,
) -> None:
    """Leave the first parked event of an entity out for good; what is behind it is folded then."""
    who, why = _text("actor", getuser() if actor is None else actor), _text("reason", reason)
    request = Request(metadata=Metadata(actor=who, request_id=str(uuid4())), context=Context(reason=why))

    async def work(dsns: Dsns, settings: Settings) -> Skipped:
        async with writers(dsns, settings) as writing:
            return await writing.skipper.skip(position, request)

    with _dsns() as dsns:
        done = asyncio.run(work(dsns, Settings()))
    typer.echo(f"Event {position} is skipped, by event {done.event_id} at position {done.position}.")


def _text(name: str, given: str) -> str:
    """Return a text as the API takes a reason. Raises Invalid."""
    try:
        return SkipEvent(reason=given).reason
    except ValidationError as error:
        raise Invalid([wrong._replace(field=name) for wrong in field_errors(error)]) from None


async def _retry(conninfo: str, position: int | None) -> dict[str, Refolded]:
    """Return what came of each stream: that of a parked event, or all. Raises NotParked."""
    name = "projector/read_parked_streams" if position is None else "projector/find_parked_stream"
    found: dict[str, Refolded] = {}
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        streams = await (await connection.execute(statement(name), {"position": position})).fetchall()
        if position is not None and not streams:
            raise NotParked(position)
        for (stream,) in sorted(streams):
            if found:
                await asyncio.sleep(PAUSE_SECONDS)  # each stops the projector that leads for a moment: it must get on
            refolded = await refold_stream(connection, stream)
            if refolded is not None:
                found[stream] = refolded
    return found


@contextmanager
def _dsns(ready: Callable[[str, Settings], Dsns] = prepare) -> Iterator[Dsns]:
    settings = Settings()
    with database(settings) as found:
        yield ready(found.conninfo, settings)


def _ask(name: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with _dsns(look) as dsns, psycopg.connect(dsns.of("read")) as connection:
        return [row[FRONT:] for row in connection.execute(statement(name), parameters).fetchall()]
