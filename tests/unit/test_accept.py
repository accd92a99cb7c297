"""Which media type a client gets of those that there are."""

from __future__ import annotations

import pytest

from shared.http.accept import takes

JSON, CSV = "application/json", "text/csv"


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        (" , ", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; header=absent", CSV),
        ("text/*", CSV),
        ("text/csv, application/json", JSON),
        ("text/csv;q=0.9, application/json;q=0.8", CSV),
        ("text/csv, */*;q=0.1", CSV),
        ("application/*;q=0.5, text/*;q=0.5", JSON),
        ("application/json;q=0, */*", CSV),
        ("text/csv;q=0, text/*", None),
        ("text/csv;q=0, */*", JSON),
        ("text/csv;q=nonsense, application/json;q=0.9", CSV),
        ("application/json;q=nan, text/csv;q=0.5", JSON),
        ("text/html, application/xhtml+xml, */*;q=0.8", JSON),
        ("text/html", None),
        ("*/*;q=0", None),
    ],
)
def test_the_heaviest_wins_and_json_where_they_weigh_the_same(accept: str | None, chosen: str | None) -> None:
    assert takes(accept, [JSON, CSV]) == chosen


def test_where_there_is_json_alone_csv_is_not_to_be_had() -> None:
    assert takes("text/csv", [JSON]) is None
    assert takes("text/csv, application/*;q=0.1", [JSON]) == JSON
