"""A file of many rows goes in from the command line, and a second time appends nothing.

`make test` does it with a small file; `make test-replay` with a million rows, and prints what it measured.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.processes import cockpit, environment, load_sample_data
from tests.acceptance.test_rebuild_under_load import resident
from tests.fuzz_options import REPLAY

ROWS_AN_ENTITY = 4
SMALL = 50_000
"""Up to how many rows the tables are made and verified here as well: `cockpit` is given a minute for each."""
HEADER = ["external_id", "display_name", "entity_type", "EMAIL", "effective_at"]


def rows(number: int) -> Iterator[list[str]]:
    """Yield so many rows: of every four one makes an entity known, the others come later and change it."""
    for n in range(number):
        key, turn = f"C-{n // ROWS_AN_ENTITY:07}", n % ROWS_AN_ENTITY
        at = f"2024-01-{1 + turn:02}"
        if turn == 0:
            yield [key, f"Name {key}", "PERSON", f"{key}@example.com", at]
        else:
            yield [key, f"Name {key}.{turn}" if turn % 2 else "", "", f"{key}.{turn}@example.com", at]


def ingest(database: str, folder: Path, file: Path) -> tuple[str, float, int]:
    """Run `cockpit ingest`; return what it said last, how long it took, and the most memory that it had, in KiB."""
    begun = time.monotonic()
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "cockpit", "ingest", str(file), "--source", "legacy"],
            cwd=folder,
            env=environment(folder, {"database_url": database}),
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        most = 0

        def sample() -> None:
            nonlocal most
            while process.poll() is None:
                most = max(most, resident(process.pid))
                time.sleep(0.05)

        sampler = threading.Thread(target=sample)
        sampler.start()
        code = process.wait()
        sampler.join()
        said.seek(0)
        text = said.read()
    assert code == 0, text
    return text.strip().splitlines()[-1], time.monotonic() - begun, most


@pytest.mark.slow
def test_a_file_of_many_rows_goes_in_once(unchecked_database: str, tmp_path: Path) -> None:
    database, number = unchecked_database, REPLAY.events
    load_sample_data(database, tmp_path)
    file = tmp_path / "many.csv"
    with file.open("w", newline="") as to:
        writer = csv.writer(to)
        writer.writerow(HEADER)
        writer.writerows(rows(number))
    with psycopg.connect(database, autocommit=True) as connection:

        def heads() -> tuple[int, int]:
            return connection.execute(
                "SELECT max(position), count(DISTINCT stream) FILTER (WHERE stream LIKE 'external_key:legacy:%')"
                " FROM log.event"
            ).fetchall()[0]

        before = heads()
        first = ingest(database, tmp_path, file)
        after = heads()
        second = ingest(database, tmp_path, file)
        again = heads()
    entities = -(-number // ROWS_AN_ENTITY)
    for which, (said, seconds, memory) in (("first", first), ("second", second)):
        print(f"\n{which}: {said} {seconds:.1f} s, {number / seconds:.0f} rows/s, at most {memory / 1024:.0f} MiB")  # noqa: T201
    assert first[0] == (
        f"{number:,} rows: {entities:,} new, {number - entities:,} revised, 0 unchanged, 0 done before, 0 refused."
    )
    assert second[0] == f"{number:,} rows: 0 new, 0 revised, 0 unchanged, {number:,} done before, 0 refused."
    assert (after[0] - before[0], after[1]) == (number + entities, entities)
    assert again == after
    rebuilt = cockpit("rebuild", folder=tmp_path, database_url=database) if number <= SMALL else None
    assert rebuilt is None or rebuilt.returncode == 0, rebuilt.stderr
    if rebuilt is not None:
        verified = cockpit("verify", folder=tmp_path, database_url=database)
        assert verified.returncode == 0, verified.stdout + verified.stderr
