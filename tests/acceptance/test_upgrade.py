"""What earlier releases left keeps working: data directories are opened, logs folded, by the code of today."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from shared.core.codec import EVENT_CLASSES
from tests.acceptance.processes import cockpit, running
from tests.architecture import ROOT

SINCE = {
    "0.1.0": {"EventCancelled", "EventSkipped", "ExternalKeyClaimed"},
    "0.2.0": {"EventSkipped", "ExternalKeyClaimed"},
}
"""By release: the types of events that there are since then."""
RELEASES = sorted(path for path in (ROOT / "tests/upgrade").iterdir() if path.is_dir())


def left_by(release: Path) -> dict[str, Any]:
    """Return what is known of a release: a token, a password, its answers by what was asked."""
    return dict(json.loads((release / "answers.json").read_text(encoding="utf-8")))


def unpack_data(release: Path, folder: Path) -> None:
    """Put the data directory that a release left where a service in the folder looks for it."""
    data = folder / "data"
    data.mkdir(mode=0o711)
    with tarfile.open(release / "data.tar.xz") as packed:
        if hasattr(tarfile, "data_filter"):
            packed.extractall(data, filter="data")
        else:  # Python 3.11 before 3.11.4
            packed.extractall(data)  # noqa: S202  # it is ours
    (data / "postgres").chmod(0o700)


def assert_holds(wanted: Any, found: Any) -> None:
    """Assert that what was answered then is answered now; members may have been added."""
    if isinstance(wanted, dict):
        assert wanted.keys() <= found.keys()
        prose = {"detail"} if wanted.get("type") == "about:blank" else set[str]()  # what a problem says to people
        for name in wanted.keys() - prose:
            assert_holds(wanted[name], found[name])
    elif isinstance(wanted, list):
        assert len(wanted) == len(found)
        for one, other in zip(wanted, found, strict=True):
            assert_holds(one, other)
    else:
        assert wanted == found


def assert_answers(client: httpx2.Client, known: dict[str, Any]) -> None:
    """Assert that a service answers as the release did, ETags included, to the bearer of its token."""
    for path, wanted in known["answers"].items():
        answer = client.get(path)
        assert answer.status_code == wanted["status"], f"{path}: {answer.text}"
        assert_holds(wanted["body"], answer.json())
        if "etag" in wanted:
            assert answer.headers["ETag"] == wanted["etag"], path


def assert_repeats(client: httpx2.Client, request: dict[str, Any]) -> None:
    """Assert that a request which the release carried out under a key gets its first answer again."""
    answer = client.request(
        request["method"], request["path"], json=request["body"], headers={"Idempotency-Key": request["key"]}
    )
    assert (answer.status_code, answer.headers["Event-Id"]) == (request["status"], request["event_id"]), answer.text
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert_holds(request["answer"], answer.json())


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def release(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that everyone may enter: as root, PostgreSQL runs as another user."""
    with TemporaryDirectory(prefix="cockpit-upgrade-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_release_left_every_type_of_event_that_there_was(release: Path) -> None:
    events = [json.loads(line) for line in (release / "log.ndjson").read_text(encoding="utf-8").splitlines()]
    assert {event["type"] for event in events} == EVENT_CLASSES.keys() - SINCE[release.name]


def test_a_data_directory_of_a_release_is_opened_and_goes_on(release: Path, folder: Path) -> None:
    unpack_data(release, folder)
    known = left_by(release)
    with running("serve", folder=folder, environment="test") as service:
        with httpx2.Client(base_url=service.url, headers={"Authorization": f"Token {known['token']}"}) as client:
            assert_answers(client, known)
            if "repeated" in known:
                assert_repeats(client, known["repeated"])
            uid = str(uuid4())
            body = {"entity_uid": uid, "display_name": "New", "entity_type": "PERSON"}
            assert client.post("/api/v1/entities", json=body).status_code == 201
            old = next(path for path in known["answers"] if path.endswith("0001"))
            name = {"display_name": "Ärger AG"}
            assert client.patch(old, json=name, headers={"If-Match": known["answers"][old]["etag"]}).status_code == 200
            assert client.get(old).json()["display_name"] == "Ärger AG"
            logged_in = {"username": "upgraded", "password": known["password"]}
            assert client.post("/api/v1/auth/token", json=logged_in).status_code == 200
        verified = cockpit("verify", folder=folder)
        assert verified.returncode == 0, verified.stdout + verified.stderr
        assert service.stop() == 0


def test_a_log_of_a_release_gives_the_same_answers_again(release: Path, database: str, folder: Path) -> None:
    """The log is the truth: loaded as it stands and folded, it answers what the release answered."""
    log = release / "log.ndjson"
    imported = cockpit("import", str(log), folder=folder, database_url=database)
    assert imported.returncode == 0, imported.stderr
    exported = cockpit("export", "events", folder=folder, database_url=database)
    assert exported.stdout == log.read_text(encoding="utf-8")
    with running("serve", folder=folder, environment="production", database_url=database, public_reads=True) as service:
        known = left_by(release)
        with httpx2.Client(base_url=service.url) as client:
            readable = {path: answer for path, answer in known["answers"].items() if "/audit" not in path}
            assert_answers(client, {"answers": readable})
        assert service.stop() == 0
    verified = cockpit("verify", folder=folder, database_url=database)
    assert verified.returncode == 0, verified.stdout + verified.stderr
