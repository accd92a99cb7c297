"""Every error of the domain: one base, data in attributes, the docstring as the message. HTTP is known elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from inspect import cleandoc
from typing import TYPE_CHECKING, NamedTuple

from msgspec import to_builtins

if TYPE_CHECKING:
    from uuid import UUID


class FieldError(NamedTuple):
    """One thing that is wrong with one field: its name, a sentence, and a code for programs."""

    field: str
    message: str
    code: str


class CockpitError(Exception):
    """Something the caller can understand and act upon; `warning` is what is to be known beside it."""

    code = "error"
    warning: str | None = None

    def __str__(self) -> str:
        """Return the class's docstring with the error's own data filled in."""
        data = {name: _written(value) for name, value in vars(self).items()}
        return cleandoc(type(self).__doc__ or "").format(**data)


def _written(value: object) -> object:
    """Return an instant as the API writes it, all else as it is."""
    return to_builtins(value.astimezone(UTC)) if isinstance(value, datetime) else value


@dataclass(eq=False)
class Invalid(CockpitError):
    """The request is not valid."""

    errors: list[FieldError]
    code = "invalid"

    def __str__(self) -> str:
        """Say what is wrong with each field."""
        return "; ".join(f"{error.field}: {error.message}" for error in self.errors)


def invalid(name: str, message: str, code: str = "invalid") -> Invalid:
    """Build the error for a single field."""
    return Invalid([FieldError(name, message, code)])


@dataclass(eq=False)
class Unknown(CockpitError):
    """No such {what}."""

    what: str
    code = "not_found"


class UnknownThen(CockpitError):
    """This entity was not known then: it was recorded later."""

    code = "not_found"


@dataclass(eq=False)
class Retired(CockpitError):
    """This entity is retired since {since}; POST to its reopen resource brings it back."""

    entity_uid: UUID
    since: datetime
    code = "retired"


@dataclass(eq=False)
class NotYet(CockpitError):
    """This entity does not exist before {starts}."""

    entity_uid: UUID
    starts: datetime
    code = "not_yet"


@dataclass(eq=False)
class AlreadyOpen(CockpitError):
    """This entity exists at that instant: there is nothing to reopen."""

    entity_uid: UUID
    code = "already_open"


@dataclass(eq=False)
class AlreadyCancelled(CockpitError):
    """The event {event_id} is cancelled already."""

    event_id: UUID
    code = "already_cancelled"


@dataclass(eq=False)
class GivesExistence(CockpitError):
    """The event {event_id} gives this entity its existence: retire the entity, or have it start earlier, instead."""

    event_id: UUID
    code = "gives_existence"


@dataclass(eq=False)
class Nameless(CockpitError):
    """After this the entity would exist at some time without a name or a type: give both."""

    entity_uid: UUID
    code = "nameless"


@dataclass(eq=False)
class AlreadyRegistered(CockpitError):
    """The {what} {key} is registered already, with other content."""

    what: str
    key: str
    code = "already_registered"


@dataclass(eq=False)
class EntityParked(CockpitError):
    """This entity is parked: event {position} cannot be folded ({reason}). An administrator can retry it or skip it."""

    entity_uid: UUID
    position: int
    reason: str
    code = "cannot_fold"


@dataclass(eq=False)
class KeyParked(CockpitError):
    """The key {external_id} of {source} is parked: event {position} cannot be folded ({reason})."""

    source: str
    external_id: str
    position: int
    reason: str
    code = "cannot_fold"


@dataclass(eq=False)
class CanBeFolded(CockpitError):
    """Event {position} can be folded by this release: retry it, or cancel it."""

    position: int
    code = "can_be_folded"


@dataclass(eq=False)
class BehindParked(CockpitError):
    """Event {position} is behind event {first} of its stream, which cannot be folded: that one comes first."""

    position: int
    first: int
    code = "behind_parked"


@dataclass(eq=False)
class NotSkippable(CockpitError):
    """Event {position} is of no entity: nothing goes on without it. Install a release that knows it, then retry it."""

    position: int
    code = "not_skippable"


@dataclass(eq=False)
class AlreadyClaimed(CockpitError):
    """{external_id} of {source} is the key of another entity, {entity_uid}: it stays bound to it."""

    source: str
    external_id: str
    entity_uid: UUID
    code = "external_key_claimed"


@dataclass(eq=False)
class PreconditionFailed(CockpitError):
    """The entity has changed: its ETag is now {etag}."""

    etag: str
    code = "precondition_failed"


@dataclass(eq=False)
class PreconditionRequired(CockpitError):
    """This service asks for If-Match on every change."""

    code = "precondition_required"


class UnderWay(CockpitError):
    """The read model is being rebuilt already: wait until that is done."""

    code = "under_way"


@dataclass(eq=False)
class KeyReused(CockpitError):
    """This Idempotency-Key was used before with another request."""

    code = "idempotency_key_reused"


@dataclass(eq=False)
class Contended(CockpitError):
    """Other writers changed the same entity {attempts} times while this command was being decided."""

    attempts: int
    code = "contended"


@dataclass(eq=False)
class Unavailable(CockpitError):
    """{reason}"""  # noqa: D415  # the message is the reason itself

    reason: str
    retry_after: int = field(default=1)
    code = "unavailable"


@dataclass(eq=False)
class Unauthenticated(CockpitError):
    """{reason}"""  # noqa: D415  # the message is the reason itself

    reason: str
    code = "not_authenticated"


@dataclass(eq=False)
class Forbidden(CockpitError):
    """This needs the scope {scope}."""

    scope: str
    code = "permission_denied"


@dataclass(eq=False)
class TooManyAttempts(CockpitError):
    """Too many failed attempts to log in; try again in {retry_after} seconds."""

    retry_after: int
    code = "throttled"


@dataclass(eq=False)
class CannotFold(CockpitError):
    """Event {position} cannot be folded: {reason}."""

    position: int
    reason: str
    code = "cannot_fold"


class NotForward(CannotFold):
    """Event {position} is not later than what is asserted already: {reason}."""

    code = "not_forward"
