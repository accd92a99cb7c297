"""What a run finds: lines of a table, each with its samples, what they are held against, and what that means."""

from __future__ import annotations

from statistics import median
from typing import Literal

from msgspec import Struct

Verdict = Literal["beyond", "met", "missed", "told", "invalid"]


class Bar(Struct, frozen=True):
    """How good is good enough: of the value itself, or of its ratio to the reference; `better` says which way."""

    goal: float
    beyond: float | None = None
    of: Literal["value", "ratio"] = "value"
    better: Literal["more", "less"] = "more"

    def reached(self, figure: float) -> Verdict:
        for name, bound in (("beyond", self.beyond), ("met", self.goal)):
            if bound is not None and (figure >= bound if self.better == "more" else figure <= bound):
                return "beyond" if name == "beyond" else "met"
        return "missed"


class Line(Struct, kw_only=True):
    """One measure: a sample a round, the reference measured in the same rounds, the bar, and how it was done."""

    key: str
    what: str
    unit: str
    samples: list[float]
    against: str = ""
    reference: list[float] = []
    bar: Bar | None = None
    costs: list[float] = []
    """How many microseconds of a processor an answer cost the API, in each round."""
    how: str = ""
    fault: str = ""

    @property
    def value(self) -> float:
        return median(self.samples) if self.samples else 0.0

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios where every round has both; else that of the medians."""
        if not self.reference or not self.samples:
            return None
        if len(self.reference) == len(self.samples):
            pairs = [(one, other) for one, other in zip(self.samples, self.reference, strict=True) if other]
            return median(one / other for one, other in pairs) if pairs else None
        return self.value / median(self.reference) if median(self.reference) else None

    @property
    def verdict(self) -> Verdict:
        if self.fault or not self.samples:
            return "invalid"
        if self.bar is None:
            return "told"
        figure = self.value if self.bar.of == "value" else self.ratio
        return "invalid" if figure is None else self.bar.reached(figure)


class Series(Struct, kw_only=True):
    """Something that was looked at over time, or over size: for a picture."""

    key: str
    title: str
    across: str
    up: str
    curves: dict[str, list[tuple[float, float]]]


class Run(Struct, kw_only=True):
    """One run as it is kept: where, with what, when, how, and what it found."""

    command: str
    date: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str]
    rounds: int
    seconds: float
    lines: list[Line] = []
    series: list[Series] = []
