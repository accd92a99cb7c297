"""How hard to fuzz, told by the command line before the tests are gathered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Fuzz:
    """How many examples each operation is thrown, and the seed they are drawn with."""

    examples: int = 10
    seed: int = 1


FUZZ = Fuzz()
