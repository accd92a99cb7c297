"""Stub."""

from tests.bench.bench import Bench


def measure(bench: Bench) -> None:
    pass
