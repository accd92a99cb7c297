"""Questions of the same moment share their round trips, and each has the answer that it would have alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from msgspec.structs import asdict
from psycopg.conninfo import make_conninfo

from db import asking
from db.pool import Dsns, make_pool
from db.waiting import Waiter
from read_side.queries import Found, ReadModel
from read_side.questions import Asked, Chronicle, Filters, Key, Known, Order, Slice, Trail, first_entry
from read_side.statements import TOGETHER
from shared.core.errors import CockpitError, Invalid, NotYet, Retired, Unavailable, Unknown
from tests.conftest import Clone
from tests.integration.reading import RETIRED, Projected, day, projected, registered, revised, uid

pytestmark = pytest.mark.anyio
ENTITIES = 12


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def conninfo(clone: Clone) -> Iterator[str]:
    """Entities with two versions and as many details; one has ended, one is to begin, of one an event is parked."""
    with clone() as conninfo, projected(conninfo) as book:
        for number in range(1, ENTITIES + 1):
            kind = "PERSON" if number % 3 else "INSTITUTION"
            book.happen(
                number, day(number), registered(f"First {number}", kind, PHONE=f"{number}", EMAIL=f"{number}@a")
            )
        for number in range(1, ENTITIES + 1):
            book.happen(number, day(100 + number), revised(f"Second {number}", EMAIL=f"{number}@b"))
        book.happen(1, day(150), revised("In between", PHONE="0"), day(151))
        book.happen(2, day(160), RETIRED)
        book.happen(90, day(40_000), registered("Coming"), day(161))
        book.insert("parked_event", position=7, stream=f"entity:{uid(4)}", reason="It is broken.")
        yield conninfo


@pytest.fixture
def book(clone: Clone) -> Iterator[Projected]:
    with clone() as conninfo, projected(conninfo) as book:
        yield book


@asynccontextmanager
async def model(conninfo: str) -> AsyncIterator[ReadModel]:
    dsn = Dsns(conninfo).of("read")
    waiter = Waiter(dsn)
    async with make_pool(dsn, 4) as pool:
        await waiter.start()
        try:
            yield ReadModel(pool, 10, 2.0, waiter)
        finally:
            await waiter.stop()


def conninfo_of(book: Projected) -> str:
    info = book.connection.info
    return make_conninfo(info.dsn, password=info.password)


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that are asked from now on, by name."""
    seen: list[str] = []
    ask = asking.ask

    async def counted(connection: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        seen.append(name)
        return await ask(connection, name, *args, **kwargs)

    monkeypatch.setattr(asking, "ask", counted)
    return seen


async def outcome(ask: partial[Any]) -> Any:
    """Return the answer, or the error, in a form that compares; without the clock's instant."""
    try:
        found: Found[Any] = await ask()
    except CockpitError as error:
        return type(error), str(error), error.warning
    return found.position, found.items, found.count, found.etag, found.warning, found.as_of.year


def entity(number: int, as_of: datetime | None = None, position: int | None = None) -> Any:
    known = Known(position=position)
    return lambda read: partial(read.entity, uid(number), Asked(as_of=as_of, known=known))


def listed(part: Slice, order: Order = "-valid_from", kind: str | None = None, **asked: Any) -> Any:
    return lambda read: partial(read.entities, Filters(entity_type=kind, order=order), part, Asked(**asked))


def trail(of: Trail, part: Slice, position: int | None, now: datetime | None = None) -> Any:
    return lambda read: partial(read.audit, of, part, Asked(known=Known(position=position), now=now))


NUMBERS = [*range(1, ENTITIES + 1), 90, 99]
"""All there are, one that is to begin, one that nobody knows."""
BEGUN = [(3, 3), (6, 106), (8, 8), (11, 111)]
"""Entities, and when a version of them begins."""
PAGES = [Slice(size=3, page=page, counted=counted) for page in (1, 2, 3, 9) for counted in (True, False)]
KEYED = [
    Slice(size=3, keyed=True, after=Key(number=first_entry(position)), backward=backward)
    for position in (2, 8, 20)
    for backward in (True, False)
]


def in_pages(order: Order, *kinds: str | None) -> list[Any]:
    """By number and by key, forwards and backwards, at several instants, as known at several positions."""
    keys = [Key(uid=uid(number), instant=day(at) if order == "-valid_from" else None) for number, at in BEGUN]
    parts = [Slice(size=3, keyed=True, after=key, backward=backward) for key in keys for backward in (True, False)]
    return [
        listed(part, order, kind, now=day(at), as_of=day(at), known=Known(position=position))
        for part in [*parts, Slice(size=3, keyed=True)]
        for kind in kinds
        for at, position in ((104, 18), (170, 27))
    ] + [listed(part, order, kind, as_of=day(at)) for part in PAGES for at in (0, 104) for kind in kinds]


QUESTIONS: dict[str, list[Any]] = {
    "read/get_entity": [entity(number) for number in NUMBERS],
    "read/get_entity_as_of": [entity(number, day(at)) for number in NUMBERS for at in (1, 5, 105, 155, 170)],
    "read/get_entity_known": [
        entity(number, at, position) for number in NUMBERS for at in (None, day(105)) for position in (3, 14, 25)
    ],
    "read/list_history": [
        lambda read, number=number: partial(read.history, uid(number), Chronicle(), Slice(size=3), Asked())
        for number in NUMBERS
    ],
    "read/list_current": [
        listed(part, kind=kind) for part in PAGES for kind in (None, "PERSON", "INSTITUTION", "GONE", "NONE")
    ],
    "read/list_audit": [
        *(trail(Trail(), part, position) for part in PAGES for position in (None, 3, 14)),
        *(trail(Trail(), part, 14, day(161)) for part in KEYED),
    ],
    "read/list_audit_of_entity": [
        trail(Trail(entity_uid=uid(number)), part, position)
        for number in NUMBERS
        for part in PAGES[:2]
        for position in (None, 14)
    ],
    "read/list_newest": in_pages("-valid_from", None, "INSTITUTION"),
    "read/list_by_uid": in_pages("entity_uid", None),
}


def test_whatever_goes_together_is_asked_here() -> None:
    assert set(QUESTIONS) == set(TOGETHER)


@pytest.mark.parametrize("name", QUESTIONS)
async def test_the_questions_of_a_moment_share_one_statement_and_each_is_answered_as_if_alone(
    conninfo: str, statements: list[str], name: str
) -> None:
    async with model(conninfo) as read:
        questions = [ask(read) for ask in QUESTIONS[name]]
        alone = [await outcome(ask) for ask in questions]
        assert statements.count(name) == len(questions)
        statements.clear()
        together = await asyncio.gather(*map(outcome, [*questions, *questions]))
        assert statements.count(name) == 1
        assert together == alone + alone
        assert len({str(one) for one in alone}) > 1


async def test_different_refusals_of_one_round_reach_who_asked(conninfo: str) -> None:
    async with model(conninfo) as read:
        asked = [read.entity(uid(number), Asked()) for number in (3, 2, 90, 99)]
        found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in found] == [Found, Retired, NotYet, Unknown]


