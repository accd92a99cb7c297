"""Pictures of what was found: bars beside a bar to reach, and curves; SVG that reads on white and on black."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

GREY = "#7d8590"
COLOURS = ("#3b6fb6", "#b3611b", "#2f7d4f", "#8250a8", "#a83b5c", "#4a8a9c", "#8a7a2f", "#5c5c5c")
WIDTH, LEFT, RIGHT, ROW, HEIGHT = 760, 300, 90, 26, 340
LEGEND, DOTTED = 280, 8
"""How wide the names of curves are; and the points of how short a curve are dotted."""
Curve = Sequence[tuple[float, float]]


def _text(x: float, y: float, text: str, more: str = "") -> str:
    safe = text.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{GREY}"{more}>{safe}</text>'


def _svg(title: str, height: float, parts: Iterator[str]) -> str:
    size = f'viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" role="img">'
    return (
        "\n".join([head, f"<title>{title}</title>", _text(14, 20, title, ' font-weight="bold"'), *parts, "</svg>"])
        + "\n"
    )


def short(number: float) -> str:
    """Return a number as an axis has it."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{name}"
    return f"{number:.3g}" if abs(number) >= 0.001 else "0"


def bars(title: str, rows: Sequence[tuple[str, float, float | None]]) -> str:
    """Return a picture of shares of a goal: a bar each, by name, and what it stands for; 1 is the goal."""
    most = max([1.0, *(share for _, share, _ in rows)])
    scale = (WIDTH - LEFT - RIGHT) / min(most, 3.0)

    def parts() -> Iterator[str]:
        for number, (name, share, figure) in enumerate(rows):
            y = 36 + number * ROW
            width = min(share, 3.0) * scale
            yield _text(LEFT - 8, y + 14, name, ' text-anchor="end"')
            yield f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="18" fill="{COLOURS[0 if share < 1 else 2]}"/>'
            yield _text(LEFT + width + 6, y + 14, short(figure if figure is not None else share))
        x = LEFT + scale
        yield f'<path d="M{x:.1f} 30V{36 + len(rows) * ROW}" stroke="{GREY}" stroke-dasharray="4 4"/>'
        yield _text(x, 46 + len(rows) * ROW, "goal", ' text-anchor="middle"')

    return _svg(title, 56 + len(rows) * ROW, parts())


def curves(title: str, across: str, up: str, drawn: Mapping[str, Curve], *, logarithmic: bool = False) -> str:
    """Return a picture of curves over one axis; logarithmic in both directions where that is wanted."""
    points = [point for curve in drawn.values() for point in curve]
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    low, high = (
        (min(y for _, y in points), max(y for _, y in points)) if logarithmic else (0.0, max(y for _, y in points))
    )
    high = high if high > low else low + 1.0

    def place(value: float, start: float, end: float, length: float) -> float:
        if logarithmic and start > 0 and end > start:
            return length * math.log(value / start) / math.log(end / start)
        return length * (value - start) / (end - start) if end > start else 0.0

    def x(value: float) -> float:
        return 64 + place(value, first, last, WIDTH - 64 - LEGEND)

    def y(value: float) -> float:
        return HEIGHT - 44 - place(value, low, high, HEIGHT - 44 - 40)

    def parts() -> Iterator[str]:
        yield f'<path d="M64 36V{HEIGHT - 44}H{WIDTH - LEGEND + 10}" fill="none" stroke="{GREY}"/>'
        for value in (low, high):
            yield _text(58, y(value) + 4, short(value), ' text-anchor="end"')
        for value in sorted({first, last, *(at for at, _ in points if logarithmic)}):
            yield _text(x(value), HEIGHT - 26, short(value), ' text-anchor="middle"')
        yield _text(WIDTH - LEGEND + 10, HEIGHT - 8, across, ' text-anchor="end"')
        yield _text(16, 36, up, ' transform="rotate(-90 16 36)" text-anchor="end"')
        for number, (name, curve) in enumerate(drawn.items()):
            colour = COLOURS[number % len(COLOURS)]
            dashed = ' stroke-dasharray="6 3"' if number >= len(COLOURS) else ""
            path = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in curve)
            for at, value in curve if len(curve) <= DOTTED else ():
                yield f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="3" fill="{colour}"/>'
            yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashed}/>'
            left, down = WIDTH - LEGEND + 24, 44 + number * 18
            yield f'<path d="M{left} {down}h20" stroke="{colour}" stroke-width="2"{dashed}/>'
            yield _text(left + 26, down + 4, name)

    return _svg(title, HEIGHT, parts())
