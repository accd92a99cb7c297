"""Runs the Postman collection without Postman: sends its requests in order and does what their scripts say.

A script is lines of three forms: which statuses are right, and a variable set from a member of the answer's body or
from one of its headers. A line of any other form is refused, so that nothing in the collection goes unchecked.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

FILE = Path(__file__).parents[2] / "Management Cockpit CRM.postman_collection.json"
STATUS = re.compile(
    r'pm\.test\("answers [\d or]+", \(\) => pm\.expect\(pm\.response\.code\)\.to\.be\.oneOf\((\[\d+(?:, \d+)*\])\)\);'
)
MEMBER = re.compile(r'pm\.collectionVariables\.set\("(\w+)", pm\.response\.json\(\)\.(\w+)\);')
HEADER = re.compile(r'pm\.collectionVariables\.set\("(\w+)", pm\.response\.headers\.get\("([\w-]+)"\)\);')
DYNAMIC = {
    "$guid": lambda: str(uuid4()),
    "$timestamp": lambda: str(time.time_ns() // 10**9),
    "$randomInt": lambda: str(secrets.randbelow(1001)),
}


class NotUnderstood(Exception):
    """The collection holds something that this runner does not know."""


@dataclass(frozen=True)
class Request:
    """One request as it is written, its variables not filled in."""

    folder: str
    name: str
    method: str
    url: str
    headers: dict[str, str]
    body: str | None
    script: list[str]


def requests(collection: dict[str, Any]) -> Iterator[Request]:
    """Give the requests of a collection in order."""
    for folder in collection["item"]:
        for item in folder["item"]:
            asked = item["request"]
            body = asked.get("body")
            tests = [line for event in item["event"] if event["listen"] == "test" for line in event["script"]["exec"]]
            if any(event["listen"] != "test" for event in item["event"]) or (body and body["mode"] != "raw"):
                raise NotUnderstood(item["name"])
            yield Request(
                folder["name"],
                item["name"],
                asked["method"],
                asked["url"],
                {header["key"]: header["value"] for header in asked["header"]},
                body["raw"] if body else None,
                tests,
            )


class Runner:
    """Sends requests one after another; what their scripts set is there for the next."""

    def __init__(self, client: httpx2.Client, variables: dict[str, str]) -> None:
        self._client, self.variables = client, variables

    def send(self, request: Request) -> httpx2.Response:
        """Send one request and do what its script says; an AssertionError says that the answer is not right."""
        answer = self._client.request(
            request.method,
            self._filled(request.url),
            headers={name: self._filled(value) for name, value in request.headers.items()},
            content=None if request.body is None else self._filled(request.body),
        )
        for line in request.script:
            self._obey(line, answer, request.name)
        return answer

    def _filled(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name in DYNAMIC:
                return DYNAMIC[name]()
            if not self.variables.get(name):
                raise NotUnderstood(f"{{{{{name}}}}} has no value in {text}")
            return self.variables[name]

        return re.sub(r"\{\{([^{}]+)\}\}", value, text)

    def _obey(self, line: str, answer: httpx2.Response, name: str) -> None:
        if match := STATUS.fullmatch(line):
            assert answer.status_code in json.loads(match[1]), f"{name}: {answer.status_code} {answer.text}"
        elif match := MEMBER.fullmatch(line):
            self.variables[match[1]] = answer.json()[match[2]]
        elif match := HEADER.fullmatch(line):
            self.variables[match[1]] = answer.headers[match[2]]
        else:
            raise NotUnderstood(line)
