"""docs/ingest.md: its files, its commands, and what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.acceptance.processes import environment, load_sample_data
from tests.architecture import ROOT

BLOCK = re.compile(r"(?:`([\w.-]+)`:\n\n)?```(\w+)\n(.*?)```", re.DOTALL)


def test_what_the_guide_says_is_so(database: str, tmp_path: Path) -> None:
    load_sample_data(database, tmp_path)
    env = environment(tmp_path, {"database_url": database})
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    printed: list[str] = []
    compared = 0
    for name, kind, text in BLOCK.findall((ROOT / "docs" / "ingest.md").read_text()):
        if name:
            (tmp_path / name).write_text(text)
        elif kind == "sh":
            ran = subprocess.run(
                ["bash", "-e", "-c", text],
                cwd=tmp_path,
                env=env,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert ran.returncode == 0, ran.stderr
            printed.append(ran.stdout)
        elif kind == "text":
            assert printed.pop() == text
            compared += 1
    assert (compared, printed) == (3, [])
