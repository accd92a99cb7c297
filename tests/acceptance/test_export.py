"""`cockpit export` and `cockpit import` as an operator meets them: what the API has, and one line where it fails."""

from __future__ import annotations

import csv
import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2
import pytest

from shared.http.instants import show
from tests.acceptance.processes import cockpit, running, until
from tests.acceptance.service import Service

Json = dict[str, Any]


def export(service: Service, *arguments: str) -> str:
    """Return what is exported, its ends of lines those of Unix."""
    done = cockpit("export", *arguments, folder=service.folder, database_url=service.conninfo)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines(text: str) -> list[Json]:
    return [json.loads(line) for line in text.split("\n")[:-1]]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(text, newline=""), strict=True))


def pages(service: Service, path: str) -> list[Json]:
    items, url = [], f"{path}&cursor=*&page_size=100"
    while url:
        answer = service.get(url, user="user_1")
        assert answer.status_code == 200, answer.text
        items += answer.json()["results"]
        url = answer.json()["next"]
    return items


@pytest.fixture(scope="module")
def lived(service: Service) -> Service:
    """The sample data, one entity more, corrected and with something to come."""
    uid = service.entity("Export, Inc.", "INSTITUTION", effective_at="2020-01-01")["entity_uid"]
    for body in (
        {"display_name": "Exports", "effective_at": "2021-01-01"},
        {"details": [{"detail_type": "EMAIL", "detail_value": "a@b"}], "effective_at": "2020-06-01"},
        {
            "display_name": "Export & Sons",
            "effective_at": "2020-03-01",
            "effective_until": "2020-04-01",
            "reason": "late",
        },
        {"display_name": "To come", "effective_at": "2099-01-01"},
    ):
        assert service.write("PATCH", f"entities/{uid}", body).is_success
    position = service.head()
    assert service.get(f"entities?min_position={position}").status_code == 200
    return service


def test_entities_are_those_of_the_api_at_any_point(lived: Service) -> None:
    position = lived.head()
    assert lines(export(lived, "entities")) == pages(lived, "entities?order=entity_uid")
    asked = ("--as-of", "2020-03-15", "--position", str(position - 2))
    expected = pages(lived, f"entities-asof?as_of=2020-03-15&position={position - 2}")
    assert lines(export(lived, "entities", *asked)) == expected
    table = export(lived, "entities", *asked, "--format", "csv")
    served = lived.get(f"entities-asof?as_of=2020-03-15&position={position - 2}&format=csv")
    assert table == served.text.replace("\r\n", "\n")
    recorded = show(lived.sql("SELECT recorded_at FROM log.event ORDER BY position DESC LIMIT 3")[-1][0])
    assert export(lived, "entities", "--as-of", "2020-03-15", "--known-at", recorded) == export(
        lived, "entities", *asked
    )


def test_the_audit_trail_is_that_of_the_api(lived: Service) -> None:
    assert lines(export(lived, "audit")) == pages(lived, "audit?")
    served = lived.get("audit?format=csv", user="user_1")
    assert export(lived, "audit", "--format", "csv") == served.text.replace("\r\n", "\n")
    some = lines(export(lived, "audit", "--position", "20"))
    assert {entry["position"] for entry in some} <= set(range(21))
    assert some


def test_versions_are_all_rows_as_known_at_a_position(lived: Service) -> None:
    head = lived.head()
    for position in (0, 9, head - 1, head):
        found = lines(export(lived, "versions", "--position", str(position)))
        assert [row["id"] for row in found] == sorted({row["id"] for row in found})
        expected = {}
        for (uid,) in lived.sql("SELECT entity_uid::text FROM read_model.entity_head"):
            answer = lived.get(f"entities/{uid}/history?position={position}&page_size=500")
            for item in answer.json().get("results", ()):
                content = item.pop("changes")
                expected[uid, content.get("detail_type"), item["valid_from"]] = item | content
        assert len(expected) == len(found)
        for row in found:
            item = expected[row["entity_uid"], row["detail_type"], row["valid_from"]]
            same = row.keys() & item.keys() - {"actor"}  # the API tells who said it first
            assert {name: row[name] for name in same} == {name: item[name] for name in same}
            assert len(same) >= 11
    table = rows(export(lived, "versions", "--format", "csv"))
    assert [row["id"] for row in table] == [str(row["id"]) for row in lines(export(lived, "versions"))]


