"""log.append_events: one order without gaps, one verdict a command, and no other way into the log."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from shared.core.events import EntityReopened, EntityRetired, EntityRevised
from tests.appending import Append, Verdict, append
from tests.given import JOHN
from tests.oracle_log import read_log

JOHNS, JANES = "entity:018f0000-0000-7000-8000-000000000001", "entity:018f0000-0000-7000-8000-000000000002"
RETIRED, REOPENED = EntityRetired(), EntityReopened()


@pytest.fixture
def log(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection that commits every statement; the oracle looks at the log when the test is over."""
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def verdicts(answers: list[Verdict]) -> list[str]:
    return [answer.verdict for answer in answers]


def count(log: psycopg.Connection[Any], table: str = "event") -> int:
    query = "SELECT count(*) FROM log.event" if table == "event" else "SELECT count(*) FROM log.command_receipt"
    ((number,),) = log.execute(query).fetchall()
    return int(number)


# --- what is appended ----------------------------------------------------------------------------------------------


def test_positions_count_the_whole_log_and_versions_the_stream(log: psycopg.Connection[Any]) -> None:
    append(log, Append(stream=JOHNS, events=[JOHN]), Append(stream=JANES, events=[JOHN]))
    append(log, Append(stream=JOHNS, events=[RETIRED]))
    assert [(e.position, e.stream, e.version) for e in read_log(log)] == [(1, JOHNS, 1), (2, JANES, 1), (3, JOHNS, 2)]


def test_a_verdict_tells_what_was_appended(log: psycopg.Connection[Any]) -> None:
    command = Append(stream=JOHNS, events=[JOHN, RETIRED])
    (answer,) = append(log, command)
    first, second = read_log(log)
    assert answer == Verdict("appended", 2, command.event_id, JOHNS, 2, first.recorded_at, None, None)
    assert (first.ordinal, second.ordinal) == (0, 1)
    assert second.recorded_at - first.recorded_at == timedelta(microseconds=1)


def test_the_instants_of_a_batch_strictly_increase(log: psycopg.Connection[Any]) -> None:
    append(log, *(Append(stream=JOHNS, events=[RETIRED, REOPENED]) for _ in range(20)))
    instants = [event.recorded_at for event in read_log(log)]
    assert instants == sorted(set(instants))


def test_an_undated_event_takes_effect_when_it_is_recorded_a_dated_one_when_it_says(
    log: psycopg.Connection[Any],
) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    append(log, Append(stream=JOHNS, events=[JOHN], effective_at=at), Append(stream=JOHNS, events=[RETIRED]))
    first, second = read_log(log)
    assert (first.effective_at, second.effective_at) == (at, second.recorded_at)


def test_one_command_may_write_to_two_streams(log: psycopg.Connection[Any]) -> None:
    (answer,) = append(log, Append(stream=JOHNS, events=[JOHN], also={JANES: RETIRED}))
    assert (answer.stream, answer.version) == (JOHNS, 1)
    assert [(e.stream, e.version, e.ordinal) for e in read_log(log)] == [(JOHNS, 1, 0), (JANES, 1, 1)]


def test_a_batch_notifies_once_and_only_when_it_appends(log: psycopg.Connection[Any]) -> None:
    log.execute("LISTEN cockpit_event")
    append(log, Append(stream=JOHNS))
    append(log, *(Append(stream=JOHNS, events=[RETIRED]) for _ in range(3)))
    append(log, Append(stream=JOHNS))
    assert [notice.payload for notice in log.notifies(timeout=0.2)] == ["3"]


# --- conflicts -----------------------------------------------------------------------------------------------------


def test_an_expectation_of_nothing_means_an_empty_stream(log: psycopg.Connection[Any]) -> None:
    assert verdicts(append(log, Append(stream=JOHNS, events=[JOHN], expects={JOHNS: None}))) == ["appended"]
    assert verdicts(append(log, Append(stream=JOHNS, events=[JOHN], expects={JOHNS: None}))) == ["conflict"]
    assert count(log) == 1


