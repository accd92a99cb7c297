"""Which of the media types that we have a client prefers: RFC 9110, 12.5.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import isnan

ACCEPTS = 256
"""How many answers are kept: the browsers and libraries of a day send few different headers."""
KEPT_CHARACTERS = 512
"""A longer header is read each time."""


def takes(accept: str | None, media: Sequence[str]) -> str | None:
    """Return the one of these media types that an Accept header prefers, the first of those it likes equally well.

    The lines of the header are joined by commas; without one all is taken, and None means that nothing is.

    >>> JSON, CSV = have = "application/json", "text/csv"
    >>> takes("text/csv, */*;q=0.5", have) == CSV, takes("text/html, application/*;q=0.5", have) == JSON
    (True, True)
    >>> takes("*/*", have) == takes(None, have) == JSON, takes("text/html", have), takes("*/*, text/csv;q=0", [CSV])
    (True, None, None)
    """
    quick = accept is None or len(accept) <= KEPT_CHARACTERS
    return (_takes if quick else _takes.__wrapped__)(accept, tuple(media))


@lru_cache(maxsize=ACCEPTS)
def _takes(accept: str | None, media: tuple[str, ...]) -> str | None:
    given = [part for part in (accept or "").split(",") if part.strip()]
    if not given:
        return media[0]
    weights = dict(map(_weighed, given))
    found = max(media, key=lambda name: _weight(name, weights))
    return found if _weight(found, weights) > 0 else None


def _weight(media_type: str, weights: Mapping[str, float]) -> float:
    """Return the weight of the most specific range that names a media type."""
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((weights[name] for name in ranges if name in weights), 0.0)


def _weighed(given: str) -> tuple[str, float]:
    """Return one media range and its weight; a weight that cannot be read counts as 1."""
    name, *parameters = (part.strip().lower() for part in given.split(";"))
    weight = next((part.removeprefix("q=") for part in parameters if part.startswith("q=")), "1")
    try:
        found = float(weight)
    except ValueError:
        return name, 1.0
    return name, 1.0 if isnan(found) else found