async def test_what_is_parked_of_one_entity_is_told_of_that_alone(conninfo: str) -> None:
    async with model(conninfo) as read:
        found = await asyncio.gather(*(read.entity(uid(number), Asked()) for number in (3, 4, 5)))
    assert [one.warning for one in found] == [None, "events of this entity are parked since position 7", None]


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("read/search_current", lambda read: read.entities(Filters(q="sec"), Slice(size=5), Asked())),
        ("read/list_entity_types", lambda read: read.types("entity", Slice(size=5), Asked())),
        ("read/list_scheduled", lambda read: read.scheduled(None, Slice(size=5), Asked())),
    ],
)
async def test_the_same_question_of_a_moment_is_asked_once(
    conninfo: str, statements: list[str], name: str, ask: Any
) -> None:
    async with model(conninfo) as read:
        found = await asyncio.gather(*(ask(read) for _ in range(20)))
    assert statements.count(name) == 1
    assert len({(one.position, one.as_of, str([asdict(item) for item in one.items])) for one in found}) == 1


@pytest.mark.parametrize(
    ("order", "page", "name"),
    [
        ("-valid_from", 1, "read/search_known"),
        ("-valid_from", 2, "read/search_known"),
        ("entity_uid", 1, "read/list_known"),
        ("entity_uid", 2, "read/search_known"),
    ],
)
async def test_a_page_by_number_as_it_was_known_is_planned_for_that(
    conninfo: str, statements: list[str], order: Order, page: int, name: str
) -> None:
    known, part = Known(position=14), Slice(size=3, page=page)
    async with model(conninfo) as read:
        found = await listed(part, order, known=known)(read)()
        assert statements == ["read/get_moment", name]
        first = await listed(Slice(size=3 * page, keyed=True), order, known=known)(read)()
    assert statements[2:] == ["read/list_newest" if order == "-valid_from" else "read/list_by_uid"]
    assert found.items == first.items[3 * (page - 1) : 3 * page]
    assert (found.position, found.count, len(found.items)) == (14, 12, 3)


