"""Many clients at once, through two API processes over one log: every change is there once, in one order."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from itertools import count, cycle, islice
from pathlib import Path

import httpx2
import psycopg
import pytest

from tests.acceptance.processes import JOHN, authorization, load_sample_data, running, until

CLIENTS, CHANGES = 64, 50
REPEATS = 1000
PATH = f"/api/v1/entities/{JOHN}"


@pytest.fixture
def services(database: str, tmp_path: Path) -> Iterator[list[str]]:
    """Where two API processes answer, over one database that one projector keeps up with."""
    load_sample_data(database, tmp_path)
    with ExitStack() as stack:
        parts = [
            stack.enter_context(running(name, folder=tmp_path, database_url=database, log_level="warning"))
            for name in ("api", "api", "project")
        ]
        urls = [part.url for part in parts[:2]]
        yield urls
        until(lambda: httpx2.get(f"{urls[0]}/ping/", timeout=5).json()["lag"] == 0, 20)


def log_of(database: str, stream: str) -> tuple[int, int]:
    """Return how many events a stream has, and its last version."""
    with psycopg.connect(database) as connection:
        return connection.execute(
            "SELECT count(*), max(version) FROM log.event WHERE stream = %s", [stream]
        ).fetchone() or (0, 0)


async def change(client: httpx2.AsyncClient, number: int, statuses: Counter[int]) -> None:
    """Give the entity CHANGES new names, each built on the version seen last.

    Who comes too late takes the ETag of the 412 and tries again at once; who is too late again steps back for a
    while, and then has to read anew. What is read may be behind: then there is another 412.
    """
    chance = random.Random(number)  # noqa: S311  # it spreads the retries
    patience = 0.5
    etag = ""
    for turn in range(CHANGES):
        body = {"display_name": f"John {number}.{turn}"}
        for attempt in count():
            if attempt % 2 == 0 and (attempt or not turn):
                await asyncio.sleep(chance.uniform(0, patience))
                patience = min(4.0, patience * 2)
                etag = (await client.get(PATH)).headers["ETag"]
            answer = await client.patch(PATH, json=body, headers={"If-Match": etag})
            statuses[answer.status_code] += 1
            assert answer.status_code in {200, 412}, answer.text
            etag = answer.headers["ETag"]
            if answer.status_code == 200:
                break
        patience = max(0.05, patience * 0.7)


@pytest.mark.slow
def test_64_clients_with_if_match_lose_no_change(services: list[str], database: str) -> None:
    headers = authorization(services[0])
    statuses: Counter[int] = Counter()

    async def everybody() -> None:
        async with AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(httpx2.AsyncClient(base_url=url, headers=headers, timeout=60))
                for url in services
            ]
            async with asyncio.TaskGroup() as group:
                for number, client in zip(range(CLIENTS), cycle(clients), strict=False):
                    group.create_task(change(client, number, statuses))

    begun = time.monotonic()
    asyncio.run(everybody())
    seconds = time.monotonic() - begun
    print(f"{CLIENTS * CHANGES} changes in {seconds:.1f} s, {statuses}")  # noqa: T201
    assert log_of(database, f"entity:{JOHN}") == (CLIENTS * CHANGES + 1, CLIENTS * CHANGES + 1)
    assert statuses.keys() <= {200, 412}


def test_one_key_sent_1000_times_at_once_is_one_event_and_1000_equal_answers(
    services: list[str], database: str
) -> None:
    headers = {**authorization(services[0]), "Idempotency-Key": "once"}
    body = {"display_name": "Once", "entity_type": "PERSON"}

    async def everybody() -> list[httpx2.Response]:
        limits = httpx2.Limits(max_connections=200)
        async with httpx2.AsyncClient(headers=headers, timeout=60, limits=limits) as client:
            posts = (client.post(f"{url}/api/v1/entities", json=body) for url in islice(cycle(services), REPEATS))
            return await asyncio.gather(*posts)

    answers = asyncio.run(everybody())
    assert Counter((answer.status_code, answer.text) for answer in answers) == {(201, answers[0].text): REPEATS}
    assert len({(answer.headers["Location"], answer.headers["ETag"]) for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert log_of(database, f"entity:{answers[0].json()['entity_uid']}") == (1, 1)
    with psycopg.connect(database) as connection:
        named = "SELECT count(*) FROM log.event WHERE payload->'data'->>'display_name' = 'Once'"
        assert connection.execute(named).fetchone() == (1,)
