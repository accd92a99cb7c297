"""Rows and a database that is away: they wait for it; where it stays away, none goes in before an earlier one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cockpit.services import Writers, writers
from db.pool import Dsns
from shared.core.errors import Unavailable
from shared.core.events import Kind
from tests.integration.proxy import proxied
from tests.integration.test_ingest import (
    METADATA,
    REQUEST,
    SETTINGS,
    ann,
    chunks,
    events,
    execute,
    verdicts,
    with_writers,
)
from write_side.external_key import ExternalKey
from write_side.handler import Outcome, Request
from write_side.ingest import Ingest, Told
from write_side.registry import RegisterType
from write_side.upsert import Upsert


def test_rows_wait_for_a_database_that_comes_back_and_none_is_lost(database: str) -> None:
    rows = [ann(str(n), ExternalKey("crm", str(n))) for n in range(100)]

    async def run() -> list[Told]:
        async with proxied(database) as proxy, writers(Dsns(proxy.conninfo), SETTINGS) as writing:
            await writing.handler.registry(RegisterType(Kind.ENTITY, "PERSON", "Person"), REQUEST)
            proxy.cut_on = b"Per"
            working = asyncio.create_task(execute(writing.handler, rows, size=10))
            while len(events(database)) < 40:  # noqa: ASYNC110  # the log is what tells
                await asyncio.sleep(0.01)
            await proxy.stop()
            await proxy.start()
            return await working

    assert verdicts(asyncio.run(run())) == ["registered"] * 100
    assert len(events(database)) == 200


def test_a_row_behind_one_that_was_given_up_is_not_taken_in_before_it(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a second run would take in the earlier row last, and leave its older value."""
    rows = [ann("first"), ann("second"), ann("of another", ExternalKey("crm", "other"))]

    async def run(writing: Writers) -> list[Told]:
        await writing.handler.registry(RegisterType(Kind.ENTITY, "PERSON", "Person"), REQUEST)
        upsert, away = writing.handler.upsert, asyncio.Event()

        async def upsert_later(command: Upsert, request: Request) -> Outcome[Any]:
            if command.display_name == "first" and not away.is_set():
                raise Unavailable("The database does not answer.")
            return await upsert(command, request)

        monkeypatch.setattr(writing.handler, "upsert", upsert_later)
        ingest = Ingest(writing.handler, metadata=METADATA, patience=0)
        told = [one async for chunk in ingest.execute(chunks(rows[:2], 2)) for one in chunk]
        away.set()
        again = Ingest(writing.handler, metadata=METADATA)
        return told + [one async for chunk in again.execute(chunks(rows, 3)) for one in chunk]

    assert verdicts(with_writers(database, run)) == ["refused", "refused", "registered", "revised", "registered"]


def test_where_the_database_stays_away_the_rest_is_told_so_and_a_second_run_ends_it(database: str) -> None:
    """What was on its way when the database went may be in the log, though nobody heard: the second run finds it."""
    rows = [ann(str(n), ExternalKey("crm", str(n))) for n in range(40)]

    async def run() -> list[Told]:
        async with proxied(database) as proxy, writers(Dsns(proxy.conninfo), SETTINGS) as writing:
            await writing.handler.registry(RegisterType(Kind.ENTITY, "PERSON", "Person"), REQUEST)
            ingest = Ingest(writing.handler, metadata=METADATA, patience=0.1)
            found: list[Told] = []
            async for told in ingest.execute(chunks(rows, 20)):
                found += told
                await proxy.stop()
            return found

    async def run_again(writing: Writers) -> list[Told]:
        return await execute(writing.handler, rows, size=20)

    told = asyncio.run(run())
    assert len(told) == 40
    assert verdicts(told)[:20] == ["registered"] * 20
    assert all(isinstance(one.refusal, Unavailable) for one in told[20:] if one.verdict == "refused")
    in_the_log = len(events(database)) // 2
    assert in_the_log >= verdicts(told).count("registered")
    again = verdicts(with_writers(database, run_again))
    assert (again.count("unchanged"), again.count("registered")) == (in_the_log, 40 - in_the_log)
    assert len(events(database)) == 80
