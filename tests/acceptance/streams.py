"""Server-sent events as a client reads them: block by block, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.acceptance.service import API, Json, Service

PATIENCE = 30.0


@dataclass
class Block:
    """What stands between two blank lines."""

    id: int | None = None
    event: str | None = None
    data: Json | None = None
    retry: int | None = None
    comments: list[str] = field(default_factory=list)


def blocks(lines: Iterable[str]) -> Iterator[Block]:
    """Give the blocks of a stream; one that breaks off in the middle is none."""
    block = Block()
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "" if not line:
                yield block
                block = Block()
            case "":
                block.comments.append(value)
            case "id":
                block.id = int(value)
            case "event":
                block.event = value
            case "data":
                assert block.data is None, "the data is one line"
                block.data = json.loads(value)
            case "retry":
                block.retry = int(value)
            case _:
                raise AssertionError(line)


@contextmanager
def stream(
    service: Service, *, user: str | None = "user_1", headers: dict[str, str] | None = None, **params: Any
) -> Iterator[Iterator[Block]]:
    """Open a stream and give its blocks; the first one, which says where it begins, is there already."""
    given = dict(headers or {})
    if user is not None:
        given["Authorization"] = f"Token {service.token(user)}"
    url = f"{service.url}{API}/events/stream"
    with (
        httpx2.Client(timeout=PATIENCE) as client,
        client.stream("GET", url, params=params, headers=given) as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        coming = blocks(answer.iter_lines())
        assert next(coming) == Block(id=int(answer.headers["position"]), retry=1000)
        yield coming


def events(coming: Iterator[Block], count: int) -> list[Json]:
    """Return the next so many events of the log, each of which came with its position as its id."""
    found: list[Json] = []
    while len(found) < count:
        block = next(coming)
        if block.data is not None and block.id is not None:
            assert (block.id, block.event) == (block.data["position"], block.data["type"])
            found.append(block.data)
    return found


def notice(coming: Iterator[Block]) -> Block:
    """Return the next notice."""
    return next(block for block in coming if block.event == "cockpit.became_effective")
