"""Parked events from the command line, as an operator meets them, without a service and beside a projector."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from cockpit.__main__ import cli
from db.pool import Dsns
from projector.verify import verify
from shared.core.errors import BehindParked, CanBeFolded, Invalid, NotSkippable, Unknown
from shared.core.events import REGISTRY_STREAM, Kind, TypeRegistered
from tests.acceptance.processes import cockpit
from tests.appending import Append, Stored, append
from tests.integration.parking import VANISHED, event_id, from_tomorrow, parked, upgrade
from tests.integration.projecting import JOHN, add, fetch, fold_all, revised, run, uid

Say = Callable[..., Result]


@pytest.fixture
def say(unchecked_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """What runs `cockpit parked …` on the test's database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COCKPIT_DATABASE_URL", unchecked_database)
    return lambda *words: CliRunner().invoke(cli, ["parked", *words])


def said(result: Result) -> str:
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def parking(database: str) -> None:
    """Park one event of the first entity with two behind it, and one of the second."""
    add(database, 1, JOHN, VANISHED, Stored("Entity\x1b[2J\nGone"), revised("behind"))
    add(database, 2, JOHN, from_tomorrow("Jane"))
    run(fold_all(database))


def test_it_lists_a_line_a_stream_and_shows_each_as_it_is_stored(unchecked_database: str, say: Say) -> None:
    assert said(say("list")) == "Nothing is parked.\n"
    parking(unchecked_database)
    one, two = said(say("list")).splitlines()
    assert one.startswith(f"2  entity:{uid(1)}  EntityVanished in schema version 1  ")
    assert one.endswith("  2 behind  Event 2 cannot be folded: EntityVanished in schema version 1 is not known here.")
    assert two.startswith(f"6  entity:{uid(2)}  EntityRevised in schema version 2  ")
    shown = json.loads(said(say("show", "2")))
    assert shown["event_id"] == str(event_id(unchecked_database, 2))
    assert (shown["payload"]["data"], shown["first"], shown["behind_positions"]) == ({"how": "in smoke"}, 2, [3, 4])
    assert json.loads(said(say("show", "3")))["first"] == 2


@pytest.mark.parametrize("what", ["entities", "versions", "audit"])
def test_an_export_says_that_it_is_not_complete(unchecked_database: str, tmp_path: Path, what: str) -> None:
    parking(unchecked_database)
    exported = cockpit("export", what, folder=tmp_path, database_url=unchecked_database)
    assert exported.returncode == 0
    assert "Incomplete: events of 2 streams are parked since position 2." in exported.stderr


def test_what_a_terminal_would_obey_is_told_and_not_sent(unchecked_database: str, say: Say) -> None:
    add(unchecked_database, 1, Stored("Entity\x1b[2J\nGone", 1, '{"context":{},"data":"\\ud800 Ä"}'))
    run(fold_all(unchecked_database))
    (line,) = said(say("list")).splitlines()
    assert "Entity\\x1b[2J\\nGone" in line
    assert '"data": "\\ud800 Ä"' in said(say("show", "1"))


def test_a_skip_is_recorded_with_who_and_why_and_told_again(unchecked_database: str, say: Say) -> None:
    parking(unchecked_database)
    told = said(say("skip", "2", "--reason", "  typo  ", "--actor", "jo")).splitlines()[-1]
    assert told == f"Event 2 is skipped, by event {event_id(unchecked_database, 7)} at position 7."
    assert said(say("skip", "2", "--reason", "another")).splitlines()[-1] == told
    assert said(say("skip", "3", "--reason", "no use")).endswith("at position 8.\n")
    run(fold_all(unchecked_database))
    assert parked(unchecked_database) == [6]
    audit = "SELECT actor, reason FROM read_model.audit_entry WHERE position > 6 ORDER BY position"
    (first, (actor, reason)) = fetch(unchecked_database, audit)
    assert first == ("jo", "typo")
    assert (bool(actor), reason) == (True, "no use")
    assert verify(Dsns(unchecked_database).of("project")).parked == 1


def test_a_retry_after_an_update_folds_what_it_can_and_fails_while_something_is_parked(
    unchecked_database: str, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    parking(unchecked_database)
    still = say("retry", "--all")
    assert still.exit_code == 1
    assert f"entity:{uid(1)}: event 2 still is parked, 2 behind: Event 2 cannot be folded" in still.stdout
    upgrade(monkeypatch)
    assert said(say("retry", "6")) == f"entity:{uid(2)}: nothing is parked any more, 2 events are folded.\n"
    assert say("retry", "--all").exit_code == 1
    assert say("retry", "3").exit_code == 1
    said(say("skip", "2", "--reason", "lost"))
    said(say("skip", "3", "--reason", "lost"))
    run(fold_all(unchecked_database))
    assert said(say("retry", "--all")) == "Nothing is parked.\n"
    assert verify(Dsns(unchecked_database).of("project")).parked == 0


def test_an_event_of_the_registry_is_retried_and_never_skipped(unchecked_database: str, say: Say) -> None:
    with psycopg.connect(unchecked_database) as connection:
        append(connection, Append(stream=REGISTRY_STREAM, events=[TypeRegistered(Kind.ENTITY, "A", "A"), VANISHED]))
    run(fold_all(unchecked_database))
    refused = say("skip", "2", "--reason", "no")
    assert isinstance(refused.exception, NotSkippable)
    assert "Install a release that knows it" in str(refused.exception)
    retried = say("retry", "2")
    assert (retried.exit_code, retried.stdout.startswith("registry: event 2 still is parked")) == (1, True)


@pytest.mark.parametrize("position", ["0", "-1", "x", "1.5", "9" * 30])
def test_what_is_no_position_is_refused(say: Say, position: str) -> None:
    for words in (["show", position], ["retry", position], ["skip", position, "--reason", "no"]):
        assert say(*words).exit_code == 2


def test_what_cannot_be_done_is_one_line_that_says_why(unchecked_database: str, say: Say) -> None:
    parking(unchecked_database)
    for words in (["show", "1"], ["show", "99"], ["retry", "1"], ["retry", "99"]):
        assert "No event is parked at position" in str(say(*words).exception)
    assert say("retry").exit_code == say("retry", "1", "--all").exit_code == say("skip", "2").exit_code == 2
    reason = ("--reason", "no")
    assert isinstance(say("skip", "99", *reason).exception, Unknown)
    assert isinstance(say("skip", "1", *reason).exception, CanBeFolded)
    assert isinstance(say("skip", "3", *reason).exception, BehindParked)
    for wrong in (("--reason", " "), ("--reason", "x" * 1001), (*reason, "--actor", "")):
        refused = say("skip", "2", *wrong).exception
        assert isinstance(refused, Invalid)
        assert refused.errors[0].field == ("actor" if "--actor" in wrong else "reason")
    assert parked(unchecked_database) == [2, 3, 4, 6]


def test_status_counts_and_a_refusal_is_exit_code_1(unchecked_database: str, tmp_path: Path) -> None:
    parking(unchecked_database)
    status = cockpit("status", folder=tmp_path, database_url=unchecked_database)
    assert "parked       4 events of 2 streams: cockpit parked list" in status.stdout
    refused = cockpit("parked", "skip", "3", "--reason", "no", folder=tmp_path, database_url=unchecked_database)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.splitlines()[-1].startswith("cockpit: Event 3 is behind event 2 of its stream")
    refused = cockpit("parked", "skip", "2", "--reason", " ", folder=tmp_path, database_url=unchecked_database)
    assert refused.stderr.splitlines()[-1] == "cockpit: reason: This field may not be blank."
