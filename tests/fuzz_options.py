"""How hard to look, told by the command line before the tests are gathered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Fuzz:
    """How many examples each operation is thrown, and the seed they are drawn with."""

    examples: int = 10
    seed: int = 1


@dataclass
class Time:
    """How many histories two-dimensional time is checked with, how many over HTTP, and the seed they are drawn with."""

    histories: int = 100
    over_http: int = 25
    seed: int = 1

    @property
    def is_full(self) -> bool:
        """Whether so many are asked for that every kind of history must be among them often."""
        return self.histories >= 2_000


@dataclass
class Replay:
    """How many events the log has that is rebuilt under load, and rows the file that is ingested."""

    events: int = 10_000

    @property
    def is_full(self) -> bool:
        """Whether so many are asked for that kills are to be many, too."""
        return self.events >= 1_000_000


FUZZ = Fuzz()
TIME = Time()
REPLAY = Replay()
