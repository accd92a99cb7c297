"""The OpenAPI document of the whole service as text: what `cockpit openapi` prints and the repository keeps."""

from __future__ import annotations

import json

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
