"""From `make run` to ready, with everything installed and the data there; but for make itself, the same commands."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.bench.bench import Bench
from tests.bench.results import Bar, Line
from tests.bench.stand import ROOT, NotReady, clean_environment, leashed, stop, wait_until

READY = Bar(goal=3, beyond=1, better="less")
RUN = '"$0" bootstrap.py && exec "$0" -m cockpit serve'


def start(bench: Bench, data: Path) -> float:
    """Start everything, wait until it says that it is ready, stop it; return after how many seconds it was."""
    is_ours = Path(sys.prefix) == ROOT / ".venv"  # with another environment there is nothing to set up
    command = ["sh", "-c", RUN, sys.executable] if is_ours else [sys.executable, "-m", "cockpit", "serve"]
    settings = clean_environment(COCKPIT_DATA_DIR=str(data), COCKPIT_PORT="0")
    with bench.stand.output("serve") as file:
        began = time.monotonic()
        running = leashed(command, env=settings, cwd=ROOT, stdout=file, stderr=file)
        said = Path(file.name)

        def is_ready() -> bool:
            if running.poll() is not None:
                raise NotReady(f"cockpit serve ended with {running.returncode}: {said.read_text()[-200:]}")
            return "Cockpit is ready" in said.read_text()

        try:
            wait_until(is_ready, "cockpit serve is ready", pause=0.005)
            return time.monotonic() - began
        finally:
            stop(running)


def measure(bench: Bench) -> None:
    """Start it once to make the data, then in rounds."""
    data = bench.stand.folder / "start"
    data.mkdir(mode=0o755)
    samples, faults = bench.rounds({"start": lambda _: start(bench, data)})
    bench.add(
        Line(
            key="start",
            what="start: `make run`, warm, until ready",
            unit="s",
            samples=samples["start"],
            bar=READY,
            fault=faults.get("start", ""),
        )
    )