async def test_every_answer_of_a_round_is_of_one_snapshot(conninfo: str) -> None:
    async with model(conninfo) as read:
        found = await asyncio.gather(*(read.entity(uid(number), Asked()) for number in range(3, ENTITIES + 1)))
    assert len({(one.position, one.as_of) for one in found}) == 1


async def test_whoever_asks_after_a_write_finds_it_however_many_others_are_asking(book: Projected) -> None:
    book.happen(1, day(1), registered("Number 0"))
    over = asyncio.Event()
    async with model(conninfo_of(book)) as read:

        async def others() -> int:
            asked = 0
            while not over.is_set():
                await read.entity(uid(1), Asked())
                asked += 1
            return asked

        crowd = [asyncio.create_task(others()) for _ in range(16)]
        for number in range(1, 30):
            position = await asyncio.to_thread(book.happen, 1, day(1 + number), revised(f"Number {number}"))
            found = await read.entity(uid(1), Asked())
            assert (found.position, found.items[0].display_name) == (position, f"Number {number}")
        over.set()
        assert sum(await asyncio.gather(*crowd)) > 30


async def test_who_waits_for_a_position_keeps_nobody_waiting_who_does_not(book: Projected) -> None:
    position = book.happen(1, day(1), registered("Early"))
    async with model(conninfo_of(book)) as read:
        waiting = asyncio.create_task(read.entity(uid(1), Asked(min_position=position + 1)))
        found = await asyncio.gather(*(read.entity(uid(1), Asked()) for _ in range(10)))
        assert {one.position for one in found} == {position}
        assert not waiting.done()
        await asyncio.to_thread(book.happen, 1, day(2), revised("Late"))
        assert (await waiting).items[0].display_name == "Late"


async def test_one_position_that_is_not_reached_fails_nobody_else(book: Projected) -> None:
    book.happen(1, day(1), registered("One"))
    async with model(conninfo_of(book)) as read:
        asked = [Asked(min_position=99), Asked()]
        late, found = await asyncio.gather(*(read.entity(uid(1), each) for each in asked), return_exceptions=True)
    assert isinstance(late, Unavailable)
    assert isinstance(found, Found)


async def test_a_type_that_is_unknown_is_refused_to_all_who_named_it(conninfo: str) -> None:
    async with model(conninfo) as read:
        asked = [
            read.entities(Filters(entity_type=kind), Slice(size=5), Asked()) for kind in ("NONE", "NONE", "PERSON")
        ]
        found = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(one) for one in found] == [Invalid, Invalid, Found]
    assert found[0] is not found[1]
