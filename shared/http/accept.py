"""Whether a client takes what we have, which is JSON: RFC 9110, 12.5.1."""

from __future__ import annotations

RANGES = ("application/json", "application/*", "*/*")
"""What names JSON, the most specific first: its weight is the one that counts."""


def takes_json(accept: str | None) -> bool:
    """Say whether an Accept header, its lines joined by commas, takes application/json; without one all is taken.

    >>> takes_json("text/html, application/*;q=0.5"), takes_json("text/html"), takes_json("*/*, application/json;q=0")
    (True, False, False)
    """
    given = [part for part in (accept or "").split(",") if part.strip()]
    if not given:
        return True
    weights = dict(map(_weighed, given))
    return next((weights[name] > 0 for name in RANGES if name in weights), False)


def _weighed(given: str) -> tuple[str, float]:
    """Return one media range and its weight; a weight that cannot be read counts as 1."""
    name, *parameters = (part.strip().lower() for part in given.split(";"))
    weight = next((part.removeprefix("q=") for part in parameters if part.startswith("q=")), "1")
    try:
        return name, float(weight)
    except ValueError:
        return name, 1.0
