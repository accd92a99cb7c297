"""The admin page as a program sees it: pages fetched with a session's cookies, read as HTML, their forms filled in."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any, Self

import httpx2

from tests.acceptance.service import Service

VOID = {"input", "link", "meta", "img", "br"}


class Form(dict[str, list[str]]):
    """What a form sends when nothing is filled in: values by name."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.action = action


class Page(HTMLParser):
    """One answer: its text, the cells of its tables, its links, its forms, what is marked as wrong or told."""

    def __init__(self, answer: httpx2.Response) -> None:
        super().__init__()
        self.answer, self.status = answer, answer.status_code
        self.rows: list[list[str]] = []
        self.links: dict[str, str] = {}
        self.forms: list[Form] = []
        self.told: dict[str, list[str]] = {"alert": [], "wrong": [], "notice": [], "secret": [], "h1": []}
        self._path: list[tuple[str, dict[str, str | None]]] = []
        self._texts: list[str] = []
        self._option: tuple[str, str | None] = ("", None)
        assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text
        self.feed(answer.text)
        self.close()
        assert not self._path, f"left open: {self._path}"

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._texts).split())

    def form(self, action: str, **having: str) -> Form:
        """Return the form that goes to a path, of several the one that has these values."""
        found = [
            form
            for form in self.forms
            if form.action == action and all(form.get(name) == [value] for name, value in having.items())
        ]
        assert len(found) == 1, f"{len(found)} forms to {action} with {having}: {[f.action for f in self.forms]}"
        return found[0]

    def row(self, first: str) -> list[str]:
        """Return the one row of a table that begins with a text."""
        (found,) = [row for row in self.rows if row and row[0] == first]
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self._path.append((tag, given))
        value = given.get("value") or ""
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self.rows[-1].append("")
        elif tag == "form":
            self.forms.append(Form(given.get("action") or self.answer.request.url.path))
        elif tag == "input" and self.forms and (given.get("type") != "checkbox" or "checked" in given):
            self.forms[-1].setdefault(str(given["name"]), []).append(value)
        elif tag == "select":
            self._option = (str(given["name"]), None)
        elif tag == "option" and ("selected" in given or self._option[1] is None):
            self._option = (self._option[0], value)
        elif tag == "textarea":
            self.forms[-1][str(given["name"])] = [""]

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._path.pop()
        assert opened == tag, f"</{tag}> ends <{opened}>"
        if tag == "select":
            self.forms[-1][self._option[0]] = [self._option[1] or ""]

    def handle_data(self, data: str) -> None:
        words = " ".join(data.split())
        inside = dict(self._path)
        if "textarea" in inside:
            self.forms[-1][str(inside["textarea"]["name"])] = [data.removeprefix("\n")]
        if not words:
            return
        self._texts.append(words)
        if "td" in inside:
            self.rows[-1][-1] = f"{self.rows[-1][-1]} {words}".strip()
        if "a" in inside:
            self.links[words] = str(inside["a"]["href"])
        for tag, given in self._path:
            for name in {tag, *(given.get("class") or "").split()} & self.told.keys():
                self.told[name].append(words)


class Admin:
    """A browser without a screen: it keeps cookies, and says of a form what a browser says."""

    def __init__(self, service: Service) -> None:
        self.client = httpx2.Client(base_url=service.url, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def get(self, path: str, **params: str) -> Page:
        return Page(self.client.get(path, params=params or None, follow_redirects=True))

    def post(self, path: str, fields: dict[str, Any], **headers: str) -> httpx2.Response:
        """Send a form as it is, and follow nothing."""
        return self.client.post(path, data=fields, headers={"Sec-Fetch-Site": "same-origin", **headers})

    def send(self, form: Form, **filled: str | list[str]) -> Page:
        """Fill a form in and send it; an answer that leads on is followed by GET."""
        answer = self.post(form.action, {**form, **filled})
        if answer.status_code == 303:
            return self.get(answer.headers["location"])
        return Page(answer)

    def sign_in(self, username: str = "user_2", password: str | None = None, *, path: str = "/admin/") -> Page:
        """Sign in, with the password of a sample user unless another is given."""
        typed = "1234" if password is None else password
        return self.send(self.get(path).form("/admin/login"), username=username, password=typed)
