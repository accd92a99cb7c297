"""The contract's sample data: every row of its table at its dates; twice adds nothing; not where others work."""

from __future__ import annotations

import pytest

from tests.acceptance.service import Service, Start, command, problem

EMAIL, PHONE, ADDRESS, WEBSITE = "EMAIL", "PHONE", "ADDRESS", "WEBSITE"
PERSON, INSTITUTION = "PERSON", "INSTITUTION"
GLOBEX = "e3146cf3-36b8-47b5-bd32-1e23b53745f8"
JANE = "a7aaa17b-d87a-428c-bfcf-4949ed564bbb"
ALICE = "6448ebbc-7537-4f6e-89df-c809a6b2ed8e"
BRUCE = "db7d1aec-afe3-46b2-b03c-dd22b43a8a49"
ACME = ("31ce3036-ee2d-4b1e-9cf8-b524a901c086", INSTITUTION)
WAYNE = ("cc707541-65a9-4790-88e9-820e87896bba", INSTITUTION)
STARK = ("1ef84dcd-eb3a-4305-9f49-5765e6a1b86c", INSTITUTION)
PLANET = ("3b24bfa1-f132-47d3-85f0-13ba8f498750", INSTITUTION)
JOHN = ("4f8c10a3-029a-4cec-b324-2faaac7f8c45", PERSON)
TONY = ("61854cda-1267-4e21-a961-59927726afd6", PERSON)
CLARK = ("ce454dc0-c7b5-4269-8559-eb6301744179", PERSON)

FACTS: list[tuple[str, str, str, str, dict[str, str]]] = [
    (*JOHN, "2024-01-01", "John Doe", {EMAIL: "john.doe@example.com", PHONE: "+1-202-555-0101"}),
    (
        *ACME,
        "2023-06-01",
        "Acme Corp",
        {ADDRESS: "100 Market St, San Francisco, CA", WEBSITE: "https://acme.example.com"},
    ),
    (JANE, PERSON, "2022-01-01", "Jane Smith", {EMAIL: "jane.smith@oldmail.com"}),
    (JANE, PERSON, "2023-12-01", "Jane Smith", {EMAIL: "jane.smith@midmail.com"}),
    (JANE, PERSON, "2024-05-15", "Jane Smith-Updated", {EMAIL: "jane.smith@example.com", PHONE: "+1-415-555-0202"}),
    (GLOBEX, INSTITUTION, "2020-03-01", "Globex LLC", {ADDRESS: "1 First Ave, Metropolis"}),
    (GLOBEX, INSTITUTION, "2021-06-01", "Globex LLC", {ADDRESS: "2 Second Ave, Metropolis"}),
    (GLOBEX, INSTITUTION, "2022-09-01", "Globex International", {ADDRESS: "10 New Blvd, Gotham"}),
    (GLOBEX, INSTITUTION, "2023-05-01", "Globex International", {ADDRESS: "20 Corporate Way, Gotham"}),
    (GLOBEX, INSTITUTION, "2024-11-20", "Globex Holdings", {ADDRESS: "100 Headquarters Rd, Gotham"}),
    (ALICE, PERSON, "2021-07-10", "Alice Johnson", {PHONE: "+1-202-555-0303"}),
    (ALICE, PERSON, "2022-09-01", "Alice Johnson", {PHONE: "+1-202-555-0404"}),
    (ALICE, PERSON, "2023-12-31", "Alice Johnson (Married)", {PHONE: "+1-202-555-0505"}),
    (
        *WAYNE,
        "2022-02-02",
        "Wayne Enterprises",
        {WEBSITE: "https://wayneenterprises.example", ADDRESS: "500 Wayne Tower, Gotham"},
    ),
    (BRUCE, PERSON, "2020-10-10", "Bruce Wayne", {EMAIL: "bruce@oldwayne.com", PHONE: "+1-212-555-0606"}),
    (BRUCE, PERSON, "2023-06-01", "Bruce Wayne", {EMAIL: "bruce@oldwayne.com", PHONE: "+1-212-555-0707"}),
    (BRUCE, PERSON, "2024-01-01", "Bruce Wayne", {EMAIL: "bruce@wayne.com", PHONE: "+1-212-555-0707"}),
    (
        *STARK,
        "2019-05-05",
        "Stark Industries",
        {WEBSITE: "https://starkindustries.example", ADDRESS: "200 Stark Tower, New York"},
    ),
    (*TONY, "2018-08-08", "Tony Stark", {EMAIL: "tony@stark.com", PHONE: "+1-917-555-0808"}),
    (
        *PLANET,
        "2021-11-11",
        "Daily Planet",
        {ADDRESS: "355 Main St, Metropolis", WEBSITE: "https://dailyplanet.example"},
    ),
    (*CLARK, "2022-04-04", "Clark Kent", {EMAIL: "clark.kent@dailyplanet.com", PHONE: "+1-646-555-0909"}),
]


@pytest.mark.parametrize(("uid", "kind", "date", "name", "details"), FACTS)
def test_it_has_its_true_history(
    service: Service, uid: str, kind: str, date: str, name: str, details: dict[str, str]
) -> None:
    found = service.get(f"entities/{uid}", params={"as_of": date}).json()
    assert (found["display_name"], found["entity_type"]) == (name, kind)
    assert {d["detail_type"]: d["detail_value"] for d in found["entity_details"]} == details
    starts = [row["valid_from"] for row in (found, *found["entity_details"])]
    assert f"{date}T00:00:00Z" in starts


@pytest.mark.parametrize("uid", sorted({fact[0] for fact in FACTS}))
def test_before_its_first_date_it_does_not_exist_and_now_it_has_its_last(service: Service, uid: str) -> None:
    facts = [fact for fact in FACTS if fact[0] == uid]
    before = f"{facts[0][2]}T00:00:00+00:01"  # a minute too early
    problem(service.get(f"entities/{uid}", params={"as_of": before}), 404)
    now = service.get(f"entities/{uid}").json()
    assert (now["display_name"], now["is_current"]) == (facts[-1][3], True)
    assert {d["detail_type"]: d["detail_value"] for d in now["entity_details"]} == facts[-1][4]


def test_loading_again_appends_nothing(start: Start) -> None:
    service = start()
    head = service.head()
    again = command(service.folder, service.conninfo, "fixtures")
    assert (again.returncode, again.stdout.strip()) == (0, "0 events appended.")
    assert service.head() == head
    assert service.get("entities").json()["count"] == 11


def test_it_is_refused_in_production_and_reads_need_a_token_there(start: Start) -> None:
    service = start(COCKPIT_ENVIRONMENT="production")
    assert service.head() == 0
    problem(service.get("entities"), 401)
    refused = command(service.folder, service.conninfo, "fixtures", COCKPIT_ENVIRONMENT="production")
    assert (refused.returncode, service.head()) == (1, 0)
    assert "production" in refused.stderr
    login = service.ask("POST", "auth/token", json={"username": "user_1", "password": "1234"})
    problem(login, 400, field="non_field_errors")


def test_it_is_refused_beside_users_of_ones_own_wherever_the_command_runs(start: Start) -> None:
    service = start(COCKPIT_ENVIRONMENT="production")
    boss = ("user", "create", "boss", "--admin", "--password-stdin")
    assert command(service.folder, service.conninfo, *boss, typed="a long password\n").returncode == 0
    refused = command(service.folder, service.conninfo, "fixtures")
    assert (refused.returncode, service.head()) == (1, 0)
    assert "users of its own" in refused.stderr
    problem(service.ask("POST", "auth/token", json={"username": "user_2", "password": "1234"}), 400)
