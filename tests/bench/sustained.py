"""Commands at a rate that lasts: the highest at which the projector keeps up and nobody waits long.

The bundled client asks at a fixed rate over 64 connections, and an answer's time counts from when the request fell due.
The rate is found by halving: it is good when every answer is, 99 of 100 come within 15 ms, and the oldest event that
the read model lacks is never a second old. Where that takes it below half of the best rate at which the read model
keeps up, the latter is taken. Nine tenths of the rate that was found then have to last.
"""

from __future__ import annotations

import time

from msgspec import Struct

from tests.bench.bench import Bench
from tests.bench.entities import REGISTER, check_appended, check_projected, registering
from tests.bench.load import Asking, Beside, WrongAnswers, ask, ask_all_out, asking
from tests.bench.peers import hello
from tests.bench.results import Bar, Line, Series
from tests.bench.stand import Service

MOST_LAG, MOST_P99 = 1.0, 15.0
LOOK_SECONDS = 0.2
TRIES = 6
MARGIN = 0.9
DELIVERED = 0.97
"""Which part of a rate must be answered within the time."""
SHARE = Bar(goal=0.10, beyond=0.15, of="ratio")
LAG = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - (
    SELECT recorded_at FROM log.event WHERE event.position = checkpoint.position + 1)), 0)::float8
FROM read_model.checkpoint WHERE name = 'read_model'
"""


class Lasted(Struct, frozen=True):
    """How it went at one rate: answered a second, p99 in milliseconds, the lag in seconds over time."""

    rate: float
    p99: float
    lags: list[tuple[float, float]]

    @property
    def lag(self) -> float:
        return max((lag for _, lag in self.lags), default=0.0)


def load(service: Service, what: Asking, rate: float, seconds: float) -> Lasted:
    """Register entities at a rate, and look how far the read model is behind. Raises WrongAnswers."""
    before = service.head()
    client = Beside(service.url, what, seconds, rate=rate)
    began = time.monotonic()
    lags = []
    while client.is_at_it:
        lags.append((time.monotonic() - began, float(service.one(LAG))))
        time.sleep(LOOK_SECONDS)
    answered = client.result()
    service.drain()
    check_appended(service, before, answered)
    return Lasted(answered.rate, answered.p99, lags)


def find(bench: Bench, service: Service, what: Asking) -> float:
    """Return a rate that lasts, and keep it. Raises WrongAnswers where none does."""
    low, high = 0.0, ask(service.url, what, bench.extent.search_seconds).rate
    service.drain()
    keeping_up, rate = 0.0, high * 0.8
    for _ in range(TRIES):
        try:
            found = load(service, what, rate, bench.extent.search_seconds)
        except WrongAnswers as error:  # too much for it, which it says as it should
            bench.say(f"{rate:,.0f}/s: {error}")
            high = rate
        else:
            bench.say(f"{rate:,.0f}/s: p99 {found.p99:.1f} ms, lag {found.lag:.2f} s")
            keeps_up = found.lag < MOST_LAG and found.rate > DELIVERED * rate
            keeping_up = max(keeping_up, rate) if keeps_up else keeping_up
            low, high = (rate, high) if keeps_up and found.p99 <= MOST_P99 else (low, rate)
        rate = (low + high) / 2
    if not low and not keeping_up:
        raise WrongAnswers(f"the read model does not even keep up with {high:,.0f} commands a second")
    bench.lasting_rate = MARGIN * (low if low >= keeping_up / 2 else keeping_up)
    return bench.lasting_rate


def measure(bench: Bench) -> None:
    """Find the rate, let it last, and hold it against the raw server before and after."""
    stand, much = bench.stand, bench.extent
    with hello(stand) as raw, stand.service("sustained", "api", "project") as service:
        greeting, what = asking(stand, ["/"], 201, "POST", REGISTER), registering(stand, service)
        limit, lasted, fault = [], [], ""
        try:
            limit.append(ask_all_out(raw, greeting, much.seconds).rate)
            rate = find(bench, service, what)
            for number in range(much.rounds):
                lasted.append(load(service, what, rate, much.sustained_seconds / much.rounds))
                bench.say(f"part {number + 1}: {lasted[-1].rate:,.0f}/s, p99 {lasted[-1].p99:.1f} ms")
            limit.append(ask_all_out(raw, greeting, much.seconds).rate)
            check_projected(service)
        except WrongAnswers as error:
            fault = str(error)
    how = f"{much.sustained_seconds:g} s at a rate that halving found; times count from when a request fell due"
    bench.add(
        Line(
            key="sustained.post",
            what=f"POST entity with 3 details, sustained for {much.sustained_seconds:g} s",
            unit="/s",
            samples=[part.rate for part in lasted],
            against="raw ASGI POST",
            reference=limit,
            bar=SHARE,
            how=how,
            fault=fault,
        ),
        Line(
            key="sustained.p99",
            what="its p99",
            unit="ms",
            samples=[part.p99 for part in lasted],
            bar=Bar(goal=MOST_P99, better="less"),
            fault=fault,
        ),
        Line(
            key="sustained.lag",
            what="its lag, the longest",
            unit="s",
            samples=[part.lag for part in lasted],
            bar=Bar(goal=MOST_LAG, better="less"),
            fault=fault,
        ),
    )
    curve = [
        (n * much.sustained_seconds / much.rounds + at, lag) for n, part in enumerate(lasted) for at, lag in part.lags
    ]
    bench.series.append(
        Series(
            key="lag", title="Lag under sustained load", across="seconds", up="seconds behind", curves={"lag": curve}
        )
    )


def lasting(bench: Bench, service: Service, what: Asking) -> float:
    """Return a rate that lasts: the one that was found in this run, else one found now. Raises WrongAnswers."""
    return bench.lasting_rate or find(bench, service, what)
