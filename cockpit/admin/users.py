"""Users: who may log in, as what; added, given another password, switched off and on."""

from __future__ import annotations

from fastapi import Request, Response
from pydantic import Field

from cockpit.admin.notices import moved
from cockpit.admin.pages import Filled, part_of, refused, render
from cockpit.admin.session import Form, session_of
from db.accounts import Accounts
from read_side.api.values import PageNumber
from read_side.questions import Slice
from shared.core.errors import AlreadyRegistered, Invalid, invalid
from shared.http.requests import Query, Text, read_query

HERE = "/admin/users"
FIELDS = ("username", "password")
A_PAGE = 50


class UsersQuery(Query):
    """Which page of the users."""

    page: PageNumber = 1


class UserQuery(Query):
    """Which user."""

    username: Text = Field(min_length=1)


async def browse(request: Request) -> Response:
    """Show the users, and a form to add one."""
    return await _browse(request, read_query(request, UsersQuery).page)


async def add(request: Request, form: Form) -> Response:
    """Add a user."""
    name, is_admin = form.get("username", "").strip(), form.get("is_admin") == "true"
    try:
        await _accounts(request).create_user(name, form.get("password", ""), is_admin=is_admin)
    except (Invalid, AlreadyRegistered) as error:
        return await _browse(request, 1, refused(request, error, form, FIELDS))
    return moved(request, HERE, f"The {'administrator' if is_admin else 'user'} {name} was added.")


async def one(request: Request) -> Response:
    """Show a user, to be changed."""
    return await _one(request, read_query(request, UserQuery).username)


async def change(request: Request, form: Form) -> Response:
    """Set what the form has: a password, whether the user is active, whether an administrator."""
    name = form.get("username", "").strip()
    rights = {right: form[right] == "true" for right in ("is_admin", "is_active") if right in form}
    try:
        if name == session_of(request).principal.username and not all(rights.values()):
            raise invalid(
                "non_field_errors",
                "Nobody takes the page away from themselves: ask another administrator.",
                "own_rights",
            )
        if "password" in form:
            await _accounts(request).set_password(name, form["password"])
        if rights:
            await _accounts(request).change_user(name, **rights)
    except Invalid as error:
        return await _one(request, name, refused(request, error, form, FIELDS))
    return moved(request, HERE, f"The user {name} was changed.")


async def _browse(request: Request, page: int, form: Filled | None = None) -> Response:
    part = Slice(page=page, size=A_PAGE)
    users = await _accounts(request).list_users()
    shown = users[(page - 1) * A_PAGE : page * A_PAGE]
    return render(request, "users.html", form, found=part_of(request, shown, len(users), part))


async def _one(request: Request, username: str, form: Filled | None = None) -> Response:
    return render(request, "user.html", form, user=await _accounts(request).user(username))


def _accounts(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts
