"""The requests of docs/time.md can be sent as they stand there, one after the other."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.acceptance.service import Service

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "time.md").read_text(encoding="utf-8")
REQUESTS = re.findall(r"^```http\n(\w+) (\S+)\n(.*?)```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_every_write_of_the_guide_is_taken_and_every_question_understood(service: Service) -> None:
    uid = service.entity("A", effective_at="2024-01-01")["entity_uid"]
    event = ""
    for method, path, body in REQUESTS:
        url, sent = path.replace("{uid}", uid), json.loads(body.replace("{event_id}", event)) if body else None
        answer = service.write(method, url, sent)
        if method == "GET":
            assert answer.status_code in {200, 404}, answer.text  # nothing of 2024 was known in 2024
        else:
            assert answer.is_success, answer.text
            event = answer.headers["event-id"]
    assert len(REQUESTS) >= 10
