"""A pipeline whose questions are larger than any socket's buffer comes to its end."""

from __future__ import annotations

import asyncio

import psycopg

from db.pipeline import pipeline

LARGE = "x" * 30_000_000


def test_large_questions_are_sent_to_their_end(unchecked_database: str) -> None:
    async def run() -> list[tuple[object, ...] | None]:
        async with await psycopg.AsyncConnection.connect(unchecked_database, autocommit=True) as connection:
            async with asyncio.timeout(30), pipeline(connection) as going:
                await connection.execute("BEGIN")
                await connection.execute("SELECT pg_sleep(0.2)")
                first = await connection.execute("SELECT length(%b::text)", [LARGE])
                second = await connection.execute("SELECT length(%b::text)", [LARGE])
                await going.sync()
                found = [await first.fetchone(), await second.fetchone()]
                await connection.execute("COMMIT")
            return found

    assert asyncio.run(run()) == [(len(LARGE),), (len(LARGE),)]
