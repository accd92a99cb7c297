"""The pictures of docs/time: rectangles over valid time (to the right) and recorded time (upwards), a colour a value.

`python -m tests.drawing` draws them anew; a test holds the files against what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.worked_examples import EXAMPLES, Rectangle, Telling, on, rectangles

PICTURES = Path(__file__).parents[1] / "docs" / "time"
COLOURS = {"A": "#3b6fb6", "B": "#b3611b", "C": "#2f7d4f", "X": "#8250a8"}
GREY = "#7d8590"  # reads on white and on black, as white does on each of the colours
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 330, 64, 190, 16, 44
DOTTED = ' stroke="#fff" stroke-opacity=".7" stroke-dasharray="2 5"'
FIRST, LAST = on(1), on(8, 15)


def _across(instant: datetime | None) -> float:
    share = 1.0 if instant is None else (instant - FIRST) / (LAST - FIRST)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _up(instant: datetime | None) -> float:
    share = 1.0 if instant is None else (instant - FIRST) / (LAST - FIRST)
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _line(x1: float, y1: float, x2: float, y2: float, more: str = f' stroke="{GREY}"') -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"{more}/>'


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" fill="{GREY}"{more}>{text}</text>'


def _rectangle(r: Rectangle) -> Iterator[str]:
    left, right, low, high = _across(r.valid_from), _across(r.valid_to), _up(r.recorded_from), _up(r.recorded_to)
    width, height = round(right - left - 2, 1), round(low - high - 2, 1)  # a seam between those that touch
    yield f'<rect x="{left + 1:.1f}" y="{high + 1:.1f}" width="{width}" height="{height}" fill="{COLOURS[r.value]}"/>'
    at = f'x="{(left + right) / 2:.1f}" y="{(low + high) / 2 + 5:.1f}"'
    yield f'<text {at} fill="#fff" font-size="15" font-weight="bold" text-anchor="middle">{r.value}</text>'


def _frame(example: tuple[Telling, ...]) -> Iterator[str]:
    for month in range(1, 9):
        yield _line(_across(on(month)), _up(FIRST), _across(on(month)), _up(FIRST) + 5)
        yield _text(_across(on(month)), _up(FIRST) + 18, f"{on(month):%b} 1", ' text-anchor="middle"')
    yield _text(_across(None), _up(FIRST) + 36, "valid time: when it is true", ' text-anchor="end"')
    yield _text(
        14, _up(None), "recorded time: when it was known", f' transform="rotate(-90 14 {_up(None)})" text-anchor="end"'
    )
    for telling in example:
        at = _up(telling.recorded_at)
        yield _line(LEFT - 5, at, _across(None) + 5, at)
        yield _text(LEFT - 9, at + 4, f"{telling.recorded_at:%b} {telling.recorded_at.day}", ' text-anchor="end"')
        yield _text(_across(None) + 10, at + 4, telling.caption)


def svg(example: tuple[Telling, ...]) -> str:
    """Return the picture of an example."""
    found = rectangles(example)
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" role="img">',
        f"<title>{' · '.join(map(str, found))}</title>",
        *_frame(example),
        *(part for rectangle in found for part in _rectangle(rectangle)),
        _line(_across(FIRST), _up(FIRST), _across(None), _up(None), DOTTED),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for picture, example in EXAMPLES.items():
        (PICTURES / f"{picture}.svg").write_text(svg(example), encoding="utf-8")
