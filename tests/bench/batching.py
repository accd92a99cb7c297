"""Sends one NDJSON batch and counts what its lines were told: a process of its own.

Reads the address, the token and the file's name as arguments; tells seconds and verdicts as JSON.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit


def main(url: str, token: str, key: str, file: str) -> None:
    body = Path(file).read_bytes()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=600)
    connection.putrequest("POST", "/api/v1/commands/batch")
    for name, value in (
        ("Content-Type", "application/x-ndjson"),
        ("Content-Length", str(len(body))),
        ("Authorization", f"Token {token}"),
        ("Idempotency-Key", key),
    ):
        connection.putheader(name, value)
    began = time.perf_counter()
    connection.endheaders()
    sending = threading.Thread(target=connection.send, args=(body,))  # the answer begins before the question has ended
    sending.start()
    with connection.getresponse() as answer:
        said = answer.read()
    seconds = time.perf_counter() - began
    sending.join()
    verdicts = Counter(json.loads(line).get("verdict", "none") for line in said.splitlines())
    json.dump({"status": answer.status, "seconds": seconds, "verdicts": verdicts}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
