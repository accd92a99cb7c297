"""The query string of a request, taken apart once: whoever answers it asks for it several times."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import parse_qsl

KEPT = 1024
"""How many query strings are kept as they were read."""
KEPT_BYTES = 512
"""A longer one is read each time."""

Pairs = tuple[tuple[str, str], ...]


def pairs(query_string: bytes) -> Pairs:
    """Return the names and values of a query string, in the order they were written.

    >>> pairs(b"q=a+b&type=&q=%C3%A4")
    (('q', 'a b'), ('type', ''), ('q', 'ä'))
    """
    return (_pairs if len(query_string) <= KEPT_BYTES else _pairs.__wrapped__)(query_string)


@lru_cache(maxsize=KEPT)
def _pairs(query_string: bytes) -> Pairs:
    return tuple(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True))
