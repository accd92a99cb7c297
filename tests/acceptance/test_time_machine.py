"""The service in two dimensions of time withstands commands at random: points, diffs and pages, over HTTP.

The test run takes some histories, `make test-time` many; TIME_SEED gives a run again.
"""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.acceptance.service import Service
from tests.acceptance.time_machine import Entities
from tests.fuzz_options import TIME


def test_over_http_every_point_diff_and_page_is_what_the_log_says(service: Service) -> None:
    Entities.service, Entities.histories, Entities.events, Entities.asked = service, 0, 0, 0
    chance = settings(
        max_examples=TIME.over_http,
        stateful_step_count=10,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if TIME.is_full else [Phase.generate],
    )
    run_state_machine_as_test(seed(TIME.seed)(Entities), settings=chance)
    counts = f"{Entities.histories} histories, {Entities.events} events, {Entities.asked} questions"
    print(f"\nover HTTP: {counts}")  # noqa: T201  # what make test-time shows
    assert Entities.histories >= TIME.over_http
    assert Entities.asked >= 20 * TIME.over_http
