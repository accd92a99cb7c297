"""How a stream that cannot be folded is told to whoever sends a command: its entity is parked, nothing is lost."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from shared.core.errors import CannotFold, EntityParked, KeyParked, Unavailable
from shared.core.events import external_key_of, uid_of

if TYPE_CHECKING:
    from collections.abc import Iterator

RETRY_SECONDS = 60
"""When to come back where it takes another release."""


@contextmanager
def parked(stream: str) -> Iterator[None]:
    """Make CannotFold, in a block that folds a stream, EntityParked or KeyParked; of the types, Unavailable."""
    try:
        yield
    except CannotFold as error:
        uid = uid_of(stream)
        if uid is not None:
            raise EntityParked(uid, error.position, error.reason) from error
        key = external_key_of(stream)
        if key is not None:
            raise KeyParked(*key, error.position, error.reason) from error
        reason = (
            f"Event {error.position} of the {stream} stream cannot be folded ({error.reason}): until a release that"
            " knows it is installed no command can be decided."
        )
        raise Unavailable(reason, retry_after=RETRY_SECONDS) from error
