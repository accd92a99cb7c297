"""A file is read as it is written: lines counted, columns mapped, and what cannot be read refused by its line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from msgspec import UNSET

from cockpit.sheets import BadSheet, Layout, Sheet, json_rows, shown
from shared.core.errors import Invalid
from tests.given import day
from write_side.external_key import ExternalKey
from write_side.ingest import Row
from write_side.upsert import Upsert

LIMIT = 2000
HEADER = "external_id,display_name,entity_type,EMAIL,details.PHONE,effective_at\n"
UNKNOWN = "unknown column: --column maps it to a field or to nothing, --delimiter is what divides cells"


@pytest.fixture(autouse=True)
def _limit() -> Iterator[None]:
    """Give back the limit of a field, which is the process's, not the sheet's."""
    before = csv.field_size_limit()
    yield
    csv.field_size_limit(before)


def sheet(text: str | bytes, **layout: Any) -> Sheet:
    raw = text if isinstance(text, bytes) else text.encode()
    return Sheet("a.csv", BytesIO(raw), Layout(**layout), LIMIT)


def rows(text: str | bytes, **layout: Any) -> list[Row]:
    return list(sheet(text, **layout).rows("crm"))


def refusals(found: list[Row]) -> dict[int, list[tuple[str, str]]]:
    refused = {row.line: row.refusal for row in found if row.refusal}
    return {
        line: [(error.field, error.code) for error in refusal.errors]
        for line, refusal in refused.items()
        if isinstance(refusal, Invalid)
    }


def test_a_row_is_a_command_and_an_empty_cell_is_not_spoken_of() -> None:
    ann, bo = rows(HEADER + "1, Ann ,PERSON,ann@x.y,,2024-01-01\n2,,,,+1,\n")
    assert ann.command == Upsert(
        key=ExternalKey("crm", "1"),
        display_name="Ann",
        entity_type="PERSON",
        details={"EMAIL": "ann@x.y"},
        effective_at=day(1),
    )
    assert bo.command == Upsert(key=ExternalKey("crm", "2"), display_name=UNSET, details={"PHONE": "+1"})


def test_a_line_number_is_that_of_the_line_where_a_row_begins() -> None:
    found = rows(HEADER + '1,"A\nn\nn",PERSON,,,\n\n2,Bo,PERSON,,,\r\n3,Cy,PERSON,,,')
    assert [row.line for row in found] == [2, 6, 7]
    assert found[0].command is not None
    assert found[0].command.display_name == "A\nn\nn"


def test_a_mark_at_the_beginning_is_not_part_of_the_first_header() -> None:
    assert [row.line for row in rows(("\ufeff" + HEADER + "1,A,PERSON,,,\n").encode())] == [2]


def test_rows_with_more_or_fewer_cells_than_the_header_are_refused() -> None:
    found = refusals(rows(HEADER + "1,A,PERSON\n2,B,PERSON,,,\n3,C,PERSON,,,,\n"))
    assert found == {2: [("non_field_errors", "cell_count")], 4: [("non_field_errors", "cell_count")]}


def test_what_is_not_utf_8_is_refused_by_its_field_and_shown_as_far_as_it_can_be() -> None:
    (bad,) = rows(HEADER.encode() + b"1,M\xfcller,PERSON,,,\n")
    assert refusals([bad]) == {2: [("display_name", "invalid_encoding")]}
    assert isinstance(bad.raw, dict)
    assert bad.raw["display_name"] == "M\ufffdller"


def test_another_encoding_and_another_delimiter_are_taken() -> None:
    text = HEADER.replace(",", ";") + "1;Müller, Ann;PERSON;;;\n"
    (row,) = rows(text.encode("cp1252"), encoding="cp1252", delimiter=";")
    assert row.command is not None
    assert row.command.display_name == "Müller, Ann"


def test_a_cell_that_says_null_removes_a_detail() -> None:
    (row,) = rows(HEADER + "1,A,PERSON,NULL,,\n", null="NULL")
    assert row.command is not None
    assert row.command.details == {"EMAIL": None}


def test_malformed_quotes_are_refused_and_the_next_line_is_read() -> None:
    found = rows(HEADER + '1,"A"x,PERSON,,,\n2,B,PERSON,,,\n')
    assert refusals(found) == {2: [("non_field_errors", "malformed_csv")]}
    assert [row.line for row in found if row.command] == [3]


def test_what_follows_a_line_that_is_too_long_within_a_cell_is_no_row() -> None:
    text = HEADER + f'1,A,PERSON,,,\n2,"B\n{"x" * (LIMIT + 1)}\n666,Mallory,PERSON,inside,,\n",PERSON,,,\n'
    found = sheet(text).rows("crm")
    assert next(found).line == 2
    with pytest.raises(BadSheet, match="line 3 and on: a line of over"):
        next(found)


def test_a_line_that_is_too_long_is_refused_and_passed_over() -> None:
    found = rows(HEADER + f"1,{'A' * 5000},PERSON,,,\n2,B,PERSON,,,\n")
    assert refusals(found) == {2: [("non_field_errors", "malformed_csv")]}
    assert [row.line for row in found if row.command] == [3]


def test_a_quote_that_never_ends_does_not_take_the_memory_with_it() -> None:
    found = rows(HEADER + '1,"A,PERSON,,,\n' + "2,B,PERSON,,,\n" * 500)
    assert refusals(found)[2] == [("non_field_errors", "malformed_csv")]


def test_columns_are_mapped_and_left_out() -> None:
    columns = {"Key": "external_id", "Name": "display_name", "Mail": "details.EMAIL", "Notes": ""}
    (row,) = rows("Key,Name,entity_type,Mail,Notes\n1,A,PERSON,a@b,x\n", columns=columns)
    assert row.command == Upsert(
        key=ExternalKey("crm", "1"), display_name="A", entity_type="PERSON", details={"EMAIL": "a@b"}
    )


@pytest.mark.parametrize(
    ("text", "layout", "told"),
    [
        ("external_id,Name,Mail\n", {}, f"{UNKNOWN}: Name, Mail"),
        ("external_id,,x\n", {}, f"{UNKNOWN}: (number 2), x"),
        ("external_id,a\n", {"columns": {"a": "nmae"}}, f"{UNKNOWN}: a"),
        ("external_id\n", {"columns": {"b": "display_name"}}, "there is no such column: b"),
        ("external_id,EMAIL,EMAIL\n", {}, "there more than once: EMAIL"),
        ("EMAIL,details.EMAIL\n", {}, "field that more than one column is mapped to: details.EMAIL"),
        ("", {}, "there is no header"),
        ("external_id\n", {"encoding": "klingon"}, "there is no encoding klingon"),
        ("external_id\n", {"delimiter": ";;"}, "a delimiter is one character, not ';;'"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_before_any_row(text: str, layout: dict[str, Any], told: str) -> None:
    with pytest.raises(BadSheet) as refused:
        sheet(text, **layout)
    assert str(refused.value) == f"a.csv: {told}."


def test_what_is_no_json_says_at_which_column_and_names_no_line_beside_its_own() -> None:
    (bad,) = json_rows(BytesIO(b"{bad}\n"), "crm", LIMIT)
    assert (bad.line, str(bad.refusal)) == (
        1,
        "non_field_errors: Malformed JSON: Invalid JSON: key must be a string at column 2",
    )


def test_lines_of_json_are_counted_blank_ones_too() -> None:
    raw = b'\xef\xbb\xbf{"external_id": "1", "display_name": "A"}\n\n{bad}\n' + b"x" * 3000 + b'\n{"external_id": "2"}'
    found = list(json_rows(BytesIO(raw), "crm", LIMIT))
    assert [row.line for row in found] == [1, 3, 4, 5]
    assert refusals(found) == {3: [("non_field_errors", "malformed_json")], 4: [("non_field_errors", "too_long")]}
    assert [shown(row.raw) for row in found] == [
        {"external_id": "1", "display_name": "A"},
        "{bad}",
        None,
        {"external_id": "2"},
    ]
