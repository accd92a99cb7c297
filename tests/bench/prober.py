"""How soon a command is seen: one command after the other, each followed by a read that waits for its position.

The time counts from when the command's answer came, when it had just been committed, to the answer of the read, which
has it. A process of its own. Reads a `Probe` as JSON, tells how long each took, in milliseconds.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from urllib.parse import urlsplit

import msgspec


class Probe(msgspec.Struct, frozen=True):
    """What to do: whom to ask, what to tell (with {n}), from which number on, for how long, and how long to pause."""

    url: str
    token: str
    path: str
    body: str
    first: int
    seconds: float
    pause: float


def carry_out(probe: Probe) -> list[float]:
    """Return how long each took to be seen. Raises ValueError on a wrong answer."""
    writing, reading = (http.client.HTTPConnection(urlsplit(probe.url).netloc, timeout=30) for _ in range(2))
    headers = {"Authorization": f"Token {probe.token}", "Content-Type": "application/json"}
    began = time.perf_counter()
    number, found = probe.first, []
    while time.perf_counter() - began < probe.seconds:
        number += 1
        writing.request("POST", probe.path, probe.body.replace("{n}", str(number)), headers)
        with writing.getresponse() as answer:
            answer.read()
            committed = time.perf_counter()
            position, location = answer.headers["Position"], answer.headers["Location"]
        if answer.status != 201:
            raise ValueError(f"POST: {answer.status}")
        reading.request("GET", f"{location}?min_position={position}")
        with reading.getresponse() as answer:
            answer.read()
            found.append((time.perf_counter() - committed) * 1e3)
        if answer.status != 200 or int(answer.headers["Position"]) < int(position):
            raise ValueError(f"GET: {answer.status} at {answer.headers['Position']} instead of {position}")
        time.sleep(probe.pause)
    return found


if __name__ == "__main__":
    json.dump(carry_out(msgspec.json.decode(sys.stdin.buffer.read(), type=Probe)), sys.stdout)
