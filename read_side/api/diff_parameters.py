"""The query string of a diff: which two points are compared, and in which way."""

from __future__ import annotations

from datetime import datetime

from fastapi import Request
from msgspec.structs import replace
from pydantic import Field

from read_side.api.parameters import WholeQuery
from read_side.api.values import Instant, Uid
from read_side.diff import Mode
from read_side.questions import LATEST, Asked, Known, Window
from read_side.steps import BEGINNING
from shared.core.errors import FieldError, Invalid, invalid


class DiffQuery(WholeQuery):
    """The two points of a diff: an instant of valid time each, or a state of knowledge each, or both."""

    placed_by = frozenset({"uid"})

    as_of: Instant | None = Field(
        None, description="Without from: the instant of both points, now when absent. Beside it nothing changes."
    )
    from_: Instant | None = Field(None, alias="from", description="The first instant of valid time, by either name.")
    to: Instant | None = Field(None, description="The second one, required beside the first.")
    from_date: Instant | None = Field(None, description="Another name of from.")
    to_date: Instant | None = Field(None, description="Another name of to.")
    known_from: Instant | None = Field(None, description="What was known at this instant, for the first point.")
    known_to: Instant | None = Field(None, description="The same for the second one, required beside the first.")
    entity_uid: Uid | None = None
    mode: Mode = Field(
        "net",
        description="The net difference, every change with its own instant, or the stretches of valid time of which"
        " something else was known.",
    )

    def asked(self, request: Request) -> Asked:
        """Return it as the read model takes it, at the second point; a cursor has pinned that already."""
        asked = super().asked(request)
        if self.known_to is None or asked.known != LATEST:
            return asked
        return replace(asked, known=Known(instant=self.known_to, parameter="known_to"))

    def window(self) -> Window:
        """Return the two points. Raises Invalid where they are not two, or say the same twice."""
        start, end = either("from", self.from_, self.from_date), either("to", self.to, self.to_date)
        is_of_knowledge = self.known_from is not None or self.known_to is not None
        needed = [("known_from", self.known_from), ("known_to", self.known_to)]
        if not is_of_knowledge and self.mode != "knowledge":
            needed = [("from", start), ("to", end)]
        elif start is not None or end is not None:
            needed += [("from", start), ("to", end)]
        missing = [FieldError(name, "This field is required.", "required") for name, given in needed if given is None]
        if missing:
            raise Invalid(missing)
        self._check(start, end)
        if self.mode == "knowledge" and start is None:
            start = BEGINNING
        known = None if self.known_from is None else Known(instant=self.known_from, parameter="known_from")
        return Window(start=start, end=end, known_from=known, mode=self.mode, entity_uid=self.entity_uid)

    def _check(self, start: datetime | None, end: datetime | None) -> None:
        if start is not None and end is not None and start >= end:
            raise invalid("from", "Must be earlier than to.", "not_before")
        if self.known_from is not None and self.known_to is not None and self.known_from >= self.known_to:
            raise invalid("known_from", "Must be earlier than known_to.", "not_before")
        for name, given in (("known_at", self.known_at), ("position", self.position)):
            if given is not None and self.known_from is not None:
                raise invalid(name, "Given beside known_from and known_to, which say what was known.", "repeated")
        if self.as_of is not None and self.mode == "knowledge" and start is None:
            raise invalid("as_of", "mode=knowledge compares all of valid time, or that between from and to.", "ignored")


def either(name: str, given: datetime | None, alias: datetime | None) -> datetime | None:
    """Return a parameter that has two names. Raises Invalid where it is given by both."""
    if given is not None and alias is not None:
        raise invalid(name, f"Given twice: as {name} and as {name}_date.", "repeated")
    return given if given is not None else alias
