"""The benchmark itself, in its tiniest form: what it finds is whole and counted. Nothing here looks at how fast."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import convert

from tests.bench import around, plots, report
from tests.bench.results import Bar, Line, Run, Series
from tests.bench.stand import ROOT

TINY = ("--quick", "--rounds", "1", "--seconds", "0.2", "--sizes", "100")


@pytest.mark.slow
def test_its_tiniest_form_finds_something_in_every_measure_it_makes(tmp_path: Path) -> None:
    file = tmp_path / "found.json"
    command = [sys.executable, "-m", "tests.bench", *TINY, "--only", "writes", "reads", "--json", str(file)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr[-3000:]
    found = convert(json.loads(file.read_text()), Run)
    keys = {line.key for line in found.lines}
    assert keys >= {"raw.post", "writes.post", "writes.patch", "raw.get", "reads.one", "reads.list", "reads.as_of"}
    for line in found.lines:
        assert not line.fault, line
        assert line.samples, line
        assert all(sample > 0 for sample in line.samples), line
        assert line.what in ran.stdout
    assert found.versions["PostgreSQL"]
    assert "a fixed loop took" in found.machine["steadiness"]


@pytest.mark.parametrize(
    ("samples", "bar", "verdict"),
    [
        ([9.0, 30.0, 31.0], Bar(goal=0.3, beyond=0.45, of="ratio"), "met"),
        ([9.0, 29.0, 50.0], Bar(goal=0.3, beyond=0.45, of="ratio"), "missed"),
        ([50.0], Bar(goal=0.3, beyond=0.45, of="ratio"), "beyond"),
        ([5.0], Bar(goal=20, beyond=5, better="less"), "beyond"),
        ([21.0], Bar(goal=20, beyond=5, better="less"), "missed"),
        ([21.0], None, "told"),
        ([], Bar(goal=20), "invalid"),
    ],
)
def test_a_verdict_is_that_of_the_median(samples: list[float], bar: Bar | None, verdict: str) -> None:
    line = Line(key="k", what="w", unit="/s", samples=samples, reference=[100.0] * len(samples), bar=bar)
    assert line.verdict == verdict


def test_what_went_wrong_is_no_result() -> None:
    line = Line(
        key="k", what="w", unit="/s", samples=[1e9], bar=Bar(goal=1), fault="5 answers, but 4 events in the log"
    )
    assert line.verdict == "invalid"
    assert "invalid" in report.table([line])


def test_pictures_are_drawn_of_what_was_found() -> None:
    series = Series(key="s", title="t", across="x", up="y", curves={"a": [(1.0, 2.0), (10.0, 3.0)]})
    drawn = plots.curves(series.title, series.across, series.up, series.curves, logarithmic=True)
    assert len(re.findall("<polyline", drawn)) == 1
    assert len(re.findall("<rect", plots.bars("t", [("a & b", 0.5, 10.0), ("c", 2.0, None)]))) == 2


@pytest.mark.parametrize(
    ("paces", "told"),
    [
        ([], "not looked at"),
        ([15.0] * 12, "a fixed loop took 15.0 to 15.0 ms of a processor"),
        ([15.0] * 6 + [33.0] * 6, "others were at work"),
    ],
)
def test_a_machine_that_is_not_steady_is_said_to_be(paces: list[float], told: str) -> None:
    assert told in around.steadiness(paces)
    assert ("others" in around.steadiness(paces)) == ("others" in told)


def test_its_lock_file_holds_names_and_hashes_alone() -> None:
    line = re.compile(r"[\w.-]+==\S+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    lock = Path(__file__).with_name("requirements.lock").read_text(encoding="utf-8")
    assert [text for text in lock.splitlines() if not line.fullmatch(text)] == []
