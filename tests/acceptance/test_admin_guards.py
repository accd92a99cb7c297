"""Who the admin page lets in, what it takes no form from, and what it says when something is not so."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.acceptance.administering import Admin, Page
from tests.acceptance.processes import until
from tests.acceptance.service import Service, Start

HOME = "/admin/entities"
NOBODY = "00000000-0000-4000-8000-000000000000"
PAGES = (HOME, f"{HOME}/{NOBODY}", "/admin/audit", "/admin/types", "/admin/users", "/admin/tokens")
ACTIONS = (
    "/admin/sign-out",
    "/admin/types/entity",
    "/admin/types/entity/PERSON",
    "/admin/users",
    "/admin/users/one",
    "/admin/tokens",
    "/admin/tokens/revoke",
)


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    """A service of its own: log-ins fail here, and users come and go."""
    return start(COCKPIT_LOGIN_FAILURES="50", COCKPIT_TRUSTED_PROXIES="127.0.0.1")


@pytest.fixture(scope="module")
def admin(service: Service) -> Iterator[Admin]:
    """Somebody who is signed in, and stays so."""
    with Admin(service) as browser:
        assert browser.sign_in().status == 200
        yield browser


@pytest.fixture
def guest(service: Service) -> Iterator[Admin]:
    """Somebody who is not."""
    with Admin(service) as browser:
        yield browser


def tokens(service: Service) -> int:
    ((count,),) = service.sql("SELECT count(*) FROM auth.token")
    return int(count)


def state(service: Service) -> list[tuple[object, ...]]:
    """Return all that a form could have changed."""
    return [(service.head(),), *service.sql("SELECT username, password_hash, is_admin, is_active FROM auth.account")]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("cookie", [None, "", "nonsense", "ä"])
def test_who_is_not_signed_in_is_sent_to_do_so_and_back(guest: Admin, path: str, cookie: str | None) -> None:
    headers = {} if cookie is None else {b"Cookie": f"cockpit_admin={cookie}".encode()}
    for method in ("GET", "HEAD"):
        answer = guest.client.request(method, f"{path}?page=2&x=%C3%A4", headers=headers)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/admin/login?next={path}%3Fpage%3D2%26x%3D%25C3%25A4"
        assert answer.content == b""


def test_a_plain_user_is_refused_and_no_token_is_left(service: Service, guest: Admin) -> None:
    before = tokens(service)
    page = guest.sign_in("user_1")
    assert (page.status, page.told["alert"]) == (403, ["This page is for administrators."])
    assert page.form("/admin/login")["username"] == ["user_1"]
    assert (tokens(service), len(guest.client.cookies)) == (before, 0)


def test_a_plain_users_token_opens_nothing_here(service: Service, guest: Admin) -> None:
    guest.client.cookies.set("cockpit_admin", service.token("user_1"), path="/admin")
    assert guest.client.get(HOME).status_code == 303


def test_a_session_ends_at_once_when_its_user_is_no_administrator_or_not_active(service: Service, admin: Admin) -> None:
    jo = f"jo-{uuid4()}"
    form = admin.get("/admin/users").form("/admin/users")
    admin.send(form, username=jo, password="x", is_admin="true")
    with Admin(service) as other:
        assert other.sign_in(jo, "x").status == 200
        page = admin.get("/admin/users/one", username=jo)
        for right in ("is_admin", "is_active"):
            admin.send(page.form("/admin/users/one", **{right: "false"}))
            assert other.client.get(HOME).status_code == 303
            admin.send(page.form("/admin/users/one", **{right: "false"}), **{right: "true"})
            assert other.client.get(HOME).status_code == 200


@pytest.mark.parametrize(("username", "password"), [("user_2", "wrong"), ("nobody", "1234"), ("\0", "\0")])
def test_a_wrong_password_is_told_and_nothing_of_it_shown_again(guest: Admin, username: str, password: str) -> None:
    page = guest.sign_in(username, password)
    assert (page.status, page.told["alert"]) == (400, ["Unable to log in with provided credentials."])
    assert page.form("/admin/login")["password"] == [""]
    blank = guest.sign_in("", "")
    assert (blank.status, blank.told["wrong"]) == (400, ["This field may not be blank."] * 2)


def test_after_too_many_failures_the_page_says_how_long_to_wait(start: Start) -> None:
    with Admin(start(COCKPIT_LOGIN_FAILURES="2")) as browser:
        assert [browser.sign_in(password="wrong").status for _ in range(2)] == [400, 400]
        page = browser.sign_in()
        assert (page.status, page.told["h1"]) == (429, ["Sign in"])
        assert 0 < int(page.answer.headers["retry-after"]) <= 30
        assert "try again in" in page.told["alert"][0]


@pytest.mark.parametrize(
    "to",
    [
        *("https://example.com", "//example.com", "\\\\example.com", "/\\example.com", "/admin\\@example.com"),
        *("/admin/../api/v1/entities", "/adminx", "/api/v1/entities", "javascript:alert(1)", "/admin/\r\nX: y", ""),
        *("/admin/entities?x=\\", "/admin@example.com", "/admin/é", " /admin/audit"),
    ],
)
def test_after_signing_in_one_goes_on_to_a_page_of_ours_and_nowhere_else(guest: Admin, admin: Admin, to: str) -> None:
    assert guest.get("/admin/login", next=to).form("/admin/login")["next"] == [HOME]
    signed_in = admin.client.get("/admin/login", params={"next": to})
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, HOME)


@pytest.mark.parametrize(("to", "leads"), [("https://example.com", HOME), ("/admin/audit?actor=jo", None)])
def test_a_form_that_was_tampered_with_leads_nowhere_else_either(guest: Admin, to: str, leads: str | None) -> None:
    answer = guest.post("/admin/login", {"username": "user_2", "password": "1234", "next": to})
    assert (answer.status_code, answer.headers["location"]) == (303, leads or to)


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
def test_the_cookie_is_for_our_pages_alone(guest: Admin, scheme: str, secure: bool) -> None:  # noqa: FBT001  # a case
    fields = {"username": "user_2", "password": "1234"}
    answer = guest.post("/admin/login", fields, **{"X-Forwarded-Proto": scheme})
    (cookie,) = answer.headers.get_list("set-cookie")
    _, *attributes = cookie.split("; ")
    wanted = {"HttpOnly", "Max-Age=43200", "Path=/admin", "SameSite=strict"} | ({"Secure"} if secure else set())
    assert set(attributes) == wanted


@pytest.mark.parametrize("path", ["/admin/login", *ACTIONS])
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://example.com"},
        {"Origin": "null"},
    ],
)
def test_a_form_that_another_site_sends_is_refused(
    service: Service, admin: Admin, path: str, headers: dict[str, str]
) -> None:
    before = state(service)
    token = admin.get(HOME).form("/admin/sign-out")["form_token"]
    fields = {"form_token": token, "username": "user_2", "password": "1234", "is_active": "false", "code": "X"}
    answer = admin.client.post(path, data=fields, headers=headers)
    assert (answer.status_code, state(service)) == (403, before)
    assert "another site" in Page(answer).text


@pytest.mark.parametrize("path", ACTIONS)
def test_a_form_without_the_sessions_own_token_is_refused(service: Service, admin: Admin, path: str) -> None:
    before = state(service)
    with Admin(service) as other:
        others = other.sign_in().form("/admin/sign-out")["form_token"][0]
    for token in ({}, {"form_token": ""}, {"form_token": "ä"}, {"form_token": others}):
        fields = {**token, "username": "user_2", "password": "1", "is_active": "false", "code": "X", "name": "x"}
        answer = admin.post(path, fields)
        assert answer.status_code == 403
    assert (state(service), admin.client.get(HOME).status_code) == (before, 200)
    with Admin(service) as guest:
        assert guest.post(path, {}).headers["location"] == "/admin/login"


def test_a_browser_that_tells_no_site_but_our_origin_is_believed(service: Service, admin: Admin) -> None:
    form = admin.get("/admin/types").form("/admin/types/detail")
    code = f"T{uuid4().hex[:8].upper()}"
    answer = admin.client.post(form.action, data={**form, "code": code, "name": "x"}, headers={"Origin": service.url})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/types")


def test_what_is_no_form_is_refused_on_a_page(admin: Admin) -> None:
    same = {"Sec-Fetch-Site": "same-origin"}
    assert Page(admin.client.post("/admin/users", json={}, headers=same)).status == 415
    assert Page(admin.client.post("/admin/users", files={"a": b"b"}, headers=same)).status == 415
    assert Page(admin.post("/admin/users", {"a": "x" * 2_000_000})).status == 413
    assert Page(admin.post("/admin/users", {str(n): "x" for n in range(50)})).status == 400


def test_a_notice_that_this_session_did_not_make_is_not_told(service: Service, admin: Admin) -> None:
    form = admin.get("/admin/users/one", username="user_1").form("/admin/users/one", is_admin="true")
    admin.post(form.action, {**form, "is_admin": "false"})
    cookie = admin.client.cookies["cockpit_notice"]
    with Admin(service) as other:
        other.sign_in()
        for forged in (cookie, cookie[:-1], "x", "x.y", "é"):
            cookies = f"cockpit_admin={other.client.cookies['cockpit_admin']}; cockpit_notice={forged}"
            answer = other.client.get(HOME, headers={b"Cookie": cookies.encode()})
            assert Page(answer).told["notice"] == []
    admin.client.head(HOME)
    assert admin.get(HOME).told["notice"] == ["The user user_1 was changed."]
    assert admin.get(HOME).told["notice"] == []


@pytest.mark.parametrize(
    "path",
    [
        *("/admin/nothing", "/admin/static/nothing", "/admin/static/../pages.py", "/admin/types/x/EMAIL", "/admin//x"),
        *("/admin/types/entity/EMAIL", f"{HOME}/x", f"{HOME}/{NOBODY}", f"{HOME}/%00", "/admin/users/one?username=x"),
    ],
)
def test_what_is_not_there_is_a_404_page(admin: Admin, path: str) -> None:
    page = Page(admin.client.get(path))
    assert (page.status, page.told["h1"]) == (404, ["Not Found"])
    assert page.answer.headers["x-request-id"] in page.text


@pytest.mark.parametrize(
    "path",
    [
        *(f"{HOME}?as_of=x", f"{HOME}?page=0", f"{HOME}?type=NO", f"{HOME}?nothing=1", f"{HOME}?q={'x' * 256}"),
        *("/admin/audit?from=2024-01-02&to=2024-01-01", "/admin/audit?entity_uid=x", "/admin/users?page=x"),
        *("/admin/tokens?username=%00", "/admin/users/one", f"{HOME}?as_of=2024-01-01&as_of=2024-01-02"),
    ],
)
def test_what_makes_no_sense_is_told_with_400(admin: Admin, path: str) -> None:
    page = Page(admin.client.get(path))
    assert page.status == 400
    assert page.told["wrong"] or page.told["alert"] or page.told["h1"] == ["Bad Request"]


def test_an_instant_that_makes_no_sense_leaves_the_entity_as_it_is_now(service: Service, admin: Admin) -> None:
    uid = service.entity("Still")["entity_uid"]
    page = admin.get(f"{HOME}/{uid}", as_of="yesterday")
    assert (page.status, page.told["h1"][0]) == (400, "Still")
    assert "Not an instant" in page.told["wrong"][0]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/admin/", "GET, HEAD, OPTIONS"),
        ("/admin/users", "GET, HEAD, POST, OPTIONS"),
        ("/admin/sign-out", "POST, OPTIONS"),
    ],
)
def test_a_method_that_a_page_does_not_answer_is_405_with_a_true_allow(guest: Admin, path: str, allowed: str) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - set(allowed.split(", ")):
        page = Page(guest.client.request(method, path))
        assert (page.status, page.answer.headers["allow"]) == (405, allowed)
    options = guest.client.options(path)
    assert (options.status_code, options.headers["allow"]) == (204, allowed)


def test_the_api_keeps_its_own_headers(service: Service) -> None:
    answer = service.get("entities")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "content-security-policy" not in answer.headers
    assert service.get("nothing").headers["content-type"] == "application/problem+json"


def test_while_the_database_is_away_a_page_says_so(service: Service, admin: Admin) -> None:
    form = admin.get("/admin/types").form("/admin/types/entity")
    name = str(conninfo_to_dict(service.conninfo)["dbname"])
    with psycopg.connect(service.conninfo, dbname="postgres", autocommit=True) as other:
        allow = psycopg.sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format
        other.execute(allow(psycopg.sql.Identifier(name), psycopg.sql.SQL("false")))
        try:
            cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND application_name <> ''"
            other.execute(cut, [name])
            answers = [admin.client.get(path) for path in ("/admin/", HOME)]
            answers.append(admin.post(form.action, {**form, "code": "X", "name": "x"}))
            answers.append(admin.post("/admin/login", {"username": "user_2", "password": "1234"}))
            for answer in answers:
                page = Page(answer)
                assert (page.status, page.told["h1"]) == (503, ["Service Unavailable"])
                assert answer.headers["retry-after"] == "1"
                assert "content-security-policy" in answer.headers
        finally:
            other.execute(allow(psycopg.sql.Identifier(name), psycopg.sql.SQL("true")))
    until(lambda: admin.client.get(HOME).status_code == 200, 20)
