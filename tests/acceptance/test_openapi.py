"""The OpenAPI document: valid, complete, and the one that the repository keeps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from cockpit.app import build_app
from cockpit.openapi import OutOfDate, render
from db.pool import Dsns
from shared.core.events import Kind
from shared.http.openapi import TAGS
from shared.settings import Settings

KEPT = Path(__file__).parents[2] / "docs" / "openapi.json"
SPEC: dict[str, Any] = json.loads(render())
OPERATIONS = {
    f"{method.upper()} {path}": operation for path, item in SPEC["paths"].items() for method, operation in item.items()
}
LOG_IN = "POST /api/v1/auth/token"
LOG_OUT = "DELETE /api/v1/auth/token"
HEALTH = {"GET /ping", "GET /livez", "GET /readyz"}
FEED = {"GET /api/v1/events", "GET /api/v1/events/stream"}
"""They read the log, not the read model: there is no instant and no belief to ask about."""
RETRY = "POST /api/v1/parked/{position}/retry"
REBUILD, PROJECTIONS = "POST /api/v1/projections/{name}/rebuild", "GET /api/v1/projections"
READS = {name for name in OPERATIONS if name.startswith("GET ")} - HEALTH - FEED - {PROJECTIONS}
BATCH = "POST /api/v1/commands/batch"
COMMANDS = OPERATIONS.keys() - READS - HEALTH - FEED - {LOG_IN, LOG_OUT, RETRY, REBUILD, PROJECTIONS, BATCH}
NOT_PUBLIC = {"GET /api/v1/audit", "GET /api/v1/parked", "GET /api/v1/parked/{position}"}


def _statuses(name: str) -> set[int]:
    return {int(status) for status in OPERATIONS[name]["responses"]}


def _headers(name: str, status: int) -> set[str]:
    return set(OPERATIONS[name]["responses"][str(status)]["headers"])


def _parameters(name: str, place: str) -> set[str]:
    return {parameter["name"] for parameter in OPERATIONS[name]["parameters"] if parameter["in"] == place}


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)


def test_the_document_in_the_repository_is_the_one_of_this_code() -> None:
    assert KEPT.read_text(encoding="utf-8") == render(), str(OutOfDate(KEPT.name))


def test_the_document_is_the_same_in_production() -> None:
    settings = Settings(environment="production", cors_origins="*", require_if_match=True)
    assert json.loads(json.dumps(build_app(settings, Dsns("")).openapi())) == SPEC


def test_it_is_valid_openapi_3_1() -> None:
    assert SPEC["openapi"].startswith("3.1.")
    OPENAPI_31_VALIDATOR.validate(SPEC)
    with pytest.raises(jsonschema_rs.ValidationError):
        OPENAPI_31_VALIDATOR.validate({**SPEC, "paths": {"/": {"get": {"responses": {"OK": {}}}}}})


def test_every_schema_is_a_valid_json_schema() -> None:
    for name, schema in SPEC["components"]["schemas"].items():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})
        assert schema.get("description"), name


def test_every_reference_leads_somewhere_and_every_component_is_referred_to() -> None:
    wanted = set(_references(SPEC))
    there = {
        f"#/components/{kind}/{name}"
        for kind, items in SPEC["components"].items()
        if kind != "securitySchemes"
        for name in items
    }
    assert wanted == there


def test_operation_ids_are_unique_and_tags_are_those_that_are_told() -> None:
    counted = Counter(operation["operationId"] for operation in OPERATIONS.values())
    assert counted.most_common(1)[0][1] == 1
    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} == TAGS.keys()
    assert {tag["name"] for tag in SPEC["tags"]} == TAGS.keys()
    assert all(tag == tag.lower() for tag in TAGS)


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_is_described_and_every_answer_carries_its_request_id(name: str) -> None:
    operation = OPERATIONS[name]
    assert operation["summary"]
    assert operation["description"]
    for status, given in operation["responses"].items():
        answer = SPEC["components"]["responses"][given["$ref"].rpartition("/")[2]] if "$ref" in given else given
        assert "X-Request-Id" in answer["headers"], status
        if "content" in answer:
            is_problem = set(answer["content"]) == {"application/problem+json"}
            assert is_problem == ("$ref" in given), status


def test_every_read_has_its_headers_revalidates_and_waits() -> None:
    for name in READS:
        assert {"ETag", "Position", "As-Of", "Warning"} <= _headers(name, 200) & _headers(name, 304), name
        assert "If-None-Match" in _parameters(name, "header"), name
        assert {"as_of", "min_position"} <= _parameters(name, "query"), name
        assert {200, 304, 400, 401, 403, 406, 503} <= _statuses(name), name
        public = {} in OPERATIONS[name]["security"]
        assert public == (name not in NOT_PUBLIC), name


def test_the_feed_tells_its_position_and_needs_a_token() -> None:
    for name in FEED:
        assert "Position" in _headers(name, 200), name
        assert {200, 400, 401, 403, 406, 503} <= _statuses(name), name
        assert _parameters(name, "query") == {"after", "limit", "type", "entity_uid"}, name
        assert {} not in OPERATIONS[name]["security"], name
    assert "Last-Event-ID" in _parameters("GET /api/v1/events/stream", "header")
    assert set(OPERATIONS["GET /api/v1/events/stream"]["responses"]["200"]["content"]) == {"text/event-stream"}


def test_every_command_has_its_headers_and_needs_a_token() -> None:
    for name in COMMANDS:
        for status in _statuses(name) & {200, 201, 204}:
            assert {"Position", "Event-Id", "Idempotent-Replayed", "Preference-Applied"} <= _headers(name, status)
        assert {"Idempotency-Key", "Prefer"} <= _parameters(name, "header"), name
        assert {400, 401, 403, 406, 413, 415, 422, 503} <= _statuses(name), name
        assert {} not in OPERATIONS[name]["security"], name
        assert all(
            scheme in SPEC["components"]["securitySchemes"] for way in OPERATIONS[name]["security"] for scheme in way
        )


def test_a_batch_is_lines_in_and_lines_out_and_needs_a_token() -> None:
    operation = OPERATIONS[BATCH]
    lines = "application/x-ndjson"
    assert set(operation["requestBody"]["content"]) == {lines, "application/jsonl", "application/ndjson"}
    assert set(operation["responses"]["200"]["content"]) == {lines}
    assert _statuses(BATCH) == {200, 400, 401, 403, 406, 415, 503}
    assert _parameters(BATCH, "header") == {"Idempotency-Key"}
    assert {} not in operation["security"]


def test_what_changes_an_entity_may_build_on_a_version() -> None:
    for name in COMMANDS:
        about_entities = "/entities" in name
        has_versions = "{entity_uid}" in name
        assert ("If-Match" in _parameters(name, "header")) == has_versions, name
        assert ({404, 412, 428} <= _statuses(name)) == has_versions, name
        for status in _statuses(name) & {200, 201, 204}:
            assert ("ETag" in _headers(name, status)) == about_entities, name


def test_what_is_made_has_a_location() -> None:
    made = {name for name in OPERATIONS if 201 in _statuses(name)}
    assert made == {"POST /api/v1/entities", *(f"POST /api/v1/{kind}-types" for kind in Kind)}
    assert all("Location" in _headers(name, 201) for name in made)


def test_what_names_a_thing_in_its_path_can_miss_it() -> None:
    for name in OPERATIONS:
        if "{" in name:
            assert 404 in _statuses(name), name
            assert _parameters(name, "path"), name


def test_a_token_is_given_for_json_and_for_forms_and_attempts_are_limited() -> None:
    assert set(OPERATIONS[LOG_IN]["requestBody"]["content"]) == {
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    }
    assert _statuses(LOG_IN) == {200, 400, 406, 413, 415, 429, 503}
    assert _statuses(LOG_OUT) == {204, 400, 401, 406, 503}
    assert "security" not in OPERATIONS[LOG_IN]


def test_to_ask_for_a_retry_is_no_command() -> None:
    assert _statuses(RETRY) == {202, 400, 401, 403, 404, 406, 413, 415, 503}
    assert OPERATIONS[RETRY]["security"] == [{"token": ["admin"]}, {"bearer": ["admin"]}]


def test_a_rebuild_is_taken_on_by_administrators_and_told_about_elsewhere() -> None:
    assert _statuses(REBUILD) == {202, 400, 401, 403, 404, 406, 409, 413, 415, 503}
    assert "Location" in _headers(REBUILD, 202)
    assert {"admin"} == {
        scope for way in OPERATIONS[REBUILD]["security"] for scopes in way.values() for scope in scopes
    }
    assert {} not in OPERATIONS[PROJECTIONS]["security"]


def test_who_must_wait_is_told_how_long() -> None:
    for status in (429, 503):
        assert "Retry-After" in SPEC["components"]["responses"][f"Problem{status}"]["headers"]
    assert "Warning" in SPEC["components"]["responses"]["Problem404"]["headers"]
    assert "ETag" in SPEC["components"]["responses"]["Problem412"]["headers"]
    assert "WWW-Authenticate" in SPEC["components"]["responses"]["Problem401"]["headers"]


def test_a_diff_takes_both_names_of_its_ends() -> None:
    assert {"from", "to", "from_date", "to_date"} <= _parameters("GET /api/v1/diff", "query")
    assert not {name for name in _parameters("GET /api/v1/diff", "query") if name.endswith("_")}


def test_bodies_tell_their_limits() -> None:
    members = SPEC["components"]["schemas"]["PostType"]["properties"]
    assert members["code"]["pattern"] == "^[A-Z0-9_]{1,50}$"
    assert (members["name"]["minLength"], members["name"]["maxLength"]) == (1, 255)
    assert members["description"]["maxLength"] == 10_000


def test_instants_and_nulls_are_told() -> None:
    entity = SPEC["components"]["schemas"]["EntityOut"]["properties"]
    assert entity["valid_from"] == {"type": "string", "format": "date-time"}
    assert entity["valid_to"] == {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
    naive = [
        f"{name}.{member}"
        for name, schema in SPEC["components"]["schemas"].items()
        for member, part in schema.get("properties", {}).items()
        if member.endswith(("_from", "_to", "_at", "timestamp"))
        and "date-time" not in json.dumps(part)
        and "Read-only" not in part.get("description", "")
    ]
    assert naive == []
