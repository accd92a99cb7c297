"""What a run found, as a table for people: on standard output, and in docs/benchmarks.md with its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median

from tests.bench import plots
from tests.bench.results import Bar, Line, Run
from tests.bench.stand import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
PICTURES = ROOT / "docs" / "benchmarks"
HEAD = ("what", "measured", "min … max (of how many)", "against", "ratio", "goal", "beyond", "API's CPU", "")
VERDICTS = {"beyond": "**beyond**", "met": "met", "missed": "missed", "told": "", "invalid": "**invalid**"}


def figure(number: float) -> str:
    """Return a number with three digits that count."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def table(lines: Sequence[Line]) -> str:
    """Return the lines as a Markdown table."""
    rows = [HEAD, ("---",) * len(HEAD), *map(_row, lines)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(line: Line) -> tuple[str, ...]:
    span = f"{figure(min(line.samples))} … {figure(max(line.samples))} ({len(line.samples)})" if line.samples else ""
    ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
    goal, beyond = (_bound(line.bar, name) for name in ("goal", "beyond"))
    verdict = VERDICTS[line.verdict] + (f": {line.fault}" if line.fault else "")
    cost = f"{figure(median(line.costs))} µs" if line.costs else ""
    return line.what, f"{figure(line.value)} {line.unit}", span, line.against, ratio, goal, beyond, cost, verdict


def _bound(bar: Bar | None, name: str) -> str:
    number: float | None = getattr(bar, name, None)
    if bar is None or number is None:
        return ""
    sign = "≥" if bar.better == "more" else "≤"
    return f"{sign} {number:.2f} of it" if bar.of == "ratio" else f"{sign} {figure(number)}"


INTRODUCTION = """# Benchmarks

Written by the benchmark itself. `make bench` makes every figure again, `make bench-quick` a small edition of them
within three minutes; `python -m tests.bench --help` tells of larger databases and single measures.

One API worker, one projector and one embedded PostgreSQL run as processes of their own, as `cockpit api` and `cockpit
project` start them, durable. The load comes from other processes on the same machine: wrk where there is one, else, and
wherever a rate is held or a single time matters, a client of our own. What is compared has its turns in the same
rounds, after a first one that does not count; told is the median, the ratio is the median of the rounds' ratios.

Every answer is counted: one of another status, an event too many or too few in the log, an entity that the read model
lacks, and the measure is invalid.

"""


def write(found: Run) -> None:
    """Write docs/benchmarks.md anew, and its pictures."""
    PICTURES.mkdir(exist_ok=True)
    for old in PICTURES.glob("*.svg"):
        old.unlink()
    pictures = dict(_pictures(found))
    for name, picture in pictures.items():
        (PICTURES / f"{name}.svg").write_text(picture, encoding="utf-8")
    parts = [INTRODUCTION, _circumstances(found), "\n## What was found\n\n", table(found.lines), "\n"]
    parts += [f"![{name}](benchmarks/{name}.svg)\n\n" for name in pictures]
    ways = [f"- {line.what}: {line.how}.\n" for line in found.lines if line.how]
    DOCUMENT.write_text("".join([*parts, "## How\n\n" if ways else "", *ways]).rstrip() + "\n", encoding="utf-8")


def _circumstances(found: Run) -> str:
    rows = {
        "when": f"{found.date}, at commit {found.commit}",
        "command": f"`{found.command}`",
        "rounds": f"{found.rounds} at most, of {found.seconds:g} s a turn",
        "load": "wrk" if "wrk" in found.versions else "our own client: what the raw server does is what that can ask",
        **found.machine,
        "versions": ", ".join(f"{name} {version}" for name, version in found.versions.items()),
    }
    return "| | |\n| --- | --- |\n" + "".join(f"| {name} | {value} |\n" for name, value in rows.items())


def _pictures(found: Run) -> Iterator[tuple[str, str]]:
    """Yield the pictures by name: how far every goal is reached, and what was looked at over time or size."""
    rows = [(line.key, _share(line, line.bar), line.value) for line in found.lines if line.bar]
    if rows:
        yield "goals", plots.bars("How far the goals are reached", rows)
    for series in found.series:
        if any(series.curves.values()):
            is_scale = series.key == "scale"
            drawn = {name: curve for name, curve in series.curves.items() if curve}
            yield series.key, plots.curves(series.title, series.across, series.up, drawn, logarithmic=is_scale)


def _share(line: Line, bar: Bar) -> float:
    figure = line.value if bar.of == "value" else line.ratio or 0.0
    if bar.better == "more":
        return figure / bar.goal
    return bar.goal / figure if figure > 0 else 3.0
