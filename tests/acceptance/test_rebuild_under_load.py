"""A rebuild that nobody notices: 50 commands and 200 reads a second go on, no answer is wrong, none is late.

`make test` does it with a small log; `make test-replay` with a million events, and prints what it measured.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import psycopg
import pytest

from tests.acceptance import big_log
from tests.acceptance.load_client import Plan
from tests.acceptance.loading import Load, Read, judge
from tests.acceptance.processes import authorization, environment, running
from tests.fuzz_options import REPLAY

HOT = 200
COMMANDS, READS = 50.0, 200.0
"""How many of them are made in a second, however long the ones before take."""
CALM_SECONDS = 5.0
PATIENCE_SECONDS = 900.0
MOST_MEMORY = 300 * 1024
"""What each process of a rebuild may take, in KiB."""
MOST_ADDED_LAG = 1.0


def resident(pid: int) -> int:
    """Return how much memory a process has, in KiB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return int(found[0]) if found else 0


def largest(pid: int) -> int:
    """Return how much memory a process has or one that it began, whichever has most, in KiB; 0 when it is gone."""
    try:
        begun = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        begun = []
    return max(map(resident, [pid, *map(int, begun)]))


def measured(command: str, database: str, folder: Path) -> tuple[int, str, list[int], float]:
    """Run a `cockpit` command; return its exit code, what it said, its memory over time, and how long it took."""
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "cockpit", command],
        cwd=folder,
        env=environment(folder, {"database_url": database}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    memory: list[int] = []

    def sample() -> None:
        while process.poll() is None:
            memory.append(largest(process.pid))
            time.sleep(0.05)

    sampler = threading.Thread(target=sample)
    sampler.start()
    said, _ = process.communicate()
    sampler.join()
    return process.returncode, said, [kib for kib in memory if kib], time.monotonic() - begun


@pytest.mark.slow
def test_a_rebuild_is_not_noticed(unchecked_database: str, tmp_path: Path) -> None:
    database = unchecked_database
    with psycopg.connect(database) as connection:
        entities = big_log.fill(connection, REPLAY.events)
    with running(
        "serve", folder=tmp_path, database_url=database, environment="test", log_level="warning", batch_events=5000
    ) as service:
        url = service.url
        wait_until_projected(database)
        token = authorization(url)["Authorization"].removeprefix("Token ")
        load = Load(Plan(url, token, database, str(tmp_path / "answers"), HOT, entities, COMMANDS, READS))
        load.start()
        calm_from = time.monotonic()
        time.sleep(CALM_SECONDS)
        begun = time.monotonic()
        code, said, memory, seconds = measured("rebuild", database, tmp_path)
        ended = time.monotonic()
        time.sleep(1)
        load.stop()
        clients = {kind: load.waits(kind, calm_from, ended) for kind in ("PATCH", "GET")}
        calm, busy = load.lags(calm_from, begun), load.lags(begun, ended)
        print(  # noqa: T201  # the figures are what it is run for
            f"\n{REPLAY.events} events rebuilt in {seconds:.1f} s ({REPLAY.events / seconds:.0f}/s) under"
            f" {len(clients['PATCH']) / (ended - calm_from):.0f} commands/s and"
            f" {len(clients['GET']) / (ended - calm_from):.0f} reads/s,"
            f" {load.core_seconds * 1000 / len(load.latencies):.2f} s of a core per 1,000 answers"
            f"\nanswered after: commands {told(load.waits('PATCH', calm_from, begun))}; meanwhile"
            f" {told(load.waits('PATCH', begun, ended))}"
            f"\nreads {told(load.waits('GET', calm_from, begun))}; meanwhile {told(load.waits('GET', begun, ended))}"
            f"\nnot visible for: before {told(calm)}; meanwhile {told(busy)}"
            f"\nmemory: at most {max(memory) / 1024:.0f} MiB;"
            f" {median(memory[len(memory) // 4 : len(memory) // 2]) / 1024:.0f} MiB in the second quarter,"
            f" {median(memory[-len(memory) // 4 :]) / 1024:.0f} MiB in the last\n{said}"
        )
        assert code == 0, said
        assert load.failures == []
        with psycopg.connect(database) as connection:
            judged = judge(connection, load.reads())
            ((previous,),) = connection.execute("SELECT to_regclass('read_model_previous.checkpoint')").fetchall()
        print(f"{len(load.latencies)} answers, {judged} entities in them, each as the oracle has it")  # noqa: T201
        assert previous is not None, "nothing was switched"
        assert max(memory) <= MOST_MEMORY
        assert max(busy) - max(calm) <= MOST_ADDED_LAG
        code, said, memory, seconds = measured("verify", database, tmp_path)
        print(f"{said.strip()} {seconds:.1f} s, at most {max(memory) / 1024:.0f} MiB")  # noqa: T201
        assert code == 0, said


def wait_until_projected(database: str) -> None:
    give_up = time.monotonic() + PATIENCE_SECONDS
    with psycopg.connect(database, autocommit=True) as connection:
        while True:
            ((behind,),) = connection.execute(
                "SELECT (SELECT max(position) FROM log.event) - position FROM read_model.checkpoint"
            ).fetchall()
            if not behind:
                return
            assert time.monotonic() < give_up, f"the projector is {behind} events behind"
            time.sleep(0.2)


def told(lags: list[float]) -> str:
    return (
        f"median {median(lags) * 1000:.0f} ms, p99 {quantiles(lags, n=100)[98] * 1000:.0f}, most {max(lags) * 1000:.0f}"
    )


def test_the_oracle_finds_an_answer_that_is_wrong(unchecked_database: str) -> None:
    """The judge is no rubber stamp: what it is told must be what the log says."""
    with psycopg.connect(unchecked_database) as connection:
        big_log.fill(connection, 40)
        who = big_log.uid(0)
        right = {"display_name": "Name 0", "entity_type": "PERSON", "details.EMAIL": "0.1@example.com"}
        at = datetime.max.replace(tzinfo=UTC)
        assert judge(connection, [Read("p", at, 1, {who: right}, who)]) == 1
        with pytest.raises(AssertionError, match="not"):
            judge(connection, [Read("p", at, 1, {who: right | {"display_name": "x"}}, who)])