def test_the_last_event_is_expected_by_its_id(log: psycopg.Connection[Any]) -> None:
    first, second = Append(stream=JOHNS, events=[JOHN]), Append(stream=JOHNS, events=[RETIRED])
    append(log, first, second)
    stale = Append(stream=JOHNS, events=[REOPENED], expects={JOHNS: first.event_id})
    unknown = Append(stream=JOHNS, events=[REOPENED], expects={JOHNS: uuid4()})
    right = Append(stream=JOHNS, events=[REOPENED], expects={JOHNS: second.event_id})
    assert verdicts(append(log, stale, unknown, right)) == ["conflict", "conflict", "appended"]


def test_an_expectation_may_be_of_another_stream(log: psycopg.Connection[Any]) -> None:
    types = Append(stream="registry", events=[RETIRED])
    append(log, types)
    right = Append(stream=JOHNS, events=[JOHN], expects={JOHNS: None, "registry": types.event_id})
    wrong = Append(stream=JANES, events=[JOHN], expects={JANES: None, "registry": None})
    assert verdicts(append(log, right, wrong)) == ["appended", "conflict"]


def test_a_command_without_events_is_checked_like_the_others(log: psycopg.Connection[Any]) -> None:
    assert verdicts(append(log, Append(stream=JOHNS, expects={JOHNS: None}))) == ["checked"]
    assert verdicts(append(log, Append(stream=JOHNS, expects={JOHNS: uuid4()}))) == ["conflict"]
    assert count(log) == 0


def test_commands_of_one_batch_see_each_other(log: psycopg.Connection[Any]) -> None:
    first = Append(stream=JOHNS, events=[JOHN], expects={JOHNS: None})
    second = Append(stream=JOHNS, events=[RETIRED], expects={JOHNS: first.event_id})
    late = Append(stream=JOHNS, events=[RETIRED], expects={JOHNS: first.event_id})
    other = Append(stream=JANES, events=[JOHN], expects={JANES: None})
    answers = append(log, first, second, late, other)
    assert verdicts(answers) == ["appended", "appended", "conflict", "appended"]
    assert [answer.position for answer in answers] == [1, 2, 2, 3]
    assert [answer.version for answer in answers] == [1, 2, None, 1]


def test_what_was_decided_until_an_instant_conflicts_from_then_on(log: psycopg.Connection[Any]) -> None:
    ((now,),) = log.execute("SELECT clock_timestamp()").fetchall()
    past = Append(stream=JOHNS, events=[JOHN], decided_until=now)
    future = Append(stream=JOHNS, events=[JOHN], decided_until=now + timedelta(minutes=1))
    assert verdicts(append(log, past, future)) == ["conflict", "appended"]


def test_what_takes_effect_in_the_future_is_appended(log: psycopg.Connection[Any]) -> None:
    ((now,),) = log.execute("SELECT clock_timestamp()").fetchall()
    command = Append(stream=JOHNS, events=[JOHN], effective_at=now + timedelta(minutes=1))
    assert verdicts(append(log, command)) == ["appended"]
    assert log.execute("SELECT effective_at FROM log.event").fetchall() == [(now + timedelta(minutes=1),)]


# --- duplicates ----------------------------------------------------------------------------------------------------


def test_a_batch_that_is_sent_again_gets_its_first_answers(log: psycopg.Connection[Any]) -> None:
    batch = [Append(stream=stream, events=[JOHN], expects={stream: None}) for stream in (JOHNS, JANES)]
    first, again = append(log, *batch), append(log, *batch)
    assert verdicts(again) == ["duplicate", "duplicate"]
    assert [(a.position, a.event_id, a.version, a.recorded_at) for a in again] == [
        (a.position, a.event_id, a.version, a.recorded_at) for a in first
    ]
    assert count(log) == 2


def test_a_key_without_a_window_decides_for_good(log: psycopg.Connection[Any]) -> None:
    first = Append(stream=JOHNS, events=[JOHN], key=b"k", digest=b"one", status=201)
    (appended,) = append(log, first)
    append(log, Append(stream=JOHNS, events=[RETIRED]))
    (again,) = append(log, Append(stream=JANES, events=[JOHN], expects={JANES: uuid4()}, key=b"k", digest=b"other"))
    assert again == Verdict("duplicate", 1, first.event_id, JOHNS, 1, appended.recorded_at, 201, b"one")


