"""The sample data: the original's entities with their true history, its types and users. Again it adds nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from msgspec import UNSET, Struct

from shared.core.errors import AlreadyRegistered, CockpitError
from shared.core.events import Kind, Metadata
from write_side.entity import Register, Revise
from write_side.handler import Handler, Request
from write_side.registry import RegisterType

if TYPE_CHECKING:
    from db.accounts import Accounts

ACTOR = "fixtures"
TYPES = {
    Kind.ENTITY: {"PERSON": "Person", "INSTITUTION": "Institution"},
    Kind.DETAIL: {"EMAIL": "Email", "PHONE": "Phone", "ADDRESS": "Address", "WEBSITE": "Website"},
}
USERS = {"user_1": False, "user_2": True}
PASSWORD = "1234"  # noqa: S105  # the original's, of a sample user
NAME = "NAME"
"""Stands for the display name among the values of a date."""

History = Mapping[str, Mapping[str, str]]


class Sample(Struct, frozen=True):
    """One entity: by date (midnight UTC), oldest first, what became true."""

    uid: str
    entity_type: str
    history: History


SAMPLES: Sequence[Sample] = (
    Sample(
        "4f8c10a3-029a-4cec-b324-2faaac7f8c45",
        "PERSON",
        {"2024-01-01": {NAME: "John Doe", "EMAIL": "john.doe@example.com", "PHONE": "+1-202-555-0101"}},
    ),
    Sample(
        "31ce3036-ee2d-4b1e-9cf8-b524a901c086",
        "INSTITUTION",
        {
            "2023-06-01": {
                NAME: "Acme Corp",
                "ADDRESS": "100 Market St, San Francisco, CA",
                "WEBSITE": "https://acme.example.com",
            }
        },
    ),
    Sample(
        "a7aaa17b-d87a-428c-bfcf-4949ed564bbb",
        "PERSON",
        {
            "2022-01-01": {NAME: "Jane Smith", "EMAIL": "jane.smith@oldmail.com"},
            "2023-12-01": {"EMAIL": "jane.smith@midmail.com"},
            "2024-05-15": {
                NAME: "Jane Smith-Updated",
                "EMAIL": "jane.smith@example.com",
                "PHONE": "+1-415-555-0202",
            },
        },
    ),
    Sample(
        "e3146cf3-36b8-47b5-bd32-1e23b53745f8",
        "INSTITUTION",
        {
            "2020-03-01": {NAME: "Globex LLC", "ADDRESS": "1 First Ave, Metropolis"},
            "2021-06-01": {"ADDRESS": "2 Second Ave, Metropolis"},
            "2022-09-01": {NAME: "Globex International", "ADDRESS": "10 New Blvd, Gotham"},
            "2023-05-01": {"ADDRESS": "20 Corporate Way, Gotham"},
            "2024-11-20": {NAME: "Globex Holdings", "ADDRESS": "100 Headquarters Rd, Gotham"},
        },
    ),
    Sample(
        "6448ebbc-7537-4f6e-89df-c809a6b2ed8e",
        "PERSON",
        {
            "2021-07-10": {NAME: "Alice Johnson", "PHONE": "+1-202-555-0303"},
            "2022-09-01": {"PHONE": "+1-202-555-0404"},
            "2023-12-31": {NAME: "Alice Johnson (Married)", "PHONE": "+1-202-555-0505"},
        },
    ),
    Sample(
        "cc707541-65a9-4790-88e9-820e87896bba",
        "INSTITUTION",
        {
            "2022-02-02": {
                NAME: "Wayne Enterprises",
                "WEBSITE": "https://wayneenterprises.example",
                "ADDRESS": "500 Wayne Tower, Gotham",
            }
        },
    ),
    Sample(
        "db7d1aec-afe3-46b2-b03c-dd22b43a8a49",
        "PERSON",
        {
            "2020-10-10": {NAME: "Bruce Wayne", "EMAIL": "bruce@oldwayne.com", "PHONE": "+1-212-555-0606"},
            "2023-06-01": {"PHONE": "+1-212-555-0707"},
            "2024-01-01": {"EMAIL": "bruce@wayne.com"},
        },
    ),
    Sample(
        "1ef84dcd-eb3a-4305-9f49-5765e6a1b86c",
        "INSTITUTION",
        {
            "2019-05-05": {
                NAME: "Stark Industries",
                "WEBSITE": "https://starkindustries.example",
                "ADDRESS": "200 Stark Tower, New York",
            }
        },
    ),
    Sample(
        "61854cda-1267-4e21-a961-59927726afd6",
        "PERSON",
        {"2018-08-08": {NAME: "Tony Stark", "EMAIL": "tony@stark.com", "PHONE": "+1-917-555-0808"}},
    ),
    Sample(
        "3b24bfa1-f132-47d3-85f0-13ba8f498750",
        "INSTITUTION",
        {
            "2021-11-11": {
                NAME: "Daily Planet",
                "ADDRESS": "355 Main St, Metropolis",
                "WEBSITE": "https://dailyplanet.example",
            }
        },
    ),
    Sample(
        "ce454dc0-c7b5-4269-8559-eb6301744179",
        "PERSON",
        {"2022-04-04": {NAME: "Clark Kent", "EMAIL": "clark.kent@dailyplanet.com", "PHONE": "+1-646-555-0909"}},
    ),
)


class NotForSamples(CockpitError):
    """This database has users of its own: sample data, with its well-known passwords, is not for it."""


async def has_own_users(accounts: Accounts) -> bool:
    """Say whether there are users, and none of them is of the sample data, which would let anybody in."""
    users = {user.username for user in await accounts.list_users()}
    return bool(users) and users.isdisjoint(USERS)


async def load_once(handler: Handler, accounts: Accounts) -> int:
    """Load the sample data into a log that is empty, unless it has users of its own; return how many events it made."""
    if await handler.knows_types() or await has_own_users(accounts):
        return 0
    return await load(handler, accounts)


async def load(handler: Handler, accounts: Accounts) -> int:
    """Load types, entities and users; return how many events were appended: what is there already adds none."""
    request = Request(metadata=Metadata(actor=ACTOR, request_id=ACTOR))
    appended = 0
    for kind, types in TYPES.items():
        for code, name in types.items():
            changed = await handler.registry(RegisterType(kind, code, name), request)
            appended += changed.event_id is not None
    for sample in SAMPLES:
        for n, (date, values) in enumerate(sample.history.items()):
            outcome = await handler.entity(UUID(sample.uid), _command(sample, date, values, first=n == 0), request)
            appended += outcome.event_id is not None
    for username, is_admin in USERS.items():
        with suppress(AlreadyRegistered):
            await accounts.create_user(username, PASSWORD, is_admin=is_admin)
    return appended


def _command(sample: Sample, date: str, values: Mapping[str, str], *, first: bool) -> Register | Revise:
    at = datetime.fromisoformat(date).replace(tzinfo=UTC)
    details = {code: value for code, value in values.items() if code != NAME}
    if first:
        return Register(display_name=values[NAME], entity_type=sample.entity_type, details=details, effective_at=at)
    return Revise(display_name=values.get(NAME, UNSET), details=details, effective_at=at)
