"""Every operation of the document is thrown examples, valid and not: no fault, nothing that the document does not say.

`make fuzz` throws 200 at each, the test run a few. The seed is printed; FUZZ_SEED gives it again.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import schemathesis
from schemathesis import Case
from schemathesis.specs.openapi import checks

from cockpit.openapi import render
from tests import oracle
from tests.acceptance.fuzzing import Service, bad_data_is_refused, ground, no_fault, running_service
from tests.conftest import Clone
from tests.fuzz_options import FUZZ

CHECKS = [
    no_fault,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    bad_data_is_refused,
    checks.missing_required_header,
    checks.unsupported_method,
    checks.allow_header_conformance,
]
ENDLESS = "/api/v1/events/stream"
"""Who asks for it well waits for ever; bad questions are asked in test_events.py."""
schema = schemathesis.openapi.from_dict(json.loads(render())).exclude(path=ENDLESS)
schema.config.generation.update(
    max_examples=FUZZ.examples, no_shrink=True, with_security_parameters=False, database="none"
)
schema.config.seed = FUZZ.seed
ENOUGH = 100
"""From so many examples on, some of each operation must be answered with success."""

answered: defaultdict[str, Counter[int]] = defaultdict(Counter)


@pytest.fixture(scope="module")
def service(clone: Clone) -> Iterator[Service]:
    with clone() as conninfo:
        with running_service(conninfo) as running:
            yield running
            running.wait_until_projected()
        for operation, statuses in sorted(answered.items()):
            print(f"{operation:45} {dict(sorted(statuses.items()))}")  # noqa: T201  # what make fuzz shows
            assert FUZZ.examples < ENOUGH or min(statuses) < 400, (
                f"{operation} was never answered with success: the examples are too wild"
            )
        with psycopg.connect(conninfo) as connection:
            oracle.check(connection)


@schema.parametrize()
def test_fuzz(case: Case[Any], service: Service) -> None:
    chance = ground(case)
    response = case.call(base_url=service.url, headers=service.authorization(case, chance))
    if response.request.method == case.operation.method.upper():
        answered[case.operation.label][response.status_code] += 1
    case.validate_response(response, checks=CHECKS)