def test_a_key_is_kept_for_a_command_without_events_too(log: psycopg.Connection[Any]) -> None:
    append(log, Append(stream=JOHNS, events=[JOHN]))
    append(log, Append(stream=JOHNS, key=b"k", status=200))
    (again,) = append(log, Append(stream=JOHNS, events=[RETIRED], key=b"k"))
    assert (again.verdict, again.position, again.event_id, again.version) == ("duplicate", 1, None, 1)


def test_a_command_that_conflicts_or_was_refused_leaves_its_key_unused(log: psycopg.Connection[Any]) -> None:
    append(log, Append(stream=JOHNS, events=[JOHN], expects={JOHNS: uuid4()}, key=b"k"))
    append(log, Append(stream=JOHNS, key=b"k", status=None))
    assert count(log, "command_receipt") == 0
    assert verdicts(append(log, Append(stream=JOHNS, events=[JOHN], key=b"k"))) == ["appended"]


def test_the_second_command_with_a_key_is_a_duplicate_in_the_same_batch_too(log: psycopg.Connection[Any]) -> None:
    for window in (None, timedelta(minutes=5)):
        one, other = f"entity:{uuid4()}", f"entity:{uuid4()}"
        key = one.encode()
        first = Append(stream=one, events=[JOHN], key=key, window=window)
        answers = append(log, first, Append(stream=other, events=[JOHN], key=key, window=window))
        assert verdicts(answers) == ["appended", "duplicate"]
        assert answers[1].event_id == first.event_id


def test_a_key_with_a_window_holds_while_it_lasts_and_the_stream_is_at_its_first_version(
    log: psycopg.Connection[Any],
) -> None:
    def content(stream: str, window: timedelta) -> Append:
        return Append(stream=stream, events=[JOHN], key=b"content", window=window)

    minutes = timedelta(minutes=5)
    assert verdicts(append(log, content(JOHNS, minutes))) == ["appended"]
    assert verdicts(append(log, content(JANES, minutes))) == ["duplicate"]
    assert verdicts(append(log, content(JANES, timedelta(0)))) == ["appended"]
    # the receipt is of Jane's now
    revised = Append(stream=JANES, events=[EntityRevised(display_name="Jane")])
    third = content(f"entity:{uuid4()}", minutes)
    assert verdicts(append(log, revised, third)) == ["appended", "appended"]


# --- many at once --------------------------------------------------------------------------------------------------


def test_eight_writers_leave_no_gap_at_any_time(database: str) -> None:
    over = Event()

    def write(number: int) -> list[int]:
        with psycopg.connect(database, autocommit=True) as log:
            return [append(log, Append(stream=f"entity:{number}", events=[JOHN]))[0].position for _ in range(50)]

    def watch() -> int:
        looks = 0
        with psycopg.connect(database, autocommit=True) as log:
            while not over.is_set():
                ((number, last),) = log.execute("SELECT count(*), coalesce(max(position), 0) FROM log.event").fetchall()
                assert number == last, f"{number} events are seen, and the last one is at {last}"
                looks += 1
        return looks

    with ThreadPoolExecutor(9) as pool:
        watching = pool.submit(watch)
        positions = list(pool.map(write, range(8)))
        over.set()
        assert watching.result() > 1
    assert all(own == sorted(own) for own in positions)
    assert sorted(position for own in positions for position in own) == list(range(1, 401))


def test_of_many_that_expect_the_same_head_just_one_wins(database: str) -> None:
    start = Barrier(8)

    def write(_: int) -> str:
        with psycopg.connect(database, autocommit=True) as log:
            start.wait()
            (answer,) = append(log, Append(stream=JOHNS, events=[JOHN], expects={JOHNS: None}))
            return answer.verdict

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(write, range(8))) == ["appended", *["conflict"] * 7]


def test_what_an_append_looks_up_is_planned_once(log: psycopg.Connection[Any]) -> None:
    plans: list[str] = []
    log.add_notice_handler(lambda notice: plans.append(notice.message_primary or ""))
    for number in range(10):  # PostgreSQL makes up its mind after five
        append(log, Append(stream=JOHNS if number % 2 else JANES, events=[JOHN], key=b"%d" % number))
    log.execute("SET debug_print_plan = on")
    log.execute("SET client_min_messages = log")
    plans.clear()
    append(log, Append(stream=JOHNS, events=[RETIRED], key=b"last"))
    assert plans.count("plan:") == 1, "only the call itself: its values are part of it here"
