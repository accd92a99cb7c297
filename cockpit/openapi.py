"""The OpenAPI document of the whole service as text: what `cockpit openapi` prints and the repository keeps."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from cockpit.app import build_app
from db.pool import Dsns
from shared.core.errors import CockpitError
from shared.settings import Settings


class OutOfDate(CockpitError):
    """{path} is not the document of this code: `make openapi` writes it anew."""

    def __init__(self, path: object) -> None:
        self.path = path


def render() -> str:
    """Return the document, its keys sorted; it is the same whatever the settings."""
    spec = build_app(Settings(), Dsns("")).openapi()
    return json.dumps(spec, sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def openapi(
    check: Annotated[Path | None, typer.Option(help="Compare a file with the document instead of printing it.")] = None,
) -> None:
    """Print the OpenAPI document of the API."""
    text = render()
    if check is None:
        sys.stdout.write(text)
    elif not check.is_file() or check.read_text(encoding="utf-8") != text:
        raise OutOfDate(check)
