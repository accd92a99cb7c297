"""An event that is skipped lets its entity go on; one stream is made anew beside a projector that leads."""

from __future__ import annotations

import psycopg
import pytest

from cockpit.services import writers
from db.pool import Dsns
from projector.batch import Fenced
from projector.refold import refold
from projector.verify import verify
from shared.core.events import (
    REGISTRY_STREAM,
    EventSkipped,
    ExternalKeyClaimed,
    Kind,
    TypeRegistered,
    entity_stream,
    external_key_of,
    external_key_stream,
)
from shared.core.upcasters import SCHEMA_VERSIONS
from shared.settings import Settings
from tests.appending import Append, Stored, append
from tests.integration.parking import VANISHED, anew, event_id, from_tomorrow, parked, upgrade
from tests.integration.projecting import (
    JOHN,
    Histories,
    add,
    come_true,
    execute,
    fetch,
    fold_all,
    projecting,
    revised,
    run,
    tables,
    uid,
    working,
)


def names(conninfo: str) -> list[str]:
    query = "SELECT display_name FROM read_model.entity_version WHERE entity_uid = %s ORDER BY valid_from"
    return [name for (name,) in fetch(conninfo, query, uid(1))]


@pytest.mark.parametrize("limit", [1, 100])
def test_a_skipped_event_asserts_nothing_and_what_was_parked_behind_it_is_folded(database: str, limit: int) -> None:
    add(database, 1, JOHN, VANISHED, revised("behind"))
    run(fold_all(database, limit))
    assert names(database) == ["John"]
    add(database, 1, EventSkipped(event_id(database, 2)), revised("after"))
    add(database, 2, JOHN)
    run(fold_all(database, limit))
    assert names(database) == ["John", "behind", "after"]
    assert parked(database) == []
    add(database, 1, revised("later"))
    run(fold_all(database, limit))
    assert names(database) == ["John", "behind", "after", "later"]
    assert verify(Dsns(database).of("project")).parked == 0


def test_a_skipped_registration_leaves_an_entity_without_existence(database: str) -> None:
    add(database, 1, VANISHED)
    run(fold_all(database))
    add(database, 1, EventSkipped(event_id(database, 1)))
    run(fold_all(database))
    assert fetch(database, "SELECT version, registered_at FROM read_model.entity_head") == [(2, None)]


@pytest.mark.parametrize("limit", [1, 100])
def test_a_second_event_that_cannot_be_folded_is_parked_when_the_first_is_skipped(database: str, limit: int) -> None:
    add(database, 1, JOHN, VANISHED, Stored(schema_version=7), revised("behind"))
    run(fold_all(database, limit))
    add(database, 1, EventSkipped(event_id(database, 2)))
    run(fold_all(database, limit))
    assert parked(database) == [3, 4, 5]
    add(database, 1, EventSkipped(event_id(database, 3)))
    run(fold_all(database, limit))
    assert parked(database) == []
    assert names(database) == ["John", "behind"]


def test_one_entity_is_made_anew_and_nothing_else_is_touched(database: str) -> None:
    Histories(5).extend(database, 80)
    run(fold_all(database))
    right = tables(database)
    execute(
        database,
        f"UPDATE read_model.entity_version SET display_name = 'damaged' WHERE entity_uid = '{uid(1)}'",  # noqa: S608
        f"DELETE FROM read_model.audit_entry WHERE entity_uid = '{uid(1)}'",  # noqa: S608
    )
    assert tables(database) != right

    async def work() -> None:
        async with projecting(database) as (_, projection):
            async with projecting(database) as (beside, _):
                found = await refold(beside, uid(1))
            assert found is not None
            assert found.parked == []
            assert (found.position, found.events > 0, found.rows > 0) == (80, True, True)
            add(database, 7, JOHN)
            with pytest.raises(Fenced):
                await projection.advance(10)

    run(work())
    assert tables(database) == right
    run(fold_all(database))


def test_what_the_log_has_no_event_of_goes_with_the_entity(database: str) -> None:
    """But for an entry of another stream's position that is not its first one: no index has it by entity."""
    add(database, 1, JOHN)
    add(database, 2, JOHN)
    with psycopg.connect(database) as connection:
        append(connection, Append(stream=REGISTRY_STREAM, events=[TypeRegistered(Kind.ENTITY, "X", "X")]))
    run(fold_all(database))
    right = tables(database)
    stray = (
        "INSERT INTO read_model.audit_entry SELECT {0}, {0} / 65536, actor, recorded_at, entity_uid, table_name,"
        " operation, detail_code, before_value, after_value, request_id, ip_address, user_agent, event_id, reason"
        " FROM read_model.audit_entry WHERE audit_id = 65536"
    )
    execute(database, *(stray.format(position * 65536 + n) for position, n in ((1, 9), (3, 0), (50, 0), (60, 3))))

    async def work() -> None:
        assert await anew(database, entity_stream(uid(1))) is not None

    run(work())
    assert tables(database) == right
    assert verify(Dsns(database).of("project")).parked == 0


