"""The admin page: what an auditor finds, what an operator does, page by page, on a real service."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.acceptance.administering import Admin
from tests.acceptance.service import API, Service, Start, problem

GLOBEX = "e3146cf3-36b8-47b5-bd32-1e23b53745f8"
PAGES = ("entities", f"entities/{GLOBEX}", "audit", "types", "types/detail/EMAIL", "users", "users/one", "tokens")
MARKUP = '<script>alert("1")</script>&amp;'


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    """A service with the sample data and what is made here, and nothing else."""
    return start()


@pytest.fixture(scope="module")
def admin(service: Service) -> Iterator[Admin]:
    """Somebody who is signed in."""
    with Admin(service) as browser:
        assert browser.sign_in().status == 200
        yield browser


def name(kind: str) -> str:
    return f"{kind}{uuid4().hex[:12]}"


def test_an_admin_signs_in_and_out_again(service: Service) -> None:
    with Admin(service) as browser:
        page = browser.sign_in(path=f"/admin/entities/{GLOBEX}?as_of=2021-01-01")
        assert (page.status, page.told["h1"][0]) == (200, "Globex LLC")
        token = browser.client.cookies["cockpit_admin"]
        header = {"Authorization": f"Token {token}"}
        assert service.get("audit", headers=header).status_code == 200
        (issued,) = service.sql(
            "SELECT scopes, round(extract(epoch FROM expires_at - created_at)) FROM auth.token"
            " WHERE label = 'admin page' ORDER BY created_at DESC LIMIT 1"
        )
        assert issued == (["read", "write", "admin"], 12 * 3600)
        assert browser.get("/admin/login").told["h1"] == ["Entities"]
        out = browser.send(page.form("/admin/sign-out"))
        assert (out.told["h1"], "cockpit_admin" in browser.client.cookies) == (["Sign in"], False)
        problem(service.get("audit", headers=header), 401)


def test_an_admin_browses_entities_by_name_type_and_instant(service: Service, admin: Admin) -> None:
    page = admin.get("/admin/")
    assert page.answer.url.path == "/admin/entities"
    assert len(page.rows) == 1 + 10
    found = admin.get("/admin/entities", q="globex")
    assert found.row("Globex Holdings") == [
        "Globex Holdings",
        "INSTITUTION",
        "ADDRESS 100 Headquarters Rd, Gotham",
        "2024-11-20 00:00:00",
    ]
    assert found.form("/admin/entities") == {"q": ["globex"], "type": [""], "as_of": [""], "order": [""]}
    then = admin.get("/admin/entities", q="globex", as_of="2021-01-01")
    assert then.row("Globex LLC")[2] == "ADDRESS 1 First Ave, Metropolis"
    assert admin.get(then.links["Globex LLC"]).told["h1"][0] == "Globex LLC"
    assert len(admin.get("/admin/entities", q="globex", type="PERSON").rows) == 0
    assert "No entity is like that." in admin.get("/admin/entities", q="globex", type="PERSON").text
    first = admin.get("/admin/entities", type="PERSON", order="display_name", as_of="2024-12-01", page_size="2")
    assert [row[0] for row in first.rows[1:]] == ["Alice Johnson (Married)", "Bruce Wayne"]
    second = admin.get(f"/admin/entities{first.links['Next →']}")
    assert [row[0] for row in second.rows[1:]] == ["Clark Kent", "Jane Smith-Updated"]
    assert "3 to 4 of 6" in second.text
    assert admin.get(f"/admin/entities{second.links['← Previous']}").rows == first.rows


def test_an_admin_sees_the_versions_of_an_entity_and_what_changed_in_each(service: Service, admin: Admin) -> None:
    page = admin.get(f"/admin/entities/{GLOBEX}")
    assert page.told["h1"] == ["Globex Holdings", "INSTITUTION"]
    versions = [row[:3] + row[4:] for row in page.rows if len(row) == 5]
    assert versions[0] == ["2020-03-01 00:00:00", "2022-09-01 00:00:00", "Name Globex LLC Type INSTITUTION", "fixtures"]
    assert versions[2][2] == "ADDRESS 1 First Ave, Metropolis → 2 Second Ave, Metropolis"
    assert versions[6][1:3] == ["open", "Name Globex International → Globex Holdings Type INSTITUTION"]
    assert len(versions) == 8
    recorded = {row[3].partition(" position ")[2] for row in page.rows if len(row) == 5}
    history = service.get(f"entities/{GLOBEX}/history").json()["results"]
    assert recorded == {str(version["position"]) for version in history}
    at = admin.get(f"/admin/entities/{GLOBEX}{page.links['2022-09-01']}")
    assert at.told["h1"] == ["Globex International", "INSTITUTION"]
    third = admin.get(f"/admin/entities/{GLOBEX}", page="3", page_size="1")
    assert [row[2] for row in third.rows if len(row) == 5] == [versions[2][2]]  # what was before is on another page


def test_an_entity_that_has_ended_or_not_begun_still_has_its_versions(service: Service, admin: Admin) -> None:
    uid = service.entity("Gone")["entity_uid"]
    service.write("DELETE", f"entities/{uid}")
    gone = admin.get(f"/admin/entities/{uid}")
    assert (gone.status, gone.told["h1"]) == (200, ["Retired"])
    assert "It is retired since" in gone.told["alert"][0]
    assert {row[2] for row in gone.rows if len(row) == 4} == {
        "INSERT Name Gone Type PERSON",
        "DELETE Name Gone Type PERSON",
    }
    early = admin.get(f"/admin/entities/{GLOBEX}", as_of="2001-01-01")
    assert (early.status, early.told["h1"]) == (200, ["Not there yet"])
    assert len([row for row in early.rows if len(row) == 5]) == 8


def test_an_admin_reads_the_audit_trail_with_its_filters(service: Service, admin: Admin) -> None:
    uid = service.entity("Audited")["entity_uid"]
    request, agent = name("request-"), {"User-Agent": "admin-test/1"}
    body = {"display_name": "Audited too"}
    service.write("PATCH", f"entities/{uid}", body, user="user_2", headers={"X-Request-Id": request, **agent})
    found = admin.get("/admin/audit", entity_uid=uid)
    assert [row[1:4] for row in found.rows[1:]] == [
        ["user_2", uid[:8], "UPDATE Name Audited → Audited too"],
        ["user_1", uid[:8], "INSERT Name Audited Type PERSON"],
    ]
    assert found.rows[1][4] == f"{request} 127.0.0.1 admin-test/1"
    assert admin.get(found.links[uid[:8]]).told["h1"][0] == "Audited too"
    for filters in ({"actor": "user_1"}, {"operation": "INSERT"}, {"to": "2001-01-01"}, {"request_id": "no"}):
        rows = admin.get("/admin/audit", entity_uid=uid, **filters).rows[1:]
        assert [row[1] for row in rows] == ([] if filters.keys() & {"to", "request_id"} else ["user_1"])
    assert [row[1] for row in admin.get(found.links[request]).rows[1:]] == ["user_2"]
    assert len(admin.get("/admin/audit", actor="fixtures", page="2").rows) == 11


def test_the_audit_trail_shows_why_of_what_changed_no_value(service: Service, admin: Admin) -> None:
    uid = service.entity("Confirmed", effective_at="2024-01-01")["entity_uid"]
    span = {"effective_at": "2024-02-01", "effective_until": "2024-03-01", "reason": "<seen> in person"}
    assert service.write("PATCH", f"entities/{uid}", {"display_name": "Confirmed", **span}).status_code == 200
    told = ["user_1", uid[:8], "UPDATE No value changed: <seen> in person"]
    assert admin.get("/admin/audit", entity_uid=uid).rows[1][1:4] == told


@pytest.mark.parametrize("kind", ["entity", "detail"])
def test_an_admin_adds_changes_and_switches_types(service: Service, admin: Admin, kind: str) -> None:
    code = name("T").upper()
    add, one = f"/admin/types/{kind}", f"/admin/types/{kind}/{code}"
    page = admin.send(admin.get("/admin/types").form(add), code=code, name="First", description="a\r\nb")
    assert page.told["notice"] == [f"The {kind} type {code} was added."]
    assert page.row(code)[:4] == [code, "First", "a b", "active"]
    page = admin.send(admin.get(one).form(one), name="Second")
    assert page.row(code)[1:3] == ["Second", "a b"]
    page = admin.send(page.form(one, is_active="false"))
    assert page.row(code)[3] == "not active"
    of_api = {"code": code, "name": "Second", "description": "a\nb", "is_active": False}
    assert of_api in service.get(f"{kind}-types", params={"page_size": "500"}).json()["results"]
    page = admin.send(page.form(one, is_active="true"))
    assert page.row(code)[3] == "active"
    actors = service.sql("SELECT DISTINCT metadata->>'actor' FROM log.event ORDER BY 1")
    assert ("user_2",) in actors
    head = service.head()
    again = admin.send(page.form(add), code=code, name="Other")
    assert (again.status, again.told["wrong"]) == (409, [f"The {kind} type {code} is there already."])
    assert again.form(add)["name"] == ["Other"]
    wrong = admin.send(page.form(add), code="a b", name="")
    assert (wrong.status, len(wrong.told["wrong"])) == (400, 2)
    assert admin.send(admin.get(one).form(one), name=" ").status == 400
    assert admin.send(page.form(one, is_active="false"), is_active="true").status == 200
    assert service.head() == head


def test_an_admin_adds_users_and_says_what_they_may(service: Service, admin: Admin) -> None:
    jo, here, one = name("jo/"), "/admin/users", "/admin/users/one"
    page = admin.send(admin.get(here).form(here), username=jo, password="first")
    assert page.told["notice"] == [f"The user {jo} was added."]
    assert page.row(jo)[1:3] == ["read, write", "active"]

    def may(password: str) -> list[str]:
        answer = service.client.post(f"{API}/auth/token", json={"username": jo, "password": password})
        return list(answer.json().get("scopes", []))

    assert may("first") == ["read", "write"]
    page = admin.get(page.links[jo])
    admin.send(page.form(one, password=""), password="second")
    assert (may("first"), may("second")) == ([], ["read", "write"])
    assert admin.send(page.form(one, is_admin="true")).row(jo)[1] == "read, write, administer"
    assert may("second") == ["read", "write", "admin"]
    assert admin.send(page.form(one, is_active="false")).row(jo)[2] == "not active"
    assert may("second") == []
    page = admin.get(one, username=jo)
    admin.send(page.form(one, is_active="true"))
    admin.send(page.form(one, is_admin="false"))
    assert may("second") == ["read", "write"]
    taken = admin.send(admin.get(here).form(here), username=jo, password="x")
    assert (taken.status, taken.told["wrong"]) == (409, [f"The user {jo} is there already."])
    assert taken.form(here)["username"] == [jo]
    assert "password" not in taken.form(here) or taken.form(here)["password"] == [""]
    empty = admin.send(admin.get(here).form(here), username=" ", password="")
    assert (empty.status, len(empty.told["wrong"])) == (400, 1)
    assert admin.send(page.form(one, password=""), password="").status == 400


@pytest.mark.parametrize("right", ["is_admin", "is_active"])
def test_nobody_takes_the_page_away_from_themselves(admin: Admin, right: str) -> None:
    form = admin.get("/admin/users/one", username="user_2").form("/admin/users/one", **{right: "false"})
    page = admin.send(form)
    assert (page.status, len(page.told["alert"])) == (400, 1)
    assert admin.get("/admin/users").row("user_2")[1:3] == ["read, write, administer", "active"]


def test_an_admin_issues_tokens_shown_once_and_revokes_them(service: Service, admin: Admin) -> None:
    here, label = "/admin/tokens", name("for ")
    form = admin.get(here, username="user_1").form(here)
    assert (form["username"], form["scopes"], form["ttl"]) == (["user_1"], ["read"], ["month"])
    shown = admin.send(form, label=label, scopes=["read", "write"], ttl="day")
    (token,) = shown.told["secret"]
    assert admin.get(here).told["secret"] == []
    header = {"Authorization": f"Token {token}"}
    assert service.ask("POST", "entities", headers=header, json={}).status_code == 400
    (row,) = [row for row in shown.rows if label in row]
    assert row[:3] == ["user_1", label, "read, write"]
    ((token_id, seconds),) = service.sql(
        "SELECT token_id, round(extract(epoch FROM expires_at - created_at)) FROM auth.token"
        " WHERE label LIKE 'for %' ORDER BY created_at DESC LIMIT 1"
    )
    assert seconds == 86400
    page = admin.send(shown.form(f"{here}/revoke", token_id=str(token_id)))
    assert page.told["notice"] == ["The token was revoked."]
    assert service.ask("POST", "entities", headers=header, json={}).status_code == 401
    assert admin.send(shown.form(f"{here}/revoke", token_id=str(token_id))).status == 404
    no_scope: list[str] = []
    for wrong in (
        {"scopes": "admin"},
        {"username": name("x")},
        {"ttl": "?"},
        {"scopes": no_scope},
        {"label": "x" * 151},
    ):
        page = admin.send(form, **wrong)
        assert page.status in {400, 404}
        assert page.told["wrong"] + page.told["alert"]
        assert (page.told["secret"], page.told["notice"]) == ([], [])


def test_what_people_typed_is_shown_as_text(service: Service, admin: Admin) -> None:
    details = [{"detail_type": "EMAIL", "detail_value": MARKUP}]
    uid = service.entity(f"{MARKUP}{uuid4()}", details=details)["entity_uid"]
    service.write("PATCH", f"entities/{uid}", {"display_name": "x"}, headers={"User-Agent": MARKUP})
    user = MARKUP + name("")
    admin.send(admin.get("/admin/users").form("/admin/users"), username=user, password="1")
    token = admin.get("/admin/tokens").form("/admin/tokens")
    assert admin.send(token, username=user, label=MARKUP, scopes=["read"]).told["secret"]
    code = name("T").upper()
    admin.send(admin.get("/admin/types").form("/admin/types/detail"), code=code, name=MARKUP, description=MARKUP)
    found = [
        admin.get("/admin/entities", q=MARKUP),
        admin.get(f"/admin/entities/{uid}"),
        admin.get("/admin/audit", entity_uid=uid),
        admin.get("/admin/users"),
        admin.get("/admin/users/one", username=user),
        admin.get("/admin/tokens", username=user),
        admin.get("/admin/types"),
        admin.get(f"/admin/types/detail/{code}"),
        admin.get("/admin/entities", as_of=MARKUP),
    ]
    for page in found:
        assert "<script" not in page.answer.text
        assert MARKUP in page.text or any([MARKUP] in form.values() for form in page.forms)


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_head_and_keeps_out_of_caches_and_frames(admin: Admin, path: str) -> None:
    params = {"username": "user_1"} if path == "users/one" else {}
    got, head = (admin.client.request(method, f"/admin/{path}", params=params) for method in ("GET", "HEAD"))
    assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
    for answer in (got, head):
        assert answer.headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'"
        )
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
