"""Whether a client takes what we have: RFC 9110, 12.5.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def takes(accept: str | None, media_types: Sequence[str]) -> bool:
    """Say whether an Accept header, its lines joined by commas, takes one of the media types; without one all is taken.

    What names a type most specifically has the weight that counts.

    >>> [takes(given, ["text/csv"]) for given in ("a/b, text/*;q=0.5", "a/b", "*/*, text/csv;q=0")]
    [True, False, False]
    """
    given = [part for part in (accept or "").split(",") if part.strip()]
    if not given:
        return True
    weights = dict(map(_weighed, given))
    return any(_weight(media_type, weights) > 0 for media_type in media_types)


def _weight(media_type: str, weights: Mapping[str, float]) -> float:
    ranges = media_type, f"{media_type.partition('/')[0]}/*", "*/*"
    return next((weights[name] for name in ranges if name in weights), 0.0)


def _weighed(given: str) -> tuple[str, float]:
    """Return one media range and its weight; a weight that cannot be read counts as 1."""
    name, *parameters = (part.strip().lower() for part in given.split(";"))
    weight = next((part.removeprefix("q=") for part in parameters if part.startswith("q=")), "1")
    try:
        return name, float(weight)
    except ValueError:
        return name, 1.0
