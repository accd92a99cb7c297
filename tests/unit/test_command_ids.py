"""The same row of the same source has the same id, for good; another one never has."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given as for_all
from hypothesis import strategies as st

from tests.given import day
from write_side.command_ids import command_ids
from write_side.external_key import ExternalKey
from write_side.upsert import Upsert

ANN = Upsert(key=ExternalKey("crm", "C-1"), display_name="Ann", entity_type="PERSON", details={"B": "1", "A": None})


def ids_of(*commands: Upsert, scope: tuple[str, ...] = ("file", "a.csv"), reason: str | None = None) -> list[UUID]:
    with command_ids(*scope) as names:
        return [name.command_id for name in names.names([(command, reason) for command in commands])]


def test_an_id_is_a_stored_value_and_stays_what_it_is() -> None:
    assert ids_of(ANN) == [UUID("8c72815e-089c-89d4-aebf-553b8e5f7517")]


def test_an_id_is_a_uuid_of_version_8() -> None:
    (found,) = ids_of(ANN)
    assert (found.version, found.variant) == (8, "specified in RFC 4122")


def test_the_same_rows_have_the_same_ids_and_each_repetition_its_own() -> None:
    first = ids_of(ANN, ANN, ANN)
    assert first == ids_of(ANN, ANN, ANN)
    assert len(set(first)) == 3


def test_source_scope_reason_and_content_each_make_another_id() -> None:
    others = [
        *ids_of(ANN, scope=("file", "b.csv")),
        *ids_of(ANN, scope=("batch", "a.csv")),
        *ids_of(ANN, reason="because"),
        *ids_of(Upsert(key=ANN.key, display_name="Ann", entity_type="PERSON", details={"B": "1"})),
        *ids_of(Upsert(key=ANN.key, display_name="Ann", entity_type="PERSON", effective_at=day(1))),
    ]
    assert len({*others, *ids_of(ANN)}) == 6


def test_ids_hang_on_what_came_before_not_on_what_is_named_together() -> None:
    bo = Upsert(key=ANN.key, display_name="Bo", entity_type="PERSON")
    commands = [ANN, bo, ANN, *[bo] * 300, *(Upsert(entity_uid=UUID(int=n)) for n in range(600)), ANN]
    with command_ids("file", "a.csv") as names:
        one_by_one = [name.command_id for command in commands for name in names.names([(command, None)])]
    assert one_by_one == ids_of(*commands)


def test_the_order_of_details_is_no_part_of_the_content() -> None:
    turned = Upsert(key=ANN.key, display_name="Ann", entity_type="PERSON", details={"A": None, "B": "1"})
    assert ids_of(turned) == ids_of(ANN)


@for_all(st.lists(st.builds(Upsert, entity_uid=st.just(UUID(int=1)), display_name=st.sampled_from("abc"))))
def test_no_two_rows_of_a_file_share_an_id(commands: list[Upsert]) -> None:
    assert len(set(ids_of(*commands))) == len(commands)
