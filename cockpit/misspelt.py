"""Settings that are none: a name that begins like ours and is not ours would be passed over without a word."""

from __future__ import annotations

import re
from difflib import get_close_matches

import structlog
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from shared.settings import Settings

PREFIX = "COCKPIT_"
NO_SETTINGS = re.compile(r"COCKPIT_(?:IMAGE|REBUILD_DSN|TEST_\w+)")
"""What compose.yaml, a rebuild and the tests read of their own."""

log = structlog.get_logger()


def warn() -> None:
    """Log a line for each name in the environment or .env that is no setting, with the one that is meant, perhaps."""
    known = [f"{PREFIX}{name.upper()}" for name in Settings.model_fields]
    given = {**EnvSettingsSource(Settings).env_vars, **DotEnvSettingsSource(Settings).env_vars}
    for name in sorted(map(str.upper, given)):
        if name.startswith(PREFIX) and name not in known and not NO_SETTINGS.fullmatch(name):
            nearest = get_close_matches(name, known, n=1)
            log.warning("not a setting: it is passed over", name=name, **{"nearest": nearest[0]} if nearest else {})
