"""Writers that go on over HTTP while something is done to the service, and know what was acknowledged to them."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import httpx2

from tests.acceptance.processes import until


class Writer(threading.Thread):
    """Registers one entity after the other until the service is gone, and remembers each that was acknowledged."""

    def __init__(self, url: str, headers: dict[str, str], name: str) -> None:
        super().__init__()
        self._url, self._headers, self._name = url, headers, name
        self.acknowledged: dict[str, str] = {}

    def run(self) -> None:
        with httpx2.Client(base_url=self._url, headers=self._headers, timeout=10) as client:
            try:
                for number in range(100_000):
                    body = {"display_name": f"{self._name} {number}", "entity_type": "PERSON"}
                    answer = client.post("/api/v1/entities", json=body)
                    assert answer.status_code == 201, answer.text
                    self.acknowledged[answer.json()["entity_uid"]] = body["display_name"]
            except httpx2.TransportError:
                pass


def await_writes(writers: Sequence[Writer], number: int) -> None:
    until(lambda: sum(len(writer.acknowledged) for writer in writers) >= number, 20)
