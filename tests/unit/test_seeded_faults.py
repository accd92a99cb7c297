"""The check of two-dimensional time is worth something: it finds every fault that is put into the fold on purpose.

Each is a change of one place in a copy of the sources, on which the check runs in a process of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import ROOT

HISTORIES, SECONDS = 300, 120
COPIED = ["shared", "write_side", *(f"tests/{n}.py" for n in ("__init__", "given", "histories", "oracle_points"))]
CHECK = ["tests/time_check.py", "tests/time_points.py"]
RULE, SEGMENTS, TURN, TIMELINE = (f"shared/core/{name}.py" for name in ("assertions", "segments", "turn", "timeline"))
FAULTS = {
    "a change point at an overlay's start loses": (
        RULE,
        "point.effective_at >= overlay",
        "point.effective_at > overlay",
    ),
    "an earlier change point beats an overlay": (RULE, "point.position > overlay.position and ", ""),
    "overlays are ranked by their start": (
        RULE,
        "(-overlay.position, end",
        "(-overlay.effective_at.timestamp() - overlay.position / 1e6, end",
    ),
    "an overlay's end goes unseen": (RULE, "for overlay, _ in overlays), *ends}", "for overlay, _ in overlays)}"),
    "of change points at one instant the first counts": (
        RULE,
        "return point.effective_at, point.position",
        "return point.effective_at, -point.position",
    ),
    "infinity voids nothing": (RULE, "if point.effective_until == INFINITY]", "if not points]"),
    "infinity voids what is recorded later": (RULE, "point.position >= position or ", ""),
    "infinity cuts no overlay": (RULE, "end if o.position > position else min(end, at)", "end"),
    "infinity cuts overlays recorded later": (RULE, "end if o.position > position else min(end, at)", "min(end, at)"),
    "a reopening loses its name": (
        RULE,
        "if event.display_name is not UNSET:",
        "if event.display_name is not UNSET and isinstance(event, EntityRevised):",
    ),
    "details outlive their entity": (
        SEGMENTS,
        "if exists is not True or None",
        "if (group == ENTITY and not exists) or None",
    ),
    "rows that touch and are equal stay two": (SEGMENTS, "found[-1].content == content", "found[-1].content is None"),
    "rows are joined over a gap": (SEGMENTS, "found[-1].end == start and ", ""),
    "an open row forgets an overlay's end": (SEGMENTS, "for instant in a.instants", "for instant in [a.effective_at]"),
    "the fast path is taken at the same instant": (TURN, "last.asserted_to < self", "last.asserted_to <= self"),
    "the fast path is taken for an overlay": (TURN, "bool(self._asserted) and self._end is None", "True"),
    "a first assertion has no bound": (TURN, "end = until if isinstance(until, datetime) else None", "end = None"),
    "a row is closed that was never open": (TURN, "if row.valid_to is None and segment.end", "if segment.end"),
    "an open row is superseded where it might be closed": (
        TURN,
        "if row.valid_to is None and segment.end",
        "if not row",
    ),
    "a row's end is known too early": (
        TURN,
        "valid_to_known_position=position, updated_at",
        "valid_to_known_position=row.recorded_from_position, updated_at",
    ),
    "what is superseded is believed for one position more": (
        TURN,
        "Superseded(row, self.recorded.position)",
        "Superseded(row, self.recorded.position + 1)",
    ),
    "the same value again leaves no trace": (TURN, "if row.asserted_to == at:", "if row.asserted_to:"),
    "what is cancelled goes on counting": (
        TIMELINE,
        "fields = _without(fields, recorded.event.event_id)",
        "fields = dict(fields)",
    ),
    "an overlay's end is not scheduled": (
        TIMELINE,
        "new = instants(recorded.effective_at, recorded.effective_until)",
        "new = (recorded.effective_at,)",
    ),
    "existence moves no detail": (TIMELINE, "if EXISTS in spoken_of:", "if not spoken_of:"),
}


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the check on the sources in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "tests.time_check", f"--histories={HISTORIES}", "--seed=1"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A copy of what the check looks at, and of the check."""
    for name in [*COPIED, *CHECK]:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_a_copy_without_a_fault_passes(sources: Path) -> None:
    ran = checked(sources)
    assert ran.returncode == 0, ran.stderr
    assert "histories" in ran.stdout


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_fold_is_found(sources: Path, fault: str) -> None:
    name, right, wrong = FAULTS[fault]
    text = (sources / name).read_text(encoding="utf-8")
    assert text.count(right) == 1, f"{name} has changed: {right}"
    (sources / name).write_text(text.replace(right, wrong), encoding="utf-8")
    ran = checked(sources)
    assert ran.returncode == 1
    assert "state = OneEntity()" in ran.stderr, ran.stderr
