"""CSV as it is written: every value comes back as it was, and what is absent is told from what is empty."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from io import StringIO
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from read_side.diff import Change, EntityDiff
from read_side.sheets import AUDIT, HISTORY, diff_sheet, entity_sheet, line
from shared.core.errors import Unavailable
from shared.http.shapes import DetailOut, EntityOut

DAY = datetime(2024, 1, 15, tzinfo=UTC)
UID = UUID(int=7)
HASH = "0" * 64


def john(**details: str) -> EntityOut:
    listed = [DetailOut(n, code, value, DAY, None, True, HASH) for n, (code, value) in enumerate(details.items())]
    return EntityOut(1, UID, "John", "PERSON", DAY, None, True, HASH, listed)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=5))
def test_every_text_comes_back_as_it_was(texts: list[str]) -> None:
    written = line(texts)
    assert written.endswith(b"\r\n")
    assert list(csv.reader(StringIO(written.decode(), newline=""), strict=True)) == [texts]


def test_what_is_absent_is_told_from_what_is_empty() -> None:
    assert line([None, "", UNSET, Raw(b"null"), "null"]) == b',"",,,null\r\n'


def test_values_look_as_they_do_in_json() -> None:
    instant = datetime(2024, 1, 15, 10, 30, 0, 5, tzinfo=UTC)
    assert line([True, False, 7, DAY, instant, UID, Raw(b'{"a":"b"}')]) == (
        b"true,false,7,2024-01-15T00:00:00Z,2024-01-15T10:30:00.000005Z,"
        b'00000000-0000-0000-0000-000000000007,"{""a"":""b""}"\r\n'
    )


def test_nothing_is_escaped_for_spreadsheets() -> None:
    assert line(["=1+1", "+1-202-555", "@x", " a "]) == b"=1+1,+1-202-555,@x, a \r\n"


def test_an_entity_is_a_row_with_a_column_for_each_detail_type() -> None:
    sheet = entity_sheet(["ADDRESS", "EMAIL", "FAX"])
    assert sheet.head() == (
        b"id,entity_uid,display_name,entity_type,valid_from,valid_to,is_current,hashdiff,"
        b"details.ADDRESS,details.EMAIL,details.FAX\r\n"
    )
    row = f"1,{UID},John,PERSON,2024-01-15T00:00:00Z,,true,{HASH}"
    assert sheet.lines([john(EMAIL="a@b", ADDRESS="1, Main St"), john()]) == (
        f'{row},"1, Main St",a@b,\r\n{row},,,\r\n'.encode()
    )


def test_a_detail_that_has_no_column_is_not_left_out_in_silence() -> None:
    with pytest.raises(Unavailable, match="no column for PHONE"):
        entity_sheet(["EMAIL"]).lines([john(EMAIL="a", PHONE="b")])


def test_a_difference_is_a_row_each_change_and_has_a_stretch_where_it_is_about_one() -> None:
    net = Change("exists", False, True, DAY, "added", UID, "jo", None)
    about = Change("details.EMAIL", "a", None, DAY, "removed", UID, "jo", "told late", DAY, None)
    assert diff_sheet("net").head().decode().strip() == (
        "entity_uid,field,before,after,change_timestamp,change_type,event_id,actor,reason"
    )
    assert diff_sheet("net").lines([EntityDiff(UID, [net, net])]) == (
        f"{UID},exists,false,true,2024-01-15T00:00:00Z,added,{UID},jo,\r\n".encode() * 2
    )
    sheet = diff_sheet("knowledge")
    assert sheet.columns[-2:] == ("valid_from", "valid_to")
    assert sheet.lines([EntityDiff(UID, [about])]).decode() == (
        f"{UID},details.EMAIL,a,,2024-01-15T00:00:00Z,removed,{UID},jo,told late,2024-01-15T00:00:00Z,\r\n"
    )


def test_history_and_audit_have_a_column_for_everything() -> None:
    assert HISTORY.columns[-4:] == ("display_name", "entity_type", "detail_type", "detail_value")
    assert "changes" not in HISTORY.columns
    assert {"before_value", "after_value", "request_id", "reason"} <= set(AUDIT.columns)
