"""The Postman collection: it has every operation, and all of it answers as its scripts say, any number of times."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.acceptance import postman
from tests.acceptance.service import API, Service, Start
from tests.architecture import ROOT

COLLECTION: dict[str, Any] = json.loads(postman.FILE.read_text(encoding="utf-8"))
REQUESTS = list(postman.requests(COLLECTION))
VARIABLES = {variable["key"]: variable["value"] for variable in COLLECTION["variable"]}
OPERATIONS = {
    (method.upper(), path)
    for path, item in json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))["paths"].items()
    for method in item
}


@pytest.fixture(scope="module")
def fresh(start: Start) -> Service:
    """A service of the collection's own: it changes the sample data."""
    return start()


def operation(request: postman.Request) -> tuple[str, str]:
    """Return which operation of the OpenAPI document a request is: method, and path as the document has it."""
    path = request.url.replace("{{baseUrl}}", API).replace("{{serviceUrl}}", "").partition("?")[0].rstrip("/")
    shapes = {re.sub(r"\{\w+\}", "[^/]+", shape): shape for _, shape in OPERATIONS}
    (found,) = {shape for pattern, shape in shapes.items() if re.fullmatch(pattern, path)}
    return request.method, found


def test_it_has_every_operation_and_no_other() -> None:
    assert {operation(request) for request in REQUESTS} == OPERATIONS


def test_it_is_a_collection_of_version_2_1_with_these_variables() -> None:
    assert COLLECTION["info"]["schema"] == "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
    assert VARIABLES == {
        "baseUrl": "http://127.0.0.1:8000/api/v1",
        "serviceUrl": "http://127.0.0.1:8000",
        "token": "",
    }


def test_every_request_says_which_status_is_right() -> None:
    assert [request.name for request in REQUESTS if not postman.STATUS.fullmatch(request.script[0])] == []


def test_every_request_is_answered_as_its_script_says_the_second_time_too(fresh: Service) -> None:
    for _ in range(2):
        with httpx2.Client(timeout=30) as client:
            runner = postman.Runner(client, variables(fresh))
            for request in REQUESTS:
                runner.send(request)


def test_newman_runs_it_twice(fresh: Service) -> None:
    newman = shutil.which("newman")
    if newman is None:
        pytest.skip("no newman on the PATH: npm install --global newman")
    given = [f"--env-var={name}={value}" for name, value in variables(fresh).items() if name != "token"]
    ran = subprocess.run(
        [newman, "run", str(postman.FILE), "--iteration-count=2", "--reporter-cli-no-banner", "--color=off", *given],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(rf"│ +requests │ +{2 * len(REQUESTS)} │ +0 │", ran.stdout), ran.stdout


def variables(service: Service) -> dict[str, str]:
    """Return the collection's variables for a service elsewhere."""
    return VARIABLES | {"baseUrl": service.url + API, "serviceUrl": service.url}


# --- the runner ----------------------------------------------------------------------------------------------------


@pytest.fixture
def echoing() -> Iterator[postman.Runner]:
    """A runner whose requests are answered by themselves: 201, with their body and an ETag."""

    def echo(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(201, content=request.content, headers={"ETag": str(request.url)})

    with httpx2.Client(transport=httpx2.MockTransport(echo)) as client:
        yield postman.Runner(client, {"a": "1", "empty": ""})


def request(*script: str, url: str = "http://x/{{a}}", body: str | None = None) -> postman.Request:
    return postman.Request("", "name", "POST", url, {}, body, list(script))


def test_the_runner_fills_in_variables_and_sets_them_from_the_answer(echoing: postman.Runner) -> None:
    echoing.send(
        request(
            'pm.collectionVariables.set("b", pm.response.json().member);',
            'pm.collectionVariables.set("c", pm.response.headers.get("ETag"));',
            body='{"member": "{{a}}{{a}}"}',
        )
    )
    assert echoing.variables == {"a": "1", "empty": "", "b": "11", "c": "http://x/1"}


def test_the_runner_refuses_another_status(echoing: postman.Runner) -> None:
    echoing.send(request('pm.test("answers 200 or 201", () => pm.expect(pm.response.code).to.be.oneOf([200, 201]));'))
    with pytest.raises(AssertionError, match="name: 201"):
        echoing.send(request('pm.test("answers 200", () => pm.expect(pm.response.code).to.be.oneOf([200]));'))


@pytest.mark.parametrize(
    "wrong",
    [
        request('pm.test("answers 200", () => true);'),
        request('pm.collectionVariables.set("b", "constant");'),
        request("// nothing"),
        request(url="http://x/{{unknown}}"),
        request(url="http://x/{{empty}}"),
        request(url="http://x/{{$randomCity}}"),
    ],
)
def test_the_runner_refuses_what_it_does_not_understand(echoing: postman.Runner, wrong: postman.Request) -> None:
    with pytest.raises(postman.NotUnderstood):
        echoing.send(wrong)
