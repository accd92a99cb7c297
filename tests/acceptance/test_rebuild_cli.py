"""`cockpit rebuild` at the command line: what it says, what it asks for, and with which exit code it ends."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.processes import JOHN, cockpit, load_sample_data

SOMEBODY = "018f0000-0000-7000-8000-ffffffffffff"


@pytest.mark.slow
def test_everything_that_can_be_asked_of_it(unchecked_database: str, tmp_path: Path) -> None:
    load_sample_data(unchecked_database, tmp_path)

    def said(*arguments: str, code: int = 0) -> tuple[str, str]:
        done = cockpit(*arguments, folder=tmp_path, database_url=unchecked_database)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    def damage() -> None:
        with psycopg.connect(unchecked_database) as connection:
            connection.execute("UPDATE read_model.entity_version SET display_name = 'x' WHERE entity_uid = %s", [JOHN])

    said("rebuild")
    damage()
    out, err = said("rebuild", "--check", code=1)
    assert re.fullmatch(r"Compared: \d+ events, \d+ rows, [\d.]+ s, 1 rows differed\.\n", out)
    difference = r"entity_version: 1 rows differ, first \d+, display_name: was 'x', the log says 'John Doe'\."
    assert re.search(f"^{difference}$", err, re.MULTILINE)
    out, _ = said("rebuild", "--entity", JOHN)
    assert re.fullmatch(r"Rebuilt: \d+ events, 3 rows, 0 parked, up to position \d+\.\n", out)
    assert said("rebuild", "--check")[0].endswith(" 0 rows differed.\n")
    assert said("rebuild", "--entity", SOMEBODY, code=1)[1].endswith(f"cockpit: The log has no entity {SOMEBODY}.\n")
    assert re.search(r"^kept +the tables before the last rebuild, at position \d+$", said("status")[0], re.MULTILINE)
    assert said("rebuild", "--rollback")[0].startswith("The set of tables before is live again, at position ")
    assert said("rebuild", "--discard")[0] == "The set of tables before is dropped.\n"
    assert said("rebuild", "--discard")[0] == "No set of tables was kept.\n"
    assert said("rebuild", "--rollback", code=1)[1].endswith("cockpit: There is no set of tables to go back to.\n")
    assert "exclude one another" in said("rebuild", "--check", "--rollback", code=2)[1]
    assert said("verify")[0].startswith("Clean: ")
