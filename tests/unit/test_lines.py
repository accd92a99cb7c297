"""A line that is read in the short way is one that the model takes, and it says what the model says."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example
from hypothesis import given as for_all
from hypothesis import strategies as st
from msgspec import UNSET

from shared.http.requests import parse_json
from write_side.api.lines import read_line
from write_side.api.rows import RowIn

UID = "018f0000-0000-7000-8000-000000000001"
CHARACTERS = st.sampled_from('ab0"\\:{},é😀 \t\n\x00\x01\x1c\x7f\x85\xa0\u2003\u2028\ufeff')
TEXTS = st.one_of(st.text(CHARACTERS, max_size=4), st.sampled_from(["Ann", "PERSON", "crm", "C-1", UID, "x" * 256]))
DETAILS = st.one_of(
    st.dictionaries(TEXTS, st.none() | TEXTS, max_size=3),
    st.lists(st.fixed_dictionaries({"detail_type": TEXTS, "detail_value": TEXTS}), max_size=2),
)
UIDS = st.sampled_from([UID, UID.upper(), UID.replace("-", ""), f"urn:uuid:{UID}", f"{{{UID}}}", "018f"])
DATES = st.sampled_from(["2024-01-01", "2024-01-01T00:00:00Z", "2024-13-01", " 2024-01-01", "infinity", ""])
ODD = st.one_of(st.none(), st.booleans(), st.integers(), TEXTS, DETAILS)
MEMBERS = {
    "entity_uid": UIDS,
    "source": TEXTS,
    "external_id": TEXTS,
    "display_name": TEXTS,
    "entity_type": TEXTS,
    "details": DETAILS,
    "effective_at": DATES,
    "effective_until": DATES,
    "reason": TEXTS,
}


@st.composite
def objects(draw: st.DrawFn) -> bytes:
    """An object of the members of a line, some more than once, some odd, written in one way or another."""
    names = draw(st.lists(st.sampled_from([*MEMBERS, "unknown"]), max_size=6, unique=draw(st.booleans())))
    ascii_, blank = draw(st.booleans()), draw(st.sampled_from(["", " ", "\n"]))

    def written(value: Any) -> str:
        return json.dumps(value, ensure_ascii=ascii_, separators=(f",{blank}", f":{blank}"))

    members = [
        f"{written(name)}{blank}:{written(draw(ODD if draw(st.integers(0, 9)) == 0 else MEMBERS.get(name, ODD)))}"
        for name in names
    ]
    return f"{blank}{{{','.join(members)}}}{blank}".encode()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The same with some bytes put in, or taken away."""
    raw = draw(objects())
    place, width = draw(st.integers(0, len(raw))), draw(st.integers(0, 3))
    return raw[:place] + draw(st.binary(max_size=3)) + raw[place + width :]


@for_all(objects() | damaged())
@example(b'{"display_name":"a","display_name":"b:c"}')
@example(b'{"details":{"A":"1","A":"2"}}')
@example(b'{"display_name":"\xc3("}')
@example(b'{"display_name":"\x01"}')
@example(b'{"display_n\\u0061me":"a"}')
@example(b'\xef\xbb\xbf{"display_name":"a"}')
def test_what_is_taken_says_what_the_model_says(raw: bytes) -> None:
    line = read_line(raw)
    if line is not None:
        body = parse_json(RowIn, raw)
        given = body.model_fields_set
        for name in MEMBERS:
            assert getattr(line, name) == (
                getattr(body, name) if name in given else {"details": {}}.get(name, absent(name))
            )


def absent(name: str) -> object:
    return UNSET if name in {"display_name", "entity_type"} else None


@pytest.mark.parametrize(
    "line",
    [
        {"source": "crm", "external_id": "C 1", "display_name": "Ann Bé", "entity_type": "PERSON"},
        {"entity_uid": UID, "details": {"EMAIL": "a: b", "PHONE": None}, "effective_at": "2024-01-01", "reason": "why"},
    ],
)
def test_a_line_without_anything_unusual_is_taken(line: dict[str, Any]) -> None:
    for ascii_ in (True, False):
        taken = read_line(json.dumps(line, ensure_ascii=ascii_).encode())
        assert taken is not None
        assert taken.entity_uid == (UUID(UID) if "entity_uid" in line else None)
