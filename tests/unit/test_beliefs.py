"""Since when it has been believed that a value begins: what is told at once is what looking at every position tells."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from read_side.beliefs import Span, Told, since

FIELD = "details.EMAIL"
LAST = 9
INSTANT = datetime(2024, 1, 2, tzinfo=UTC)
BEFORE, AFTER = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Return one that begins or ends at the instant, with an end told not before it and belief that may end later."""
    made = draw(st.integers(1, LAST))
    later = st.none() | st.integers(made, LAST)
    value = draw(st.sampled_from("ab"))
    if draw(st.booleans()):
        return Span(FIELD, value, Told(BEFORE, INSTANT, made, draw(st.integers(made, LAST)), draw(later)))
    valid_to = draw(st.sampled_from([None, AFTER]))
    return Span(FIELD, value, Told(INSTANT, valid_to, made, None if valid_to is None else draw(later), draw(later)))


def begins(told: list[Span], value: str, known: int) -> bool:
    """Say whether it was believed at a position that this value and no other begins, and that none like it ends."""
    there = [span for span in told if span.told.is_believed(known)]
    beginning = [span.value for span in there if span.told.valid_from == INSTANT]
    ending = [span.value for span in there if span.told.valid_to == INSTANT and span.told.has_end(known)]
    return beginning == [value] and ending != [value]


@given(told=st.lists(spans(), min_size=1, max_size=4), value=st.sampled_from("ab"), known=st.integers(1, LAST))
def test_it_has_been_believed_since_the_first_position_without_a_break(
    told: list[Span], value: str, known: int
) -> None:
    if begins(told, value, known):
        expected = known
        while expected and begins(told, value, expected - 1):
            expected -= 1
        assert since(told, INSTANT, value, known) == expected