def test_events_are_the_log_as_it_stands(lived: Service) -> None:
    found = lines(export(lived, "events"))
    assert [event["position"] for event in found] == list(range(1, lived.head() + 1))
    payloads = [(event["payload"], event["metadata"], event["link"]) for event in found]
    assert payloads == lived.sql(
        "SELECT payload::text, metadata::text, encode(link, 'hex') FROM log.event ORDER BY position"
    )
    assert lines(export(lived, "events", "--position", "5")) == found[:5]
    table = rows(export(lived, "events", "--format", "csv", "--position", "5"))
    assert table == [{name: "" if v is None else str(v) for name, v in event.items()} for event in found[:5]]


def test_a_file_is_written_and_imports_into_another_database(lived: Service, database: str, tmp_path: Path) -> None:
    path = tmp_path / "log.ndjson"
    done = cockpit("export", "events", "--output", str(path), folder=tmp_path, database_url=lived.conninfo)
    head = lived.head()
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines()[-1] == f"{head} events exported, as known at position {head}."
    assert list(tmp_path.iterdir()) == [path]
    imported = cockpit("import", str(path), folder=tmp_path, database_url=database)
    assert (imported.returncode, imported.stdout) == (0, "")
    assert imported.stderr.splitlines()[-1] == f"{head} events imported."
    behind = cockpit("export", "entities", folder=tmp_path, database_url=database)
    assert behind.stderr.splitlines() == [
        "0 entities exported, as known at position 0.",
        f"The log goes on to position {head}: the read model is behind it.",
    ]
    again = cockpit("import", "-", folder=tmp_path, typed=path.read_text(), database_url=database)
    assert again.returncode == 1
    assert again.stderr == "cockpit: There are events in this database: a log is imported into an empty one only.\n"
    with running("serve", folder=tmp_path, database_url=database, environment="production") as process:
        until(lambda: httpx2.get(f"{process.url}/ping/", timeout=10).json()["lag"] == 0, 60)
        verified = cockpit("verify", folder=tmp_path, database_url=database)
        assert verified.stdout.startswith(f"Clean: {head} events up to position {head}, ")
        versions = cockpit("export", "versions", folder=tmp_path, database_url=database)
        assert versions.stdout == export(lived, "versions")
        assert process.stop() == 0


def test_standard_input_is_taken_and_damage_is_one_line(
    lived: Service, unchecked_database: str, tmp_path: Path
) -> None:
    log = export(lived, "events")
    damaged = log.replace("Export, Inc.", "Import, Inc.", 1)
    position = next(event["position"] for event in lines(log) if "Export, Inc." in event["payload"])
    done = cockpit("import", "-", folder=tmp_path, typed=damaged, database_url=unchecked_database)
    assert done.returncode == 1
    assert done.stderr == (
        f"cockpit: standard input, line {position}: event {position}: its payload is not what its digest covers."
        " Nothing is imported.\n"
    )
    assert cockpit("import", "-", folder=tmp_path, typed=log, database_url=unchecked_database).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "events", "--position", "100000"], r"position: The log ends at position \d+\."),
        (
            ["export", "audit", "--position", "100000"],
            r"The read model is at position \d+: it has not reached 100000 yet\. The log ends at position \d+\.",
        ),
        (["export", "entities", "--known-at", "2999-01-01"], r"--known-at: Must not be in the future: .*"),
        (["export", "events", "--known-at", "2999-01-01"], r"--known-at: Must not be in the future: .*"),
        (["export", "entities", "--as-of", "soon"], r"--as-of: Not an instant: .*"),
        (["export", "audit", "--as-of", "2024-01-01"], r"--as-of: Entities alone .*"),
        (
            ["export", "versions", "--known-at", "2024-01-01", "--position", "1"],
            r"--known-at: Given beside --position: .*",
        ),
        (
            ["export", "events", "--output", "nowhere/log"],
            r"nowhere/log cannot be written: No such file or directory\.",
        ),
        (["export", "events", "--output", "."], r"\. is there and is not a file\."),
        (["import", "nothing.ndjson"], r".*No such file or directory: 'nothing.ndjson'"),
    ],
    ids=" ".join,
)
def test_what_goes_wrong_is_one_line(lived: Service, tmp_path: Path, arguments: list[str], told: str) -> None:
    done = cockpit(*arguments, folder=tmp_path, database_url=lived.conninfo, wait_seconds=0.2)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(f"cockpit: {told}\n", done.stderr), done.stderr
    assert list(tmp_path.iterdir()) == []
