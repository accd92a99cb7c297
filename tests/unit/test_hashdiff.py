"""The hashdiff tells contents apart, all of them."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.core.hashdiff import detail_hash, entity_hash, hashdiff

contents = st.lists(st.none() | st.text(alphabet=st.sampled_from("a|:-1 é0"), max_size=4), max_size=4)


@given(contents, contents)
def test_two_contents_share_a_hash_only_when_they_are_equal(left: list[str | None], right: list[str | None]) -> None:
    assert (hashdiff(*left) == hashdiff(*right)) == (left == right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (["a|b"], ["a", "b"]),
        (["a", "bc"], ["ab", "c"]),
        (["1:a"], ["a"]),
        (["-"], [None]),
        (["John"], ["john"]),
        (["John"], ["John "]),
        ([None], [""]),
        ([None], []),
        ([""], []),
        (["é"], ["e\N{COMBINING ACUTE ACCENT}"]),
    ],
    ids=str,
)
def test_what_looks_alike_is_told_apart(left: list[str | None], right: list[str | None]) -> None:
    assert hashdiff(*left) != hashdiff(*right)


def test_the_encoding_is_the_documented_storage_format() -> None:
    assert hashdiff("é", None, "") == sha256(b"2:\xc3\xa9-0:").hexdigest()


def test_an_entity_is_hashed_by_name_then_type() -> None:
    assert entity_hash("John", "PERSON") == sha256(b"4:John6:PERSON").hexdigest()


def test_a_detail_is_hashed_by_type_then_value() -> None:
    assert detail_hash("EMAIL", "a@b") == sha256(b"5:EMAIL3:a@b").hexdigest()
