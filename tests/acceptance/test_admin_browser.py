"""The admin page in a real browser: an auditor and an operator at work, without one error or breach of the policy."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.sync_api import ConsoleMessage, Page, Response, expect, sync_playwright

from tests.acceptance.service import Service, problem

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--no-first-run", "--disable-gpu", "--disable-quic"),
]
JANE = "a7aaa17b-d87a-428c-bfcf-4949ed564bbb"
PHONE_PIXELS = 390


class Watched:
    """A page of a browser, and all that it complains about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", self._on_response)

    def _on_console(self, message: ConsoleMessage) -> None:
        self.complaints.append(f"{message.type}: {message.text}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 or not response.url.startswith(self.url):
            self.complaints.append(f"{response.status} {response.url}")

    def go(self, name: str) -> None:
        """Follow a link of the bar, and see that it says where one is."""
        self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(name)
        expect(self.page.locator("nav [aria-current=page]")).to_have_text(name)


@pytest.fixture(scope="module")
def program() -> str:
    named = os.environ.get("COCKPIT_TEST_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(BROWSERS)} is there, and COCKPIT_TEST_CHROMIUM names none")
    return found


@pytest.fixture
def watched(service: Service, program: str, tmp_path: Path) -> Iterator[Watched]:
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=program, args=ARGUMENTS, headless=True, timeout=60_000
        ) as context,
    ):
        context.set_default_timeout(15_000)
        yield Watched(context.pages[0], service.url)


def sign_in(page: Page, url: str) -> None:
    page.goto(f"{url}/admin/")
    page.get_by_label("Username").fill("user_2")
    page.get_by_label("Password").fill("1234")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Entities")


def test_an_auditor_and_an_operator_do_their_work_in_a_browser(service: Service, watched: Watched) -> None:
    page = watched.page
    sign_in(page, service.url)
    assert page.evaluate("getComputedStyle(document.querySelector('table')).borderCollapse") == "collapse"

    page.get_by_label("Name contains").fill("jane smith")
    page.get_by_label("As of").fill("2023-12-24")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="Jane Smith", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Jane Smith")
    expect(page.get_by_role("cell", name="jane.smith@midmail.com", exact=True)).to_be_visible()
    page.get_by_role("link", name="Now", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Jane Smith-Updated")
    versions = page.get_by_role("table").filter(has_text="What changed")
    expect(versions.get_by_role("row")).to_have_count(1 + 6)
    renamed = versions.get_by_role("row").filter(has_text="Jane Smith-Updated")
    expect(renamed).to_contain_text(
        re.compile(r"2024-05-15.*open.*Jane Smith\s*→\s*Jane Smith-Updated.*fixtures", re.DOTALL)
    )

    watched.go("Audit")
    page.get_by_label("Entity uid").fill(JANE)
    page.get_by_label("Operation").select_option("UPDATE")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_role("row")).to_have_count(1 + 3)

    watched.go("Types")
    code, jo = f"B{uuid4().hex[:8].upper()}", f"jo-{uuid4()}"
    page.get_by_text("Add a type of detail").click()
    form = page.locator("form[action='/admin/types/detail']")
    form.get_by_label("Code").fill(code)
    form.get_by_label("Name").fill("Badge")
    form.get_by_role("button", name="Add").click()
    expect(page.get_by_role("status")).to_have_text(f"The detail type {code} was added.")
    page.get_by_role("button", name=f"Deactivate {code}").click()
    expect(page.get_by_role("row", name=code)).to_contain_text("not active")

    watched.go("Users")
    page.get_by_label("Username").fill(jo)
    page.get_by_label("Password").fill("a password")
    page.get_by_role("button", name="Add").click()
    page.get_by_role("row", name=jo).get_by_role("link", name="Tokens").click()

    page.get_by_label("What it is for").fill("a browser")
    page.get_by_label("write").check()
    page.get_by_role("button", name="Issue").click()
    token = page.locator("#secret").inner_text()
    header = {"Authorization": f"Token {token}"}
    problem(service.ask("POST", "entities", headers=header, json={}), 400)
    page.reload()
    expect(page.locator("#secret")).to_have_count(0)
    page.get_by_role("button", name=f"Revoke the token of {jo} a browser").click()
    expect(page.get_by_role("status")).to_have_text("The token was revoked.")
    problem(service.ask("POST", "entities", headers=header, json={}), 401)

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert watched.complaints == []


def test_every_page_fits_a_phone_and_runs_nothing_that_people_typed(service: Service, watched: Watched) -> None:
    page = watched.page
    name = f"<img src=/livez onerror=alert(1)><script>alert(2)</script>{uuid4()}" + "x" * 150
    uid = service.entity(name, details=[{"detail_type": "EMAIL", "detail_value": "<b>" + "y" * 3000}])["entity_uid"]
    page.set_viewport_size({"width": PHONE_PIXELS, "height": 800})
    sign_in(page, service.url)
    paths = ("entities", f"entities/{uid}", "audit", "types", "types/detail/EMAIL", "users", "tokens")
    for path in (*paths, "users/one?username=user_1"):
        page.goto(f"{service.url}/admin/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE_PIXELS, path
    page.goto(f"{service.url}/admin/entities/{uid}")
    expect(page.get_by_role("heading", level=1)).to_contain_text(name)
    assert page.locator("main img, main script, main b").count() == 0
    assert watched.complaints == []
