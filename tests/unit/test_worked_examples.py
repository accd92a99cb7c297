"""The worked examples of docs/time.md come out of the fold as they are told there, and are drawn as they are shown."""

from __future__ import annotations

import re

import pytest

from tests.drawing import PICTURES, svg
from tests.worked_examples import EXAMPLES, rectangles

GUIDE = (PICTURES.parent / "time.md").read_text(encoding="utf-8")
TOLD = {
    "change": "A [Jan1,∞)[Jan1,Mar1) · A [Jan1,Mar1)[Mar1,∞) · B [Mar1,∞)[Mar1,∞)",
    "late": "A [Jan1,∞)[Jan1,Mar1) · A [Jan1,Mar1)[Mar1,Apr1) · B [Mar1,∞)[Mar1,∞)"
    " · A [Jan1,Feb1)[Apr1,∞) · C [Feb1,Mar1)[Apr1,∞)",
    "scheduled": "A [Jan1,∞)[Jan1,Mar1) · A [Jan1,Jun1)[Mar1,Apr1) · B [Jun1,∞)[Mar1,∞)"
    " · A [Jan1,Apr1)[Apr1,∞) · C [Apr1,Jun1)[Apr1,∞)",
    "overlay": "A [Jan1,∞)[Jan1,Mar1) · A [Jan1,Mar1)[Mar1,Apr1) · B [Mar1,∞)[Mar1,∞)"
    " · A [Jan1,Feb1)[Apr1,∞) · X [Feb1,Feb15)[Apr1,∞) · A [Feb15,Mar1)[Apr1,∞)",
    "retired": "A [Jan1,∞)[Jan1,May1) · A [Jan1,May1)[May1,∞) · A [Jul1,∞)[Jul1,∞)",
    "infinity": "A [Jan1,∞)[Jan1,Mar1) · A [Jan1,Jun1)[Mar1,Apr1) · B [Jun1,∞)[Mar1,Apr1)"
    " · A [Jan1,Apr1)[Apr1,∞) · C [Apr1,∞)[Apr1,∞)",
    "cancel": "A [Jan1,∞)[Jan1,Mar1) · A [Jan1,Jun1)[Mar1,Apr1) · B [Jun1,∞)[Mar1,Apr1) · A [Jan1,∞)[Apr1,∞)",
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_fold_leads_to_these_rectangles_and_the_guide_tells_them(example: str) -> None:
    assert " · ".join(map(str, rectangles(EXAMPLES[example]))) == TOLD[example]
    assert f"\n`{TOLD[example]}`\n" in GUIDE


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_picture_is_what_python_m_tests_drawing_draws_and_the_guide_shows_it(example: str) -> None:
    assert (PICTURES / f"{example}.svg").read_text(encoding="utf-8") == svg(EXAMPLES[example])
    assert f"](time/{example}.svg)" in GUIDE


def test_the_guide_shows_no_other_picture_and_its_links_lead_somewhere() -> None:
    shown = re.findall(r"!\[[^]]+\]\(time/(\w+)\.svg\)", GUIDE)
    assert sorted(shown) == sorted(EXAMPLES) == sorted(path.stem for path in PICTURES.iterdir())
    linked = re.findall(r"\]\(([^)#:]+)\)", GUIDE)
    assert [path for path in linked if not (PICTURES.parent / path).exists()] == []
