"""A query string is taken apart as the framework would, and a link is written as the library would."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from shared.http.paging import link
from shared.http.query_strings import KEPT_BYTES, pairs

written = st.text("aZ09_.~-%+&=;*/: ÿé\x00\r\n", max_size=40).map(lambda text: text.encode("latin-1"))


@given(query_string=written)
@example(query_string=b"q=%C3%A4&q=%FF&&=&q=%zz")
@example(query_string=b"q=" + b"x" * KEPT_BYTES)
def test_a_query_string_says_what_it_says_to_the_framework(query_string: bytes) -> None:
    assert list(pairs(query_string)) == QueryParams(query_string).multi_items()


@given(query_string=written, value=st.text())
def test_a_link_has_the_same_parameters_with_some_changed(query_string: bytes, value: str) -> None:
    scope = {
        "type": "http",
        "scheme": "http",
        "server": ("somewhere", 80),
        "headers": [],
        "query_string": query_string,
        "state": {"written_path": "/entities/"},
    }
    kept = [(name, given) for name, given in QueryParams(query_string).multi_items() if name != "q"]
    assert link(Request(scope), q=value) == f"http://somewhere/entities/?{urlencode([*kept, ('q', value)])}"
