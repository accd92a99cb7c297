"""The `cockpit` command line: what an operator can do, one function a command."""

from __future__ import annotations

import asyncio
import code
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import psycopg
import typer
from pydantic import ValidationError
from rich.console import Console

from cockpit import logs
from cockpit.accounts_cli import token, user
from cockpit.backup_cli import backup_command, restore_command
from cockpit.export_cli import export_command, import_command
from cockpit.fixtures import load
from cockpit.ingest_cli import ingest
from cockpit.openapi import OutOfDate, render
from cockpit.parked_cli import parked, plain
from cockpit.rebuild_cli import rebuild
from cockpit.receipts_cli import tidy
from cockpit.serve import Parts, bind, run
from cockpit.services import writers
from db.accounts import Accounts
from db.connect import database, prepare
from db.migrate import MigrationError, migrate
from db.queries import statement
from projector.verify import verify
from projector.worker import NotDirectError
from shared.core.errors import CockpitError
from shared.settings import Settings

cli = typer.Typer(
    name="cockpit",
    help="Cockpit: a CRM core that never forgets. `cockpit serve` runs everything; the rest is for operators.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.add_typer(user, name="user")
cli.add_typer(token, name="token")
cli.add_typer(parked, name="parked")
cli.command("backup")(backup_command)
cli.command("restore")(restore_command)
cli.command("export")(export_command)
cli.command("import")(import_command)
cli.command()(rebuild)
cli.command()(tidy)
cli.command()(ingest)
console = Console(stderr=True)
out = Console()


@asynccontextmanager
async def open_accounts() -> AsyncIterator[Accounts]:
    """Yield the accounts of the database that the settings name."""
    settings = Settings()
    with database(settings) as found:
        async with writers(prepare(found.conninfo, settings), settings) as writing:
            yield writing.accounts


@cli.callback()
def main_options(context: typer.Context) -> None:
    """Settings come from the environment or .env: see the README's table."""
    context.obj = open_accounts


@cli.command()
def serve(
    *, reload: Annotated[bool, typer.Option("--reload", help="Start anew when a source file is saved.")] = False
) -> None:
    """Run everything in one process: database (unless you have your own), projector, API. Ctrl-C stops it."""
    if reload:
        os.execv(sys.executable, [sys.executable, "-m", "cockpit.reload"])  # noqa: S606  # no shell is the point
    settings = Settings()
    with bind(settings) as listening, database(settings, join=False) as found:
        dsns = prepare(found.conninfo, settings)
        fixtures = settings.environment != "production"
        run(settings, dsns, Parts(api="both", projector=True, fixtures=fixtures), on=listening, database=found)


@cli.command()
def api(
    side: Annotated[Literal["write", "read", "both"], typer.Option(help="Which half of the API to serve.")] = "both",
) -> None:
    """Run the API alone; a projector runs elsewhere."""
    settings = Settings()
    with bind(settings) as listening, database(settings) as found:
        run(settings, prepare(found.conninfo, settings), Parts(api=side), on=listening, database=found)


@cli.command()
def project() -> None:
    """Run the projector alone; of several one leads, the others wait."""
    settings = Settings()
    with database(settings) as found:
        run(settings, prepare(found.conninfo, settings), Parts(projector=True), on=None, database=found)


@cli.command("verify")
def verify_command() -> None:
    """Compare the read model with a fresh fold of the log, and the log with its chain; exit 1 where they differ."""
    settings = Settings()
    with database(settings) as found, console.status("Folding the log"):
        right = verify(prepare(found.conninfo, settings).of("project"))
    out.print(str(right))


@cli.command("migrate")
def migrate_command() -> None:
    """Bring the database's schema and roles up to date."""
    settings = Settings()
    with database(settings) as found:
        applied = migrate(found.conninfo)
        prepare(found.conninfo, settings)
    out.print(f"Applied: {', '.join(applied)}." if applied else "Nothing to do: the schema is up to date.")


@cli.command()
def fixtures() -> None:
    """Load the sample data; what is there already is left as it is. Refused in production."""
    settings = Settings()
    if settings.environment == "production":
        _fail("Sample data, with its well-known passwords, is not for production.")

    async def load_into(conninfo: str) -> int:
        async with writers(prepare(conninfo, settings), settings) as writing:
            return await load(writing.handler, writing.accounts)

    with database(settings) as found:
        appended = asyncio.run(load_into(found.conninfo))
    out.print(f"{appended} events appended.")


@cli.command()
def status() -> None:
    """Say how far the log and the read model are, and whether a projector runs."""
    settings = Settings()
    with database(settings) as found:
        dsns = prepare(found.conninfo, settings)
        with psycopg.connect(dsns.of("read"), row_factory=psycopg.rows.dict_row) as connection:
            known = connection.execute(statement("read/get_health")).fetchone() or {}
            rebuilding = connection.execute(statement("read/get_rebuild")).fetchone() or {}
    out.print(f"PostgreSQL   {known['postgresql_version']}")
    out.print(f"log          position {known['head_position']}")
    out.print(f"read model   position {known['checkpoint']}, {known['head_position'] - known['checkpoint']} behind")
    of = f" of {known['parked_streams']} streams: cockpit parked list" if known["parked"] else ""
    out.print(f"parked       {known['parked']} events{of}")
    out.print(f"projector    {'leads' if known['has_projector'] else 'none is running'}")
    if rebuilding["phase"] is not None:
        out.print(f"rebuild      {rebuilding['phase']}: {rebuilding['done']} of {rebuilding['total']}")
    if rebuilding["previous"] is not None:
        out.print(f"kept         the tables before the last rebuild, at position {rebuilding['previous']}")


@cli.command()
def openapi(
    check: Annotated[Path | None, typer.Option(help="Compare a file with the document instead of printing it.")] = None,
) -> None:
    """Print the OpenAPI document of the API."""
    text = render()
    if check is None:
        sys.stdout.write(text)
    elif not check.is_file() or check.read_text(encoding="utf-8") != text:
        raise OutOfDate(check)


@cli.command()
def shell() -> None:
    """Open a Python prompt with a connection that reads: `query('SELECT * FROM entity_version')`."""
    settings = Settings()
    with database(settings) as found:
        dsns = prepare(found.conninfo, settings)
        with psycopg.connect(dsns.of("read"), autocommit=True, row_factory=psycopg.rows.dict_row) as connection:

            def query(sql: str) -> list[dict[str, object]]:
                return connection.execute(sql.encode()).fetchall()

            names = {"connection": connection, "query": query, "settings": settings}
            code.interact(banner="query('SELECT …') reads tables and log; Ctrl-D ends.", local=names, exitmsg="")


def _fail(line: str) -> NoReturn:
    console.print(line, style="red", highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(1)


def main() -> None:
    """Run the command line; what an operator can mend is one line on standard error and exit code 1."""
    try:
        logs.configure(Settings().log_level)
        cli()
    except ValidationError as error:
        for item in error.errors():
            names = "_".join(str(part) for part in item["loc"]).upper()
            print(f"cockpit: COCKPIT_{names}: {item['msg']}", file=sys.stderr)  # noqa: T201
    except (CockpitError, MigrationError, NotDirectError) as error:
        print(f"cockpit: {plain(str(error))}", file=sys.stderr)  # noqa: T201
    except psycopg.OperationalError as error:
        print(f"cockpit: the database does not answer: {str(error).splitlines()[0]}", file=sys.stderr)  # noqa: T201
    except OSError as error:
        print(f"cockpit: {error}", file=sys.stderr)  # noqa: T201
    except KeyboardInterrupt:
        sys.exit(130)
    else:
        return
    sys.exit(1)


if __name__ == "__main__":
    main()