def test_a_stream_that_the_log_does_not_have_is_not_made_anew(database: str) -> None:
    async def work() -> None:
        assert await anew(database, entity_stream(uid(9))) is None

    run(work())


def test_a_release_that_can_fold_what_was_parked_takes_it_up(
    unchecked_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = unchecked_database
    add(database, 1, JOHN, from_tomorrow("once unknown"), revised("behind"))
    run(fold_all(database))

    async def retry() -> list[int]:
        found = await anew(database, entity_stream(uid(1)))
        assert found is not None
        return [position for position, _ in found.parked]

    async def work() -> None:
        assert await retry() == [2, 3]
        upgrade(monkeypatch)
        assert await retry() == []

    run(work())
    assert names(database) == ["John", "once unknown", "behind"]
    assert verify(Dsns(database).of("project")).parked == 0


def test_the_registry_is_made_anew_and_takes_up_what_it_can(unchecked_database: str) -> None:
    database = unchecked_database
    person = TypeRegistered(Kind.ENTITY, "PERSON", "Person")
    with psycopg.connect(database) as connection:
        append(connection, Append(stream=REGISTRY_STREAM, events=[person, VANISHED]))
        append(connection, Append(stream=REGISTRY_STREAM, events=[TypeRegistered(Kind.DETAIL, "EMAIL", "E-mail")]))
    run(fold_all(database))
    assert (parked(database), fetch(database, "SELECT code FROM read_model.detail_type")) == ([2, 3], [])
    execute(database, "UPDATE read_model.entity_type SET name = 'damaged'")

    async def work() -> None:
        found = await anew(database, REGISTRY_STREAM)
        assert found is not None
        assert [position for position, _ in found.parked] == [2, 3]

    run(work())
    assert fetch(database, "SELECT code, name FROM read_model.entity_type") == [("PERSON", "Person")]
    assert verify(Dsns(database).of("project")).parked == 2


def test_a_release_that_knows_the_event_folds_the_registry_on(
    unchecked_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = unchecked_database
    changed = Stored("TypeChanged", 1, '{"context":{},"data":{"code":"PERSON","kind":"entity","name":"Human"}}')
    with monkeypatch.context() as older, psycopg.connect(database) as connection:
        older.delitem(SCHEMA_VERSIONS, "TypeChanged")
        append(connection, Append(stream=REGISTRY_STREAM, events=[TypeRegistered(Kind.ENTITY, "PERSON", "Person")]))
        append(connection, Append(stream=REGISTRY_STREAM, events=[changed]))
        connection.commit()
        run(fold_all(database))
        assert parked(database) == [2]

    async def work() -> None:
        found = await anew(database, REGISTRY_STREAM)
        assert found is not None
        assert found.parked == []

    run(work())
    assert fetch(database, "SELECT code, name FROM read_model.entity_type") == [("PERSON", "Human")]
    assert verify(Dsns(database).of("project")).parked == 0


def test_a_claim_of_a_key_is_folded_once_and_a_second_one_is_parked(database: str) -> None:
    add(database, 1, JOHN)
    stream, claim = external_key_stream("legacy", "4:2"), ExternalKeyClaimed("legacy", "4:2", uid(1))
    assert external_key_of(stream) == ("legacy", "4:2")
    with psycopg.connect(database) as connection:
        append(connection, Append(stream=stream, events=[claim]), Append(stream=stream, events=[claim]))
        append(connection, Append(stream=external_key_stream("legacy", "5"), events=[claim]))
    run(fold_all(database))

    def keys() -> list[object]:
        return [*fetch(database, "SELECT source, external_id, entity_uid, position FROM read_model.external_key")]

    assert keys() == [("legacy", "4:2", uid(1), 2)]
    assert parked(database) == [3, 4]
    assert verify(Dsns(database).of("project")).parked == 2

    async def work() -> None:
        found = await anew(database, stream)
        assert found is not None
        assert [position for position, _ in found.parked] == [3]

    run(work())
    assert (keys(), parked(database)) == ([("legacy", "4:2", uid(1), 2)], [3, 4])


def test_a_projector_that_leads_retries_what_it_is_asked_to_and_no_more(
    unchecked_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = unchecked_database
    for number in (1, 2):
        add(database, number, JOHN, from_tomorrow("once unknown"))

    def ask(*positions: str) -> None:
        for position in positions:
            fetch(database, "SELECT pg_notify('cockpit_retry', %s)", position)

    async def work() -> None:
        async with working(database):
            await come_true(lambda: parked(database) == [2, 4])
            upgrade(monkeypatch)
            ask("nonsense", "", "0", "99", "9" * 18, "9" * 30, "1", "2")
            await come_true(lambda: parked(database) == [4])
            add(database, 1, revised("after"))
            await come_true(lambda: names(database) == ["John", "once unknown", "after"])
            assert parked(database) == [4]
            async with writers(Dsns(database), Settings(_env_file=None)) as writing:
                await writing.skipper.ask_to_retry(4)
            await come_true(lambda: parked(database) == [])

    run(work())
    assert verify(Dsns(database).of("project")).parked == 0
