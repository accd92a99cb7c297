"""What the data set of the benchmarks says is what the projector makes of its events."""

from __future__ import annotations

from db.pool import Dsns
from projector.verify import verify
from tests.bench.dataset import exists, fill
from tests.conftest import Clone
from tests.integration.projecting import fetch


def test_its_rows_are_the_fold_of_its_events(clone: Clone) -> None:
    with clone() as conninfo:
        fill(conninfo, entities=500, seed=3)
        verified = verify(Dsns(conninfo).of("project"))
        assert verified.events == 6 + 500 + 450 + 100
        superseded = fetch(conninfo, "SELECT count(*) FROM read_model.entity_version_superseded")
        assert superseded == [(100,)]


def test_a_number_is_found_in_a_name_of_today_unless_its_entity_was_retired(clone: Clone) -> None:
    with clone() as conninfo:
        fill(conninfo, entities=500, only_to_read=True)
        names = fetch(conninfo, "SELECT display_name FROM read_model.entity_version WHERE is_current")
        assert {int(name.split()[-1]) for (name,) in names} == {n for n in range(1, 501) if exists(n)}
