"""The `cockpit` command line: what an operator can do, one function a command."""

from __future__ import annotations

import sys

import psycopg
import typer
from pydantic import ValidationError

from cockpit import logs, misspelt
from cockpit.commands import Commands
from cockpit.output import plain
from db.migrate import MigrationError
from shared.core.errors import CockpitError
from shared.settings import Settings

cli = typer.Typer(
    cls=Commands,
    name="cockpit",
    help="Cockpit: a CRM core that never forgets. `cockpit serve` runs everything; the rest is for operators.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.callback()
def main_options() -> None:
    """Settings come from the environment or .env: see the README's table."""


def main() -> None:
    """Run the command line; what an operator can mend is one line on standard error and exit code 1."""
    try:
        logs.configure(Settings().log_level)
        misspelt.warn()
        cli()
    except ValidationError as error:
        for item in error.errors():
            names = "_".join(str(part) for part in item["loc"]).upper()
            print(f"cockpit: COCKPIT_{names}: {item['msg']}", file=sys.stderr)  # noqa: T201
    except (CockpitError, MigrationError) as error:
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
