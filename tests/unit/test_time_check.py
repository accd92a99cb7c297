"""The fold in two dimensions withstands commands at random, often enough to mean something.

The test run checks a few thousand points, `make test-time` over 100,000; the counts are printed, TIME_SEED gives a run
again.
"""

from __future__ import annotations

from tests.fuzz_options import TIME
from tests.time_check import check


def test_at_every_point_the_rows_say_what_the_oracle_says_and_every_invariant_holds() -> None:
    counts = check(TIME.histories, TIME.seed)
    print(f"\nin memory: {counts}")  # noqa: T201  # what make test-time shows
    assert counts.points >= 2_000
    if TIME.is_full:
        assert counts.histories >= 2_000
        assert counts.points >= 100_000
        assert min(counts.overlays, counts.cancels, counts.reopenings) >= counts.histories / 5
