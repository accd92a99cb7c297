"""What a run found, as a table for people: on standard output, and in docs/benchmarks.md with its pictures."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.results import Bar, Line, Run
from tests.bench.stand import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "benchmarks"
HEAD = ("what", "measured", "min … max", "against", "ratio", "goal", "beyond", "")
VERDICTS = {"beyond": "**beyond**", "met": "met", "missed": "missed", "told": "", "invalid": "**invalid**"}


def figure(number: float) -> str:
    """Return a number with three digits that count."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a Markdown table."""
    rows = [HEAD, ("---",) * len(HEAD), *map(_row, lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(line: Line) -> tuple[str, ...]:
    span = f"{figure(min(line.samples))} … {figure(max(line.samples))}" if line.samples else ""
    ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
    goal, beyond = (_bound(line.bar, number) for number in (line.bar and line.bar.goal, line.bar and line.bar.beyond))
    verdict = VERDICTS[line.verdict] + (f": {line.fault}" if line.fault else "")
    return line.what, f"{figure(line.value)} {line.unit}", span, line.against, ratio, goal, beyond, verdict


def _bound(bar: Bar | None, number: float | None) -> str:
    if bar is None or number is None:
        return ""
    sign = "≥" if bar.better == "more" else "≤"
    return f"{sign} {number:.2f}×" if bar.of == "ratio" else f"{sign} {figure(number)}"


def write(found: Run) -> None:
    """Write docs/benchmarks.md anew, and its pictures."""
    DOCUMENT.write_text(table(found.lines), encoding="utf-8")
