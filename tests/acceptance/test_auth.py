"""The contract's auth: tokens for passwords, schemes, scopes, public reads, revocation, the limit on guessing."""

from __future__ import annotations

from time import monotonic

import pytest

from tests.acceptance.service import API, Service, Start, command, problem

USER_1 = {"username": "user_1", "password": "1234"}
TOKEN = "auth/token"
REFUSED = "Unable to log in with provided credentials."


def token(service: Service, **more: str) -> str:
    answer = service.ask("POST", TOKEN, json={**USER_1, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])


def try_write(service: Service, header: str) -> int:
    return service.ask("POST", "entities", headers={"Authorization": header}, json={}).status_code


@pytest.fixture(scope="module")
def strict(start: Start) -> Service:
    """Reads need a token, tokens expire, three failures are many."""
    return start(COCKPIT_PUBLIC_READS="false", COCKPIT_TOKEN_TTL="1", COCKPIT_LOGIN_FAILURES="3")


def test_a_password_is_exchanged_for_a_token_that_opens_writes(service: Service) -> None:
    answer = service.ask("POST", TOKEN, json=USER_1)
    assert answer.status_code == 200
    assert answer.json() == {"token": answer.json()["token"], "expires_at": None, "scopes": ["read", "write"]}
    assert try_write(service, f"Token {answer.json()['token']}") == 400


def test_both_slash_forms_and_form_bodies_answer(service: Service) -> None:
    for path in (TOKEN, TOKEN + "/"):
        assert service.ask("POST", path, data=USER_1).status_code == 200
        assert service.ask("POST", path, files={name: (None, value) for name, value in USER_1.items()}).is_success


def test_an_admin_has_the_scope_admin(service: Service) -> None:
    answer = service.ask("POST", TOKEN, json={"username": "user_2", "password": "1234"})
    assert answer.json()["scopes"] == ["read", "write", "admin"]


def test_each_call_makes_a_new_token_and_earlier_ones_stay_valid(service: Service) -> None:
    first, second = token(service), token(service)
    assert first != second
    assert [try_write(service, f"Token {each}") for each in (first, second)] == [400, 400]


@pytest.mark.parametrize("scheme", ["Token", "token", "TOKEN", "tOkEn", "Bearer", "bearer"])
def test_the_scheme_is_token_in_any_case_or_bearer(service: Service, scheme: str) -> None:
    assert try_write(service, f"{scheme} {service.token()}") == 400


@pytest.mark.parametrize("header", ["Token", "Basic dXNlcl8xOjEyMzQ=", "", "Token nonsense", "nonsense", "Token a b"])
def test_a_wrong_token_is_401_even_where_reads_are_public(service: Service, header: str) -> None:
    answer = service.get("entities", headers={"Authorization": header})
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Token"
    assert try_write(service, header) == 401


def test_a_wrong_user_and_a_wrong_password_get_the_same_answer(service: Service) -> None:
    for body in ({**USER_1, "password": "wrong"}, {"username": "nobody", "password": "1234"}):
        answer = problem(service.ask("POST", TOKEN, json=body), 400, field="non_field_errors")
        assert answer["non_field_errors"] == [REFUSED]


@pytest.mark.parametrize("field", ["username", "password"])
def test_both_fields_are_required(service: Service, field: str) -> None:
    body = problem(service.ask("POST", TOKEN, json={k: v for k, v in USER_1.items() if k != field}), 400, field=field)
    assert body[field] == ["This field is required."]
    blank = problem(service.ask("POST", TOKEN, json={**USER_1, field: ""}), 400, field=field)
    assert blank[field] == ["This field may not be blank."]


def test_delete_revokes_the_token_in_use_and_no_other(service: Service) -> None:
    mine, other = token(service), token(service)
    header = {"Authorization": f"Token {mine}"}
    assert service.ask("DELETE", TOKEN, headers=header).status_code == 204
    problem(service.ask("DELETE", TOKEN, headers=header), 401)
    problem(service.get("entities", headers=header), 401)
    assert try_write(service, f"Token {other}") == 400
    problem(service.ask("DELETE", TOKEN), 401)


def test_a_token_without_the_scope_is_403(service: Service) -> None:
    made = command(service.folder, service.conninfo, "token", "create", "user_2", "--scope", "read")
    header = {"Authorization": f"Token {made.stdout.strip()}"}
    assert service.get("audit", headers=header).status_code == 200
    problem(service.ask("POST", "entities", headers=header, json={}), 403)
    problem(service.write("POST", "entity-types", {"code": "X", "name": "x"}), 403)


def test_a_token_is_stored_hashed(service: Service) -> None:
    shown = token(service)
    rows = service.sql("SELECT token::text FROM auth.token AS token")
    assert rows
    assert not any(shown in row[0] for row in rows)


def test_where_reads_are_not_public_they_need_a_token(strict: Service) -> None:
    for path in ("entities", "entities-asof?as_of=2024-01-01", "entity-types", "audit"):
        answer = strict.get(path)
        problem(answer, 401)
        assert answer.headers["www-authenticate"] == "Token"
        assert strict.get(path, headers={"Authorization": f"Token {token(strict)}"}).status_code == 200
    assert strict.get("/ping/").status_code == 200


def test_a_token_expires_when_it_says(strict: Service) -> None:
    made = strict.ask("POST", TOKEN, json=USER_1).json()
    assert made["expires_at"].endswith("Z")
    header = {"Authorization": f"Token {made['token']}"}
    deadline = monotonic() + 20
    while strict.get("entities", headers=header).status_code == 200:
        assert monotonic() < deadline
    problem(strict.get("entities", headers=header), 401)


def test_repeated_failures_are_429_with_retry_after(strict: Service) -> None:
    wrong = {"username": "user_2", "password": "wrong"}
    answers = [strict.ask("POST", TOKEN, json=wrong) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    problem(strict.ask("POST", TOKEN, json={**wrong, "password": "1234"}), 429)


def test_pages_of_a_named_origin_may_call_and_no_others(start: Start) -> None:
    service = start(COCKPIT_CORS_ORIGINS="https://crm.example")
    asked = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization,if-match"}
    allowed = service.ask("OPTIONS", "entities", headers={"Origin": "https://crm.example", **asked})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == "https://crm.example"
    assert "PATCH" in allowed.headers["access-control-allow-methods"]
    read = service.get("entities", headers={"Origin": "https://crm.example"})
    exposed = set(read.headers["access-control-expose-headers"].split(", "))
    assert exposed >= {"ETag", "Position", "As-Of", "Event-Id", "Location", "Preference-Applied", "Retry-After"}
    assert service.ask("OPTIONS", "entities", headers={"Origin": "https://evil.example", **asked}).status_code == 400
    assert (
        "access-control-allow-origin" not in service.get("entities", headers={"Origin": "https://evil.example"}).headers
    )


def test_without_the_setting_no_origin_may_call(service: Service) -> None:
    answer = service.get("entities", headers={"Origin": "https://crm.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_write_without_a_token_is_401(service: Service) -> None:
    answer = service.client.post(f"{API}/entities", json={"display_name": "x", "entity_type": "PERSON"})
    problem(answer, 401)
    assert answer.headers["www-authenticate"] == "Token"
