"""The commands of docs/export.md run as they stand there, one after the other."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.acceptance.processes import cockpit, copy_data, environment
from tests.architecture import ROOT

GUIDE = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_every_command_of_the_guide_runs(sample_data: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="cockpit-export-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        copy_data(sample_data, folder)
        assert cockpit("rebuild", folder=folder).returncode == 0
        found = environment(folder, {})
        found["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{found['PATH']}"
        script = "".join(f"({block})\n" for block in COMMANDS)
        ran = subprocess.run(
            ["bash", "-euc", script], cwd=folder, env=found, capture_output=True, text=True, timeout=120, check=False
        )
        assert ran.returncode == 0, ran.stderr
        events = len((folder / "log.ndjson").read_text().splitlines())
        assert f"Clean: {events} events up to position {events}, " in ran.stdout
        entities = (folder / "entities.ndjson").read_text().splitlines()
        names = {json.loads(line)["display_name"] for line in entities}
        with (folder / "entities.csv").open(newline="") as table:
            then = {row["display_name"] for row in csv.DictReader(table)}
        assert names - then == {"Jane Smith-Updated", "Globex Holdings"}
        assert then - names == {"Jane Smith", "Globex International"}
