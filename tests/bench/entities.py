"""What is asked of the service over and over: bodies, and the entities they are about."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING

from tests.bench.load import CONNECTIONS, Answered, Asking, WrongAnswers, ask_all_out, asking
from tests.bench.stand import Service, Stand

if TYPE_CHECKING:
    from collections.abc import Sequence

API = "/api/v1"
REGISTER = (
    '{"display_name": "Somebody {n}", "entity_type": "PERSON", "details": ['
    '{"detail_type": "EMAIL", "detail_value": "somebody.{n}@example.com"},'
    ' {"detail_type": "PHONE", "detail_value": "+1-202-{n}"},'
    ' {"detail_type": "ADDRESS", "detail_value": "{n} Main Street, Springfield"}]}'
)
REVISE = (
    '{"display_name": "Somebody else {n}", "details": [{"detail_type": "EMAIL", "detail_value": "{n}@example.com"}]}'
)
PATCHED = 20_000
"""Over how many entities the changes go, at most."""
WITH_ETAG = 200
"""How many of these are changed with If-Match, once each."""
LOOKED_INTO = 3
"""How many answers are looked into, of each question."""
_round = itertools.count(1)


def registering(stand: Stand, service: Service) -> Asking:
    """Return: register an entity with three details, another each time."""
    return asking(stand, [f"{API}/entities"], 201, "POST", REGISTER, service.token)


def revising(stand: Stand, service: Service) -> Asking:
    """Return: revise one of many entities, to another name and e-mail address each time; some with If-Match."""
    found = service.log.execute(
        "SELECT entity_uid::text FROM read_model.entity_head ORDER BY md5(entity_uid::text || %s) LIMIT %s",
        [str(next(_round)), PATCHED],
    ).fetchall()
    paths = [f"{API}/entities/{uid}" for (uid,) in found]
    every = max(2, len(paths) // WITH_ETAG)
    lines: Sequence[str | tuple[str, str]] = [
        (path, service.ask(path).headers["ETag"]) if n % every == 0 else path for n, path in enumerate(paths)
    ]
    return asking(stand, lines, 200, "PATCH", REVISE, service.token)


class Turns:
    """What a service is asked all out, turn by turn, and what an answer costs its API: microseconds of a processor."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.costs: dict[str, list[float]] = {}

    def ask(self, name: str, what: Asking, seconds: float) -> Answered:
        """Ask all out. Raises WrongAnswers."""
        before = self._service.processor_seconds("api")
        answered = ask_all_out(self._service.url, what, seconds)
        if answered.answers:
            cost = (self._service.processor_seconds("api") - before) / answered.answers * 1e6
            self.costs.setdefault(name, []).append(cost)
        return answered

    def cost(self, name: str) -> list[float]:
        """Return what an answer cost in each round that counts."""
        return self.costs.get(name, [])[1:]


def check_told(service: Service, what: Asking) -> None:
    """Raise WrongAnswers unless what is asked first is answered with something, and what is asked for."""
    for line in what.lines.read_text().splitlines()[:LOOKED_INTO]:
        with service.ask(line) as answer:
            told = json.load(answer)
        found = told["results"] if "results" in told else [told["entity_uid"]]
        if not found or ("results" not in told and told["entity_uid"] not in line):
            raise WrongAnswers(f"{line} is answered with {str(told)[:80]}")


def check_appended(service: Service, before: int, answered: Answered) -> None:
    """Raise WrongAnswers unless the log has an event for every answer, and no more than were under way at the end."""
    appended = service.head() - before
    most = answered.answers if answered.exact else answered.answers + CONNECTIONS
    if not answered.answers <= appended <= most:
        raise WrongAnswers(f"{answered.answers} answers, but {appended} events in the log")


def check_projected(service: Service) -> None:
    """Raise WrongAnswers unless the read model has every entity of the log, as often as it is in the log."""
    registered = service.one("SELECT count(*) FROM log.event WHERE type = 'EntityRegistered'")
    retired = service.one("SELECT count(*) FROM log.event WHERE type = 'EntityRetired'")
    heads = service.one("SELECT count(*) FROM read_model.entity_head")
    current = service.one("SELECT count(DISTINCT entity_uid) FROM read_model.entity_version WHERE is_current")
    audited = service.one("SELECT count(DISTINCT position) FROM read_model.audit_entry WHERE entity_uid IS NOT NULL")
    events = service.one("SELECT count(*) FROM log.event WHERE stream LIKE 'entity:%%'")
    parked = service.one("SELECT count(*) FROM read_model.parked_event")
    if not (registered == heads == current + retired and audited == events and parked == 0):
        raise WrongAnswers(
            f"{registered} entities registered, {heads} known, {current} current, {retired} retired;"
            f" {events} events, {audited} in the audit trail, {parked} parked"
        )
