"""Every command by its name, and the one place that imports them: a command's module is loaded when it is called.

Each command is a process of its own, and most of its start was to load what other commands need.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "backup": "cockpit.backup_cli:backup_command",
    "restore": "cockpit.backup_cli:restore_command",
    "export": "cockpit.export_cli:export_command",
    "import": "cockpit.export_cli:import_command",
    "rebuild": "cockpit.rebuild_cli:rebuild",
    "tidy": "cockpit.receipts_cli:tidy",
    "ingest": "cockpit.ingest_cli:ingest",
    "serve": "cockpit.serve_cli:serve",
    "api": "cockpit.serve_cli:api",
    "project": "cockpit.project_cli:project",
    "verify": "cockpit.verify_cli:verify_command",
    "migrate": "cockpit.database_cli:migrate_command",
    "fixtures": "cockpit.fixtures_cli:fixtures",
    "status": "cockpit.database_cli:status",
    "openapi": "cockpit.openapi:openapi",
    "shell": "cockpit.database_cli:shell",
    "user": "cockpit.accounts_cli:user",
    "token": "cockpit.accounts_cli:token",
    "parked": "cockpit.parked_cli:parked",
}
"""Where each command is, a function or a group of its own, in the order of the help."""


class Commands(TyperGroup):
    """The group of all commands: it knows their names, and loads one when it is asked for."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401  # what typer gives a group
        super().__init__(**attributes | {"commands": {name: TyperCommand(name) for name in COMMANDS}})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401  # click's own types are not typer's to give
        """Return a command with all that belongs to it; None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = getattr(import_module(module), attribute)
        alone = typer.Typer(add_completion=False)
        if isinstance(found, typer.Typer):
            alone.add_typer(found, name=cmd_name)
        else:
            alone.command(cmd_name)(found)
        return typer.main.get_group(alone).get_command(ctx, cmd_name)
