"""The projector in two dimensions of time: whatever the history and the batches, the tables are what the log says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.pool import Dsns
from projector.verify import verify
from shared.core.events import EntityRevised, EventCancelled, Recorded, Until, entity_stream
from tests import oracle
from tests.appending import Append, append
from tests.conftest import Clone
from tests.given import day
from tests.histories import histories
from tests.integration.projecting import (
    JOHN,
    add,
    execute,
    fetch,
    fold_all,
    projecting,
    revised,
    run,
    tables,
    uid,
)
from tests.integration.rebuilding import rebuilt

FUTURE = datetime(2200, 1, 1, tzinfo=UTC)


def interleave(lives: Sequence[Sequence[Recorded]], order: Sequence[int], shift: timedelta) -> list[Append]:
    """Return commands that give each entity its life, one event of an entity in turn, at other instants."""
    commands: list[Append] = []
    ids: dict[tuple[int, Any], Any] = {}
    coming = [list(life) for life in lives]

    def shifted(at: Until) -> Any:
        return at + shift if isinstance(at, datetime) else at

    for number in order:
        if not coming[number]:
            continue
        recorded = coming[number].pop(0)
        event = recorded.event
        if isinstance(event, EventCancelled):
            event = EventCancelled(ids[number, event.event_id])
        command = Append(
            stream=entity_stream(uid(number + 1)),
            events=[event],
            effective_at=shifted(recorded.effective_at),
            effective_until=shifted(recorded.effective_until),
        )
        ids[number, recorded.event_id] = command.event_id
        commands.append(command)
    return commands


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lives=st.lists(histories(), min_size=1, max_size=3),
    order=st.lists(st.integers(0, 2), min_size=27, max_size=27),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4),
)
def test_whatever_the_history_and_the_batches_the_tables_are_what_the_log_says(
    clone: Clone, lives: list[list[Recorded]], order: list[int], sizes: list[int]
) -> None:
    half_way = datetime.now(UTC).replace(hour=12) - day(5)  # noqa: TID251  # some of it is still to come
    commands = interleave(lives, [number % len(lives) for number in order], half_way)
    with clone() as database:
        with psycopg.connect(database) as connection:
            append(connection, *commands)

        async def work() -> None:
            async with projecting(database) as (_, projection):
                while all([await projection.advance(size) is not None for size in sizes]):
                    with psycopg.connect(database) as connection:
                        oracle.check(connection)

        run(work())
        with psycopg.connect(database) as connection:
            oracle.check(connection)
        assert fetch(database, "SELECT * FROM read_model.parked_event") == []
        piecemeal, right = tables(database), verify(Dsns(database).of("project"))
        assert rebuilt(database).differences == []
        assert tables(database) == piecemeal
        assert verify(Dsns(database).of("project")) == right


def test_a_row_that_closes_and_is_superseded_in_one_batch_keeps_the_values_it_had(database: str) -> None:
    add(database, 1, JOHN, effective_at=day(1))
    run(fold_all(database))
    add(database, 1, revised("Jo"), effective_at=day(9))
    add(database, 1, revised("Jack"), effective_at=day(5))
    run(fold_all(database))
    columns = "display_name, valid_to, valid_to_known_position, recorded_to_position"
    found = fetch(database, f"SELECT {columns} FROM read_model.entity_version_superseded")  # noqa: S608  # ours
    assert found == [("John", day(9), 2, 3)]


COUNTING = """
CREATE TABLE public.written (operation text, relation text);
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.written VALUES (TG_OP, TG_TABLE_NAME);
    RETURN NULL;
END $$;
DO $$ DECLARE name text; BEGIN
    FOREACH name IN ARRAY ARRAY['entity_version', 'entity_version_superseded',
                                'entity_detail_version', 'entity_detail_version_superseded'] LOOP
        EXECUTE format('CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON read_model.%I'
                       ' FOR EACH STATEMENT EXECUTE FUNCTION public.note()', name);
    END LOOP;
END $$;
"""


def test_a_forward_change_is_one_update_and_one_insert_and_reads_no_stream(database: str) -> None:
    add(database, 1, JOHN)
    run(fold_all(database))
    execute(database, COUNTING)
    add(database, 1, revised("Jo"))
    run(fold_all(database))
    add(database, 1, EntityRevised(details={"EMAIL": "x"}), effective_at=FUTURE)
    run(fold_all(database))
    assert fetch(database, "SELECT * FROM public.written") == [
        ("UPDATE", "entity_version"),
        ("INSERT", "entity_version"),
        ("UPDATE", "entity_detail_version"),
        ("INSERT", "entity_detail_version"),
    ]
