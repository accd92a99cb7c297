"""docs/feed.md is true: its shell prints what it shows, and its program counts every event once."""

from __future__ import annotations

import itertools
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

from tests.acceptance.service import API, Service
from tests.readme import as_pattern

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "feed.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
(PROGRAM,) = [text for language, text in BLOCKS if language == "python"]


def test_the_shell_of_the_guide_prints_what_it_shows(service: Service, tmp_path: Path) -> None:
    pairs = [(text, output) for (language, text), (_, output) in itertools.pairwise(BLOCKS) if language == "sh"]
    assert len(pairs) == 3
    script = "\necho ---\n".join(["set -eu", *(text for text, _ in pairs)])
    ran = subprocess.run(
        ["bash", "-c", script.replace("http://127.0.0.1:8000", service.url)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    for printed, (_, wanted) in zip(ran.stdout.split("---\n")[1:], pairs, strict=True):
        assert re.fullmatch(as_pattern(wanted), printed.rstrip("\n"), re.DOTALL), printed


def test_the_program_of_the_guide_counts_every_event_once(service: Service, tmp_path: Path) -> None:
    uid = service.entity("First")["entity_uid"]
    service.write("PATCH", f"entities/{uid}", {"display_name": "Second"})
    service.write("DELETE", f"entities/{uid}")
    own = sqlite3.connect(tmp_path / "names.db")
    given = {"API": service.url + API, "TOKEN": service.token(), "LIMIT": "9"}
    position, head = 0, service.head()
    while position < head:
        given["LIMIT"] = str(min(9 + position // 10, head - position))
        subprocess.run(
            [sys.executable, "-c", PROGRAM], cwd=tmp_path, env={**os.environ, **given}, check=True, timeout=60
        )
        (position,) = own.execute("SELECT coalesce(max(position), 0) FROM place").fetchone()
    assert own.execute("SELECT name, events FROM name WHERE uid = ?", [uid]).fetchone() == ("Second", 3)
    ((counted,),) = own.execute("SELECT sum(events) FROM name").fetchall()
    assert [(counted,)] == service.sql("SELECT count(*) FROM log.event WHERE stream LIKE 'entity:%'")
    own.close()
