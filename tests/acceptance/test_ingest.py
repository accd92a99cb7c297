"""`cockpit ingest FILE`: bad rows are named by their line and the good ones go in; again it adds nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.acceptance.ingesting import RETIRED, prepare
from tests.acceptance.processes import JOHN, cockpit
from tests.conftest import Clone

HEADER = (
    *("external_id", "source", "entity_uid", "display_name", "entity_type", "EMAIL", "PHONE", "details.FAX"),
    *("effective_at", "effective_until", "reason"),
)
GOOD = {"external_id": "good", "display_name": "Good", "entity_type": "PERSON"}
Cells = dict[str, str]
Ingest = Callable[..., subprocess.CompletedProcess[str]]

WRONG: dict[str, tuple[Cells, str, str]] = {  # what is wrong: cells beside those of a good row, field, code
    "no name": ({"display_name": ""}, "display_name", "required"),
    "no type": ({"entity_type": ""}, "entity_type", "required"),
    "nobody is named": ({"external_id": ""}, "entity_uid", "required"),
    "source alone": ({"external_id": "", "source": "crm"}, "external_id", "required"),
    "malformed uid": ({"entity_uid": "4f8c"}, "entity_uid", "uuid_parsing"),
    "name too long": ({"display_name": "x" * 256}, "display_name", "too_long"),
    "type too long": ({"entity_type": "X" * 51}, "entity_type", "too_long"),
    "unknown type": ({"entity_type": "ROBOT"}, "entity_type", "unknown_type"),
    "type in small letters": ({"entity_type": "person"}, "entity_type", "unknown_type"),
    "unused detail type": ({"details.FAX": "1"}, "details", "unknown_type"),
    "detail too long": ({"EMAIL": "x" * 10_001}, "details.EMAIL", "too_long"),
    "external id too long": ({"external_id": "x" * 256}, "external_id", "too_long"),
    "source with a colon": ({"source": "a:b"}, "source", "string_pattern_mismatch"),
    "source too long": ({"source": "x" * 51}, "source", "string_pattern_mismatch"),
    "no such day": ({"effective_at": "2023-02-30"}, "effective_at", "invalid_instant"),
    "no instant": ({"effective_at": "tomorrow"}, "effective_at", "invalid_instant"),
    "German date": ({"effective_at": "31.12.2023"}, "effective_at", "invalid_instant"),
    "year 10000": ({"effective_at": "10000-01-01"}, "effective_at", "invalid_instant"),
    "end before start": (
        {"effective_at": "2024-02-01", "effective_until": "2024-01-01"},
        "effective_until",
        "not_after",
    ),
    "end is no instant": ({"effective_until": "never"}, "effective_until", "invalid_instant"),
    "reason too long": ({"reason": "x" * 1001}, "reason", "too_long"),
    "NUL in the name": ({"display_name": "A\0B"}, "display_name", "value_error"),
    "key of another entity": (
        {"external_id": "taken", "entity_uid": str(uuid4())},
        "non_field_errors",
        "external_key_claimed",
    ),
    "retired": ({"external_id": "", "entity_uid": RETIRED}, "non_field_errors", "retired"),
    "before it exists": (
        {"external_id": "", "entity_uid": JOHN, "effective_at": "1990-01-01"},
        "non_field_errors",
        "not_yet",
    ),
}


@pytest.fixture
def unchecked_database(clone: Clone) -> Iterator[str]:
    """What `database` checks at the end: here it is prepared."""
    with clone(prepare) as conninfo:
        yield conninfo


@pytest.fixture
def ingest(database: str, tmp_path: Path) -> Ingest:
    """What runs `cockpit ingest` on the log that is prepared."""

    def run(*arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return cockpit("ingest", *arguments, folder=tmp_path, typed=typed, database_url=database)

    return run


def events(database: str) -> int:
    with psycopg.connect(database) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM log.event").fetchall()
    return int(count)


def names(database: str, source: str) -> dict[str, str]:
    """Return the first name of each entity that a source has a key of."""
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT k.payload -> 'data' ->> 'external_id', e.payload -> 'data' ->> 'display_name'"
            " FROM log.event k JOIN log.event e ON e.stream = 'entity:' || (k.payload -> 'data' ->> 'entity_uid')"
            " WHERE k.stream LIKE 'external_key:' || %s || ':%%' AND e.version = 1",
            [source],
        )
        return dict(rows.fetchall())


def refused(path: Path) -> dict[int, list[tuple[str, str]]]:
    """Return what the file of errors says, by line."""
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(entry.keys() == {"line", "errors", "row"} for entry in entries)
    return {entry["line"]: [(error["field"], error["code"]) for error in entry["errors"]] for entry in entries}


def as_csv(rows: Sequence[Cells]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json(cells: Cells) -> dict[str, Any]:
    said = {name: cell for name, cell in cells.items() if cell}
    codes = {"EMAIL": "EMAIL", "PHONE": "PHONE", "details.FAX": "FAX"}
    details = {codes[name]: said.pop(name) for name in codes if name in said}
    return {**said, **({"details": details} if details else {})}


def test_bad_rows_of_every_kind_in_one_csv_are_each_named_by_line_and_the_good_ones_are_in(
    database: str, tmp_path: Path, ingest: Ingest
) -> None:
    cells: list[Cells] = []
    for number, (wrong, _, _) in enumerate(WRONG.values()):
        cells += [{**GOOD, "external_id": f"bad {number}", **wrong}, {**GOOD, "external_id": f"good {number}"}]
    text = as_csv(cells)
    raw = text.encode() + b"".join(
        [
            b"few,cells\r\n",
            b"too,,,many,PERSON,,,,,,,cells\r\n",
            b'quote,,,"Bad"x,PERSON,,,,,,\r\n',
            b"latin,,,M\xfcller,PERSON,,,,,,\r\n",
            b'broken lines,,,"Good\r\nand\r\ngood",PERSON,,,,,,\r\n',
            b"\r\n",
            b"last,,,Good,PERSON,,,,,,",
        ]
    )
    (tmp_path / "bad.csv").write_bytes(raw)
    before = events(database)
    done = ingest("bad.csv", "--source", "bad")
    assert done.returncode == 1, done.stderr
    expected = {2 + 2 * n: [(field, code)] for n, (_, field, code) in enumerate(WRONG.values())}
    rest = 2 + 2 * len(WRONG)
    expected |= {
        rest: [("non_field_errors", "cell_count")],
        rest + 1: [("non_field_errors", "cell_count")],
        rest + 2: [("non_field_errors", "malformed_csv")],
        rest + 3: [("display_name", "invalid_encoding")],
    }
    assert refused(tmp_path / "bad.csv.errors.ndjson") == expected
    good = {f"good {n}" for n in range(len(WRONG))} | {"broken lines", "last"}
    assert names(database, "bad").keys() - {"taken"} == good
    assert events(database) == before + 2 * len(good)
    assert f"{len(good)} new" in done.stdout
    assert f"{len(expected)} refused (see bad.csv.errors.ndjson)" in done.stdout
    again = ingest("bad.csv", "--source", "bad")
    assert (again.returncode, events(database)) == (1, before + 2 * len(good))
    assert refused(tmp_path / "bad.csv.errors.ndjson") == expected


def test_bad_lines_of_every_kind_in_one_ndjson_are_each_named_by_line_and_the_good_ones_are_in(
    database: str, tmp_path: Path, ingest: Ingest
) -> None:
    rows: list[bytes] = []
    for number, (wrong, _, _) in enumerate(WRONG.values()):
        bad = as_json({**GOOD, "external_id": f"bad {number}", **wrong})
        rows += [json.dumps(row).encode() for row in (bad, {**GOOD, "external_id": f"good {number}"})]
    malformed = {
        b"{bad": ("non_field_errors", "malformed_json"),
        b"[1]": ("non_field_errors", "model_type"),
        b'{"external_id": "\xff"}': ("non_field_errors", "malformed_json"),
        b'{"external_id": "\\ud800"}': ("non_field_errors", "malformed_json"),
        b'{"external_id": "1", "display_name": NaN}': ("display_name", "string_type"),
        b'{"external_id": 1}': ("external_id", "string_type"),
        b'{"external_id": "1", "external_id": "2"}': ("external_id", "repeated"),
        b'{"external_id": "1", "nonsense": 1}': ("nonsense", "unknown"),
        b'{"external_id": "1", "details": {"EMAIL": 1}}': ("details.EMAIL", "string_type"),
        b'{"external_id": "1", "details": {"EMAIL": ""}}': ("details.EMAIL", "blank"),
        b'{"external_id": "1", "details": [{"detail_type": "EMAIL"}]}': ("details.0.detail_value", "required"),
        b'{"external_id": "1", "details": "x"}': ("details", "list_type"),
        b'{"external_id": "1", "display_name": null}': ("display_name", "string_type"),
        b'{"external_id": "' + b"x" * 2_000_000 + b'"}': ("non_field_errors", "too_long"),
    }
    last = json.dumps({**GOOD, "external_id": "last"}).encode()
    (tmp_path / "bad.ndjson").write_bytes(b"\n".join([*rows, *malformed, b"", last]))
    before = events(database)
    done = ingest("bad.ndjson", "--source", "bad")
    assert done.returncode == 1, done.stderr
    expected = {1 + 2 * n: [(field, code)] for n, (_, field, code) in enumerate(WRONG.values())}
    expected |= {1 + 2 * len(WRONG) + n: [error] for n, error in enumerate(malformed.values())}
    assert refused(tmp_path / "bad.ndjson.errors.ndjson") == expected
    good = {f"good {n}" for n in range(len(WRONG))} | {"last"}
    assert names(database, "bad").keys() - {"taken"} == good
    assert events(database) == before + 2 * len(good)


def test_again_it_adds_nothing_and_no_file_of_errors_is_left(database: str, tmp_path: Path, ingest: Ingest) -> None:
    rows = [{**GOOD, "external_id": str(n % 40), "display_name": str(n)} for n in range(120)]
    (tmp_path / "a.csv").write_text(as_csv([*rows, {**GOOD, "display_name": ""}]))
    assert ingest("a.csv").returncode == 1
    (tmp_path / "a.csv").write_text(as_csv([*rows, GOOD]))
    mended = ingest("a.csv")
    assert (mended.returncode, mended.stdout.strip()) == (
        0,
        "121 rows: 1 new, 0 revised, 0 unchanged, 120 done before, 0 refused.",
    )
    assert not (tmp_path / "a.csv.errors.ndjson").exists()
    before = events(database)
    assert "0 new, 0 revised, 0 unchanged, 121 done before" in ingest("a.csv").stdout
    assert events(database) == before


def test_a_dry_run_says_what_a_real_one_then_does(database: str, tmp_path: Path, ingest: Ingest) -> None:
    cells = [{**GOOD, "external_id": f"{n}", **wrong} for n, (wrong, _, _) in enumerate(WRONG.values())]
    cells += [{**GOOD, "external_id": str(n % 9), "display_name": str(n // 20)} for n in range(100)]
    (tmp_path / "a.csv").write_text(as_csv(cells))
    before = events(database)
    tried = ingest("a.csv", "--source", "bad", "--dry-run")
    errors = (tmp_path / "a.csv.errors.ndjson").read_text()
    assert events(database) == before
    real = ingest("a.csv", "--source", "bad")
    assert tried.stdout == f"Dry run, nothing appended: {real.stdout}"
    without_uids = re.compile("entity, [0-9a-f-]+")
    assert without_uids.sub("", (tmp_path / "a.csv.errors.ndjson").read_text()) == without_uids.sub("", errors)
    assert events(database) > before


def test_columns_are_mapped_by_options_and_by_a_file(database: str, tmp_path: Path, ingest: Ingest) -> None:
    (tmp_path / "a.csv").write_text("Kunde;Name;Art;E-Mail;Notiz\n7;Ann;PERSON;n/a;x\n", encoding="cp1252")
    (tmp_path / "map.json").write_text(json.dumps({"Kunde": "external_id", "Name": "reason", "Art": "entity_type"}))
    given = ("--map", "map.json", "--column", "Name=display_name", "--column", "E-Mail=EMAIL", "--column", "Notiz=")
    layout = ("--delimiter", ";", "--encoding", "cp1252", "--null", "n/a", "--source", "erp", "--actor", "erp-import")
    done = ingest("a.csv", *given, *layout)
    assert done.returncode == 0, done.stderr
    assert names(database, "erp") == {"7": "Ann"}
    with psycopg.connect(database) as connection:
        said = "SELECT metadata ->> 'actor' FROM log.event ORDER BY position DESC LIMIT 1"
        assert connection.execute(said).fetchone() == ("erp-import",)


@pytest.mark.parametrize("text", [as_csv([GOOD]), json.dumps(GOOD)])
def test_rows_come_from_standard_input_too(database: str, ingest: Ingest, text: str) -> None:
    kind = "ndjson" if text.startswith("{") else "csv"
    done = ingest("-", "--format", kind, "--source", "piped", typed=text)
    assert done.returncode == 0, done.stderr
    assert names(database, "piped") == {"good": "Good"}


def test_refused_rows_that_can_go_nowhere_are_one_line_that_names_the_option(tmp_path: Path, ingest: Ingest) -> None:
    (tmp_path / "a.csv").write_text("external_id,display_name,entity_type\n1,A,ROBOT\n")
    done = ingest("a.csv", "--errors", "nowhere/refused.ndjson")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "cockpit: Refused rows cannot go into nowhere/refused.ndjson: No such file or directory."
        " Name another file with --errors, and run it again to go on.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("a.csv",), "--delimiter is what divides cells: Surname, Age (years)."),
        (("a.csv", "--column", "Surname=EMAIL", "--column", "Age (years)=SIZE"), "no detail type: SIZE."),
        (("a.csv", "--column", "Surname"), "write it as HEADER=field."),
        (("missing.csv",), "No such file or directory: 'missing.csv'"),
        (("a.xls",), "Say which: csv or ndjson."),
        (("-", "--format", "csv"), "Required where the rows come from standard input."),
        (("a.csv", "--source", "a b"), "'a b': 1 to 50 of A-Z, a-z, 0-9, _ . -"),
        (("a.csv", "--map", "a.csv"), "a.csv: JSON is malformed"),
        (("a.csv", "--errors", "a.csv"), "the refused rows cannot go into the file itself."),
    ],
)
def test_what_is_not_understood_is_one_line_before_any_row_is_read(
    database: str, tmp_path: Path, ingest: Ingest, arguments: tuple[str, ...], told: str
) -> None:
    (tmp_path / "a.csv").write_text("external_id,Surname,Age (years)\n1,A,PERSON\n")
    before = events(database)
    done = ingest(*arguments)
    assert done.returncode in {1, 2}
    assert told in re.sub(r"[│\s]+", " ", done.stderr)
    assert "Traceback" not in done.stderr
    assert events(database) == before
    assert (tmp_path / "a.csv").read_text().startswith("external_id")
