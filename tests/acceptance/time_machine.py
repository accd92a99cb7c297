"""Commands at random over HTTP to a few entities, and what the service must answer at points, diffs and pages.

The judge is `oracle_points.py`, fed from the raw log.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from typing import Any, ClassVar
from uuid import uuid4

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.acceptance.service import Service
from tests.oracle_points import ABSENT, Said, state

State = Mapping[str, Any]
POINTS = 40
"""Of the points of one entity, so many are asked for at the most."""

EVENTS = """
    SELECT position, event_id, recorded_at, effective_at, effective_until = 'infinity',
        CASE WHEN isfinite(effective_until) THEN effective_until END, type, payload
    FROM log.event WHERE stream = 'entity:' || %s ORDER BY position
"""
whos, places = st.sampled_from([0, 0, 0, 1, 2]), st.integers(0, 9)
names, kinds, values = st.sampled_from("AB"), st.sampled_from(["PERSON", "INSTITUTION"]), st.sampled_from(["1", "2"])
codes = st.sampled_from(["EMAIL", "PHONE"])
wholes = st.fixed_dictionaries(
    {"display_name": names, "entity_type": kinds, "details": st.dictionaries(codes, values, max_size=2)}
)
parts = st.fixed_dictionaries(
    {}, optional={"display_name": names, "entity_type": kinds, "details": st.dictionaries(codes, st.none() | values)}
)
EARLY = [datetime(2024, 1, n, tzinfo=UTC) for n in range(1, 7)]
days = st.sampled_from([*EARLY, datetime(2999, 1, 1, tzinfo=UTC)])
lengths = st.sampled_from([None, None, None, "infinity", 1, 2, 4])


@st.composite
def spans(draw: st.DrawFn) -> dict[str, str]:
    """Draw since when and how long, as a request has it."""
    at, length = draw(st.none() | days | days), draw(lengths)
    span = {} if at is None else {"effective_at": at.isoformat()}
    if length is not None:
        start = at or datetime(2998, 1, 1, tzinfo=UTC)
        span["effective_until"] = (start + timedelta(days=length)).isoformat() if isinstance(length, int) else length
    return span


class Told:
    """What the log has of one entity: as the oracle takes it, and when each position was recorded."""

    def __init__(self, conninfo: str, uid: str) -> None:
        self.said: list[Said] = []
        self.recorded: dict[int, datetime] = {}
        with psycopg.connect(conninfo) as connection:
            for position, event_id, recorded_at, at, for_good, until, kind, payload in connection.execute(
                EVENTS, [uid]
            ):
                data = json.loads(payload)["data"] if isinstance(payload, str | bytes) else payload["data"]
                exists = {"EntityRegistered": True, "EntityReopened": True, "EntityRetired": False}.get(kind)
                fields = {name: data[name] for name in ("display_name", "entity_type") if name in data}
                fields |= {f"details.{code}": value for code, value in data.get("details", {}).items()}
                fields |= {} if exists is None else {"exists": exists}
                cancels = data.get("event_id")
                self.said.append(Said(position, str(event_id), at, "infinity" if for_good else until, fields, cancels))
                self.recorded[position] = recorded_at

    def instants(self) -> list[datetime]:
        """Return every instant that was spoken of, and one before them all."""
        spoken_of = {at for said in self.said for at in (said.at, said.until) if isinstance(at, datetime)}
        return [min(spoken_of) - timedelta(days=1), *sorted(spoken_of)]

    def points(self) -> list[tuple[datetime, int]]:
        """Return points of valid time and knowledge, evenly out of all."""
        found = [(instant, known) for known in self.recorded for instant in self.instants()]
        return found[:: len(found) // POINTS + 1]

    def at(self, instant: datetime, known: int) -> State:
        """Return what the oracle says, with existence where there is any."""
        found = state(self.said, instant, known)
        return found if found is ABSENT else {"exists": True, **found}


class Entities(RuleBasedStateMachine):
    """Three entities, by the names of which nobody else goes."""

    service: ClassVar[Service]
    asked: ClassVar[int] = 0
    histories: ClassVar[int] = 0
    events: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.tag = uuid4().hex[:8]
        self.uids = [str(uuid4()) for _ in range(3)]

    @initialize(whole=wholes, at=st.sampled_from(EARLY), other=wholes, span=spans())
    def begin(self, whole: Any, at: datetime, other: Any, span: Any) -> None:
        self.register(0, whole, {"effective_at": at.isoformat()})
        self.register(1, other, span)

    @rule(who=whos, whole=wholes, span=spans())
    def register(self, who: int, whole: Any, span: Any) -> None:
        self.write("POST", "entities", self.body(whole, span) | {"entity_uid": self.uids[who]})

    @rule(who=whos, part=parts, span=spans())
    def revise(self, who: int, part: Any, span: Any) -> None:
        self.write("PATCH", self.path(who), self.body(part, span))

    @rule(who=whos, whole=wholes, span=spans())
    def replace(self, who: int, whole: Any, span: Any) -> None:
        whole["details"] = {code: value for code, value in whole["details"].items() if value is not None}
        self.write("PUT", self.path(who), self.body(whole, span))

    @rule(who=whos, span=spans())
    def retire(self, who: int, span: Any) -> None:
        self.write("DELETE", self.path(who), None, params=span)

    @rule(who=whos, part=parts | wholes, span=spans())
    def reopen(self, who: int, part: Any, span: Any) -> None:
        self.write("POST", f"{self.path(who)}/reopen", self.body(part, span))

    @rule(who=whos, place=places)
    def cancel(self, who: int, place: int) -> None:
        said = self.told(who).said
        if said:
            self.write("POST", f"{self.path(who)}/cancel", {"event_id": said[place % len(said)].event_id})

    def path(self, who: int) -> str:
        return f"entities/{self.uids[who]}"

    def told(self, who: int) -> Told:
        return Told(self.service.conninfo, self.uids[who])

    def body(self, said: Mapping[str, Any], span: Mapping[str, str]) -> dict[str, Any]:
        """Return a request's body; the name begins with what is this history's own."""
        body = {**said, **span}
        if "display_name" in body:
            body["display_name"] = f"{self.tag} {body['display_name']}"
        if "details" in body:
            body["details"] = [{"detail_type": c, "detail_value": v} for c, v in body["details"].items()]
        return body

    def write(self, method: str, path: str, body: Any, **more: Any) -> None:
        """Send a command; it may be refused, by a problem that says why."""
        answer = self.service.write(method, path, body, **more)
        assert answer.status_code < 500, answer.text
        assert answer.is_success or answer.json()["code"], answer.text

    def get(self, path: str, **params: Any) -> Any:
        type(self).asked += 1
        return self.service.get(path, params={name: as_text(value) for name, value in params.items()} or None)

    def read(self, who: int, **params: Any) -> State:
        """Return one entity in the oracle's words."""
        answer = self.get(self.path(who), **params)
        assert answer.status_code in {200, 404}, answer.text
        return ABSENT if answer.status_code == 404 else in_words(answer.json())

    def teardown(self) -> None:
        type(self).histories += 1
        told = {who: found for who in range(3) if (found := self.told(who)).said}
        type(self).events += sum(len(of.said) for of in told.values())
        head = self.service.head()
        for who, of in told.items():
            for instant, known in of.points():
                assert self.read(who, as_of=instant, position=known) == of.at(instant, known), (instant, known)
            for instant in of.instants():  # without a position it is the latest
                assert self.read(who, as_of=instant, min_position=head) == of.at(instant, head), instant
            for known, recorded_at in list(of.recorded.items())[-2:]:
                instant = of.instants()[-1]
                assert self.read(who, as_of=instant, known_at=recorded_at) == of.at(instant, known), recorded_at
        self.diffs(told)
        for instant in {of.instants()[-1] for of in told.values()}:
            self.pages(instant)

    def diffs(self, told: Mapping[int, Told]) -> None:
        """A diff leads from one state to the other, goes on from another, and that of all is that of each."""
        for who, of in told.items():
            path = list(zip(of.instants(), [*of.recorded], strict=False))[:4]
            net: dict[Any, dict[str, Any]] = {}
            for a, b in combinations(path, 2):
                net[a, b] = self.diff(of, a, b, self.uids[who])[self.uids[who]]
                assert applied(net[a, b], of.at(*a)) == of.at(*b), (a, b)
            for (a, b), (_, c) in combinations(pairwise(path), 2):
                if (b, c) in net and (a, b) in net:
                    assert joined(net[a, b], net[b, c]) == net[a, c], (a, b, c)
            if len(path) > 1:
                everything = self.diff(of, path[0], path[-1])
                for uid in self.uids:
                    alone = self.diff(of, path[0], path[-1], uid)
                    assert everything.get(uid, {}) == alone.get(uid, {})

    def diff(self, of: Told, a: tuple[datetime, int], b: tuple[datetime, int], uid: str = "") -> dict[str, Any]:
        """Return each field's value before and after, by entity."""
        points = {"from": a[0], "to": b[0], "known_from": of.recorded[a[1]], "known_to": of.recorded[b[1]]}
        answers = self.walk("diff/", page_size=500, cursor="*", **points, **({"entity_uid": uid} if uid else {}))
        found = {
            entity["entity_uid"]: {change["field"]: (change["before"], change["after"]) for change in entity["changes"]}
            for entity in answers
        }
        return {uid: {}, **found} if uid else found

    def walk(self, path: str, **params: Any) -> Iterator[Any]:
        """Go through all pages."""
        answer = self.get(path, **params)
        while True:
            assert answer.status_code == 200, answer.text
            yield from answer.json()["results"]
            if answer.json()["next"] is None:
                return
            answer = self.get(answer.json()["next"])

    def pages(self, instant: datetime) -> None:
        """Pages by cursor are the list as it was at the first, whatever is written between them."""
        position = self.service.head()
        pages = self.walk("entities-asof/", as_of=instant, q=self.tag, page_size=1, cursor="*", min_position=position)
        seen = {}
        for n, entity in enumerate(pages):
            seen[entity["entity_uid"]] = in_words(entity)
            self.revise(n, {"display_name": "Later"}, {"effective_at": instant.isoformat()})
            self.register((n + 1) % 3, {"display_name": "New", "entity_type": "PERSON"}, {})
        expected = {self.uids[who]: of.at(instant, position) for who, of in self.known(position).items()}
        assert seen == {uid: found for uid, found in expected.items() if found is not ABSENT}

    def known(self, position: int) -> dict[int, Told]:
        return {who: of for who in range(3) if (of := self.told(who)).said and of.said[0].position <= position}


NOTHING = (None, None)


def as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def in_words(entity: Mapping[str, Any]) -> State:
    """Return an answer in the oracle's words."""
    details = {f"details.{d['detail_type']}": d["detail_value"] for d in entity["entity_details"]}
    return {"exists": True, "display_name": entity["display_name"], "entity_type": entity["entity_type"], **details}


def applied(changes: Mapping[str, tuple[Any, Any]], state: State) -> State:
    """Return a state after the changes; each begins with what is there."""
    after = dict(state)
    for field, (old, new) in changes.items():
        assert (old or None) == after.pop(field, None), field
        if new not in {None, False}:
            after[field] = new
    return after


def joined(first: Mapping[str, tuple[Any, Any]], second: Mapping[str, tuple[Any, Any]]) -> Mapping[str, Sequence[Any]]:
    """Return the net of two differences that follow one another."""
    both = {
        field: (first.get(field, second.get(field, NOTHING))[0], second.get(field, first.get(field, NOTHING))[1])
        for field in first.keys() | second.keys()
    }
    return {field: (old, new) for field, (old, new) in both.items() if old != new}
