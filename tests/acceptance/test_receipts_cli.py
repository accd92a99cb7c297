"""Receipts of long ago can be forgotten from the command line; what is young stays, whoever asks."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from cockpit.__main__ import cli
from db.pool import Dsns
from tests.appending import Append, append
from tests.integration.projecting import JOHN, execute, fetch

KEYS = "SELECT convert_from(key, 'UTF8') FROM log.command_receipt ORDER BY 1"
AGE = "UPDATE log.command_receipt SET recorded_at = now() - interval '{days} days' WHERE key = '{key}'"


@pytest.fixture
def receipts(unchecked_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with receipts of three ages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COCKPIT_DATABASE_URL", unchecked_database)
    with psycopg.connect(unchecked_database) as connection:
        for key in ("new", "old", "ancient"):
            append(connection, Append(stream=f"entity:{key}", events=[JOHN], key=key.encode()))
    execute(unchecked_database, AGE.format(days=40, key="old"), AGE.format(days=100, key="ancient"))
    return unchecked_database


def forget(*words: str) -> str:
    result = CliRunner().invoke(cli, ["tidy", *words])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_receipts_older_than_some_days_are_forgotten(receipts: str) -> None:
    assert forget() == "Forgotten: 1 receipts older than 90 days.\n"
    assert fetch(receipts, KEYS) == [("new",), ("old",)]
    assert forget("--older-than", "30") == "Forgotten: 1 receipts older than 30 days.\n"
    assert fetch(receipts, KEYS) == [("new",)]


def test_what_is_younger_than_a_day_is_never_forgotten(receipts: str) -> None:
    assert CliRunner().invoke(cli, ["tidy", "--older-than", "0"]).exit_code == 2
    with psycopg.connect(Dsns(receipts).of("write"), autocommit=True) as connection:
        assert connection.execute("SELECT log.forget_receipts(now() + interval '1 year', 10)").fetchone() == (2,)
    assert fetch(receipts, KEYS) == [("new",)]


def test_only_the_write_side_may_forget(receipts: str) -> None:
    with (
        psycopg.connect(Dsns(receipts).of("read"), autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("SELECT log.forget_receipts(now(), 10)")


def test_a_key_that_is_forgotten_counts_as_a_new_one(receipts: str) -> None:
    again = Append(stream="entity:again", events=[JOHN], key=b"ancient")
    with psycopg.connect(receipts) as connection:
        assert append(connection, again)[0].verdict == "duplicate"
        connection.rollback()
        forget()
        assert append(connection, again)[0].verdict == "appended"


def test_a_command_that_changed_nothing_stays_known(receipts: str) -> None:
    execute(receipts, "UPDATE log.command_receipt SET event_id = NULL WHERE convert_from(key, 'UTF8') = 'ancient'")
    assert forget() == "Forgotten: 0 receipts older than 90 days.\n"
