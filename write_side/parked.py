"""How a stream that cannot be folded is told to whoever sends a command: its entity is parked, nothing is lost."""

from __future__ import annotations

from msgspec import Struct

from shared.core.errors import CannotFold, EntityParked, KeyParked, Unavailable
from shared.core.events import external_key_of, uid_of

RETRY_SECONDS = 60
"""When to come back where it takes another release."""


def parked(stream: str) -> Parked:
    """Make CannotFold, in a block that folds a stream, EntityParked or KeyParked; of the types, Unavailable."""
    return Parked(stream)


class Parked(Struct):
    """The block of `parked`."""

    stream: str

    def __enter__(self) -> None:
        """Let it begin."""

    def __exit__(self, _cls: object, error: object, _traceback: object) -> None:
        """Tell what could not be folded in words of whoever sends a command."""
        if not isinstance(error, CannotFold):
            return
        uid = uid_of(self.stream)
        if uid is not None:
            raise EntityParked(uid, error.position, error.reason) from error
        key = external_key_of(self.stream)
        if key is not None:
            raise KeyParked(*key, error.position, error.reason) from error
        reason = (
            f"Event {error.position} of the {self.stream} stream cannot be folded ({error.reason}): until a release"
            " that knows it is installed no command can be decided."
        )
        raise Unavailable(reason, retry_after=RETRY_SECONDS) from error
