"""Entity types and detail types: added, renamed, switched off and on, as commands like those of the API."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response
from msgspec import UNSET
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from cockpit.admin.entities import EVERY_TYPE
from cockpit.admin.notices import moved
from cockpit.admin.pages import Filled, refused, render
from cockpit.admin.session import Form, session_of
from read_side.queries import ReadModel
from read_side.questions import Asked
from shared.core.errors import AlreadyRegistered, Invalid, Unknown
from shared.core.events import Kind
from shared.http.requests import Model, field_errors
from shared.http.shapes import TypeOut
from write_side.api.bodies import PatchType, PostType, given
from write_side.api.commands import command_request, writing
from write_side.registry import ChangeType, RegisterType, RegistryCommand

HERE = "/admin/types"
FIELDS = ("code", "name", "description")


async def browse(request: Request) -> Response:
    """Show both registers."""
    return await _browse(request)


async def add(request: Request, form: Form) -> Response:
    """Add a type."""
    kind = _kind(request)
    try:
        body = _body(PostType, form)
        is_new = await _execute(request, RegisterType(kind, body.code, body.name, body.description))
    except (Invalid, AlreadyRegistered) as error:
        return await _browse(request, kind, refused(request, error, form, FIELDS))
    text = f"The {kind} type {body.code} was added." if is_new else f"The {kind} type {body.code} was there already."
    return moved(request, HERE, text)


async def one(request: Request) -> Response:
    """Show a type, to be changed."""
    kind = _kind(request)
    found = await _find(request, kind)
    return render(request, "type.html", Filled(given=_as_typed(found)), kind=kind, type=found)


async def change(request: Request, form: Form) -> Response:
    """Change what the form has of a type."""
    kind, code = _kind(request), request.path_params["code"]
    try:
        body = _body(PatchType, form)
        command = ChangeType(kind, code, *(given(body, name, UNSET) for name in ("name", "description", "is_active")))
        is_new = await _execute(request, command)
    except Invalid as error:
        found = await _find(request, kind)
        filled = refused(request, error, {**_as_typed(found), **form}, FIELDS)
        return render(request, "type.html", filled, kind=kind, type=found)
    return moved(request, HERE, f"The {kind} type {code} {'was changed' if is_new else 'is as it was'}.")


async def _browse(request: Request, failed: Kind | None = None, form: Filled | None = None) -> Response:
    registers = {kind: await _all(request, kind) for kind in Kind}
    return render(request, "types.html", form, registers=registers, failed=failed)


async def _all(request: Request, kind: Kind) -> list[TypeOut]:
    read: ReadModel = request.app.state.read
    asked = Asked(own_position=request.app.state.own_writes.of(request))
    return (await read.types(kind.value, EVERY_TYPE, asked)).items


async def _find(request: Request, kind: Kind) -> TypeOut:
    code = request.path_params["code"]
    for found in await _all(request, kind):
        if found.code == code:
            return found
    raise Unknown(f"{kind} type {code}")


async def _execute(request: Request, command: RegistryCommand) -> bool:
    """Execute a command on the registry; say whether it changed anything."""
    services = writing(request)
    details = command_request(request, session_of(request).principal, command, status=200)
    outcome = await services.handler.registry(command, details)
    services.own_writes.note(request, outcome.position)
    request.state.position = outcome.position
    return outcome.event_id is not None


def _kind(request: Request) -> Kind:
    try:
        return Kind(request.path_params["kind"])
    except ValueError:
        raise HTTPException(404) from None


def _body(model: type[Model], form: Form) -> Model:
    """Return the form as the API's body of the same meaning, line ends as everywhere else. Raises Invalid."""
    values: dict[str, Any] = {
        name: text.replace("\r\n", "\n") for name, text in form.items() if name in model.model_fields
    }
    if "is_active" in values:
        values["is_active"] = values["is_active"] == "true"
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Invalid(field_errors(error)) from None


def _as_typed(found: TypeOut) -> dict[str, str]:
    return {"name": found.name, "description": found.description}
