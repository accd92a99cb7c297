"""`cockpit ingest FILE`: entities from a file, a row each, many at a time. Again it goes on, or adds nothing."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated, BinaryIO, Literal

import msgspec
import typer
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from cockpit import logs
from cockpit.services import writers
from cockpit.sheets import BadSheet, Layout, Sheet, json_rows, shown
from db.connect import database, look, prepare
from db.pool import Dsns
from shared.core.errors import CockpitError, FieldError, Invalid, Unavailable
from shared.core.events import Kind, Metadata
from shared.settings import Settings
from write_side import ids
from write_side.command_ids import command_ids
from write_side.external_key import SOURCE
from write_side.handler import Handler
from write_side.ingest import CHUNK_BYTES, CHUNK_ROWS, Ingest, Row, Told

Format = Literal["csv", "ndjson"]
FORMATS: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
VERDICTS = {
    "registered": "new",
    "revised": "revised",
    "unchanged": "unchanged",
    "replayed": "done before",
    "refused": "refused",
}

console = Console(stderr=True)
out = Console()


class ErrorsNotWritable(CockpitError):
    """Refused rows cannot go into {path}: {reason}. Name another file with --errors, and run it again to go on."""

    def __init__(self, path: Path, error: OSError) -> None:
        self.path, self.reason = path, error.strerror


class Job(Struct, frozen=True, kw_only=True):
    """What is asked for: which file, how it is written, under which name its rows are remembered."""

    name: str
    format: Format
    source: str
    layout: Layout
    errors: Path
    actor: str
    dry_run: bool


def ingest(
    file: Annotated[str, typer.Argument(help="A CSV or NDJSON file; - reads from standard input.")],
    *,
    format_: Annotated[Format | None, typer.Option("--format", help="What it is. [default: by its name]")] = None,
    source: Annotated[
        str | None,
        typer.Option(help="Whose ids the external_ids are, and whose rows these. [default: the file's name]"),
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(help='CSV: "HEADER=field", again for more; "HEADER=" leaves a column out.')
    ] = None,
    map_: Annotated[Path | None, typer.Option("--map", help='The same as a JSON file: {"HEADER": "field"}.')] = None,
    delimiter: Annotated[str, typer.Option(help="CSV: what stands between cells; \\t is a tab.")] = ",",
    encoding: Annotated[str, typer.Option(help="CSV: how characters are written.")] = "utf-8",
    null: Annotated[str | None, typer.Option(help="CSV: what a cell says to remove a detail.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide every row, and append nothing.")] = False,
    errors: Annotated[Path | None, typer.Option(help="Where refused rows go. [default: FILE.errors.ndjson]")] = None,
    actor: Annotated[str, typer.Option(help="Who the log says it was.")] = "ingest",
) -> None:
    """Register and revise entities from a file; a file that was taken in before adds nothing."""
    path = None if file == "-" else Path(file)
    job = Job(
        name=file,
        format=_format(file, format_),
        source=_source(file, source),
        layout=Layout(
            delimiter="\t" if delimiter == "\\t" or (file.endswith(".tsv") and delimiter == ",") else delimiter,
            encoding=encoding,
            null=null,
            columns=_columns(column or [], map_),
        ),
        errors=errors or Path(f"{'stdin' if path is None else file}.errors.ndjson"),
        actor=actor,
        dry_run=dry_run,
    )
    if path is not None and job.errors.exists() and path.exists() and job.errors.samefile(path):
        raise BadSheet(file, "the refused rows cannot go into the file itself.")
    settings = Settings()
    if settings.log_level == "info":  # a line a batch would write over the progress
        logs.configure("warning")
    with ExitStack() as stack:
        raw = sys.stdin.buffer if path is None else stack.enter_context(path.open("rb"))
        found = stack.enter_context(database(settings))
        size = path.stat().st_size if path is not None and path.is_file() else None
        dsns = (look if dry_run else prepare)(found.conninfo, settings)
        counts = asyncio.run(_run(job, raw, size, dsns, settings))
    told = ", ".join(f"{counts[verdict]:,} {word}" for verdict, word in VERDICTS.items())
    where = f" (see {job.errors})" if counts["refused"] else ""
    out.print(
        f"{'Dry run, nothing appended: ' if dry_run else ''}{counts.total():,} rows: {told}{where}.",
        soft_wrap=True,
        markup=False,
    )
    raise typer.Exit(1 if counts["refused"] else 0)


async def _run(job: Job, raw: BinaryIO, size: int | None, dsns: Dsns, settings: Settings) -> Counter[str]:
    """Take all rows in and return how many had which verdict. Raises Unavailable when the database stays away."""
    counts: Counter[str] = Counter()
    async with AsyncExitStack() as stack:
        writing = await stack.enter_async_context(writers(dsns, settings))
        handler = await stack.enter_async_context(writing.rehearse()) if job.dry_run else writing.handler
        rows = await _rows(job, raw, handler, settings.max_body_bytes)
        names = stack.enter_context(command_ids("file", job.source))
        keep = stack.enter_context(_errors(job.errors))
        tell = stack.enter_context(_progress(raw, size))
        metadata = Metadata(actor=job.actor, request_id=str(ids.uuid7()))
        async for told in Ingest(handler, metadata=metadata, names=names).execute(_chunks(rows)):
            for one in told:
                if isinstance(one.refusal, Unavailable):
                    raise Unavailable(
                        f"{one.refusal} Row by row up to line {one.row.line} all is in: run it again to go on."
                    )
            counts.update(one.verdict for one in told)
            keep(told)
            tell(counts)
    return counts


async def _rows(job: Job, raw: BinaryIO, handler: Handler, limit: int) -> Iterator[Row]:
    """Return the rows of the file. Raises BadSheet for a column that is neither a field nor a detail type there is."""
    if job.format == "ndjson":
        return json_rows(raw, job.source, limit)
    sheet = Sheet(job.name, raw, job.layout, limit)
    types = (await handler.types()).types
    unknown = sorted(code for code in sheet.codes if (Kind.DETAIL, code) not in types)
    if unknown:
        raise BadSheet(job.name, f"unknown column, and no detail type: {', '.join(unknown)}.")
    return sheet.rows(job.source)


async def _chunks(rows: Iterable[Row]) -> AsyncIterator[list[Row]]:
    chunk, size = [], 0
    broken: BadSheet | None = None
    try:
        for row in rows:
            chunk.append(row)
            size += row.size
            if len(chunk) == CHUNK_ROWS or size > CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
    except BadSheet as error:  # what stands before it goes in
        broken = error
    yield chunk
    if broken is not None:
        raise broken


def _format(file: str, given: Format | None) -> Format:
    found = given or FORMATS.get(Path(file).suffix.lower())
    if found is None:
        raise typer.BadParameter("Say which: csv or ndjson.", param_hint="--format")
    return found


def _source(file: str, given: str | None) -> str:
    if given is None and file == "-":
        raise typer.BadParameter("Required where the rows come from standard input.", param_hint="--source")
    source = Path(file).name if given is None else given
    if not SOURCE.fullmatch(source):
        raise typer.BadParameter(f"{source!r}: 1 to 50 of A-Z, a-z, 0-9, _ . -", param_hint="--source")
    return source


def _columns(given: Sequence[str], file: Path | None) -> dict[str, str]:
    """Return which header means which field."""
    columns: dict[str, str] = {}
    if file is not None:
        try:
            columns |= msgspec.json.decode(file.read_bytes(), type=dict[str, str])
        except msgspec.MsgspecError as error:
            raise typer.BadParameter(f"{file}: {error}", param_hint="--map") from None
    for pair in given:
        header, is_pair, field = pair.rpartition("=")
        if not is_pair:
            raise typer.BadParameter(f"{pair!r}: write it as HEADER=field.", param_hint="--column")
        columns[header.strip()] = field.strip()
    return columns


@contextmanager
def _errors(path: Path) -> Iterator[Callable[[Sequence[Told]], None]]:
    """Yield what keeps refused rows in a file, which is there only when there are any; an earlier run's is replaced.

    Raises ErrorsNotWritable.
    """
    with ExitStack() as stack:
        if path.is_file():
            with _to(path):
                path.unlink()
        opened: list[BinaryIO] = []

        def keep(told: Sequence[Told]) -> None:
            refused = [_refused(one, one.refusal) for one in told if one.refusal is not None]
            with _to(path):
                if refused and not opened:
                    opened.append(stack.enter_context(path.open("wb")))
                for line in refused:
                    opened[0].write(line)
                if refused:
                    opened[0].flush()

        yield keep


@contextmanager
def _to(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ErrorsNotWritable(path, error) from error


def _refused(told: Told, refusal: CockpitError) -> bytes:
    fields = (
        refusal.errors if isinstance(refusal, Invalid) else [FieldError("non_field_errors", str(refusal), refusal.code)]
    )
    errors = [error._asdict() for error in fields]
    return msgspec.json.encode({"line": told.row.line, "errors": errors, "row": shown(told.row.raw)}) + b"\n"


@contextmanager
def _progress(raw: BinaryIO, size: int | None) -> Iterator[Callable[[Counter[str]], None]]:
    """Yield what shows how far it is: by bytes where the size is known, with rows a second and the time left."""
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=size, told="")
        begun = perf_counter()

        def tell(counts: Counter[str]) -> None:
            rows = counts.total()
            told = " · ".join(f"{counts[verdict]:,} {word}" for verdict, word in VERDICTS.items() if counts[verdict])
            rate = rows / max(perf_counter() - begun, 0.001)
            done = raw.tell() if size is not None else rows
            progress.update(task, completed=done, told=f"{rows:,} rows · {rate:,.0f}/s · {told}")

        yield tell
