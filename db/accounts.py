"""Users, their tokens, and the limit on guessing: what the `auth` schema keeps, behind one class.

Passwords are kept as argon2id and checked off the event loop; tokens are 256 random bits, kept only as their SHA-256,
so that a copy of the database opens nothing. The clock is the database's.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from argon2 import PasswordHasher
from msgspec import Struct
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from db.arrays import bytestrings
from db.asking import ask_one_of
from db.coalescing import Coalescing
from db.login_limiter import LoginLimiter
from db.passwords import Passwords, check_password
from db.pool import Connection, unavailable
from db.queries import statement
from shared.core.errors import AlreadyRegistered, Forbidden, Unknown, invalid
from shared.http.auth import SCOPES, Principal, Scope, token_hash

USERNAME_CHARACTERS = 150
LONGEST_TTL = 100 * 365 * 86400.0


class IssuedToken(Struct, frozen=True):
    """A token that was just made, the one time that it can be shown: when it expires (None: never), what it opens."""

    token: str
    expires_at: datetime | None
    scopes: list[str]

    def __repr__(self) -> str:
        """Tell all but the token: a representation ends up in logs."""
        return f"IssuedToken(expires_at={self.expires_at!r}, scopes={self.scopes!r})"


class TokenRow(Struct, frozen=True):
    """What can be listed of a token; `token_id` names it and opens nothing."""

    token_id: UUID
    username: str
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None


class UserRow(Struct, frozen=True):
    """What can be listed of a user."""

    username: str
    is_admin: bool
    is_active: bool
    created_at: datetime


class Accounts:
    """Who may call, in the `auth` schema; any method raises Unavailable when the database does not answer.

    `look_up` and `list_tokens` work as the reader, all as the writer. `login_failures` is how many failures an
    (account, address) has before it must wait; `hasher` carries the cost of a password.
    """

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        *,
        login_failures: int = 10,
        hasher: PasswordHasher | None = None,
    ) -> None:
        self._pool = pool
        self._passwords = Passwords(hasher or PasswordHasher())
        self._limiter = LoginLimiter(login_failures)
        self._tokens: Coalescing[None, bytes, Principal | None] = Coalescing(self._find_tokens)

    async def create_user(self, username: str, password: str, *, is_admin: bool) -> None:
        """Add an active account. Raises Invalid, or AlreadyRegistered for a username that is taken."""
        name = _username(username)
        hashed = await self._passwords.hash(check_password(password))
        if not await self._run("add_account", username=name, password_hash=hashed, is_admin=is_admin):
            raise AlreadyRegistered("user", name)

    async def set_password(self, username: str, password: str) -> None:
        """Replace a password; tokens stay valid. Raises Invalid, or Unknown for no such user."""
        name = _username(username)
        hashed = await self._passwords.hash(check_password(password))
        if not await self._run("set_password", username=name, password_hash=hashed):
            raise Unknown("user")

    async def change_user(self, username: str, *, is_admin: bool | None = None, is_active: bool | None = None) -> None:
        """Say what a user may, at once and for every token; None leaves it. Raises Invalid, or Unknown."""
        if not await self._run("change_account", username=_username(username), is_admin=is_admin, is_active=is_active):
            raise Unknown("user")

    async def list_users(self) -> list[UserRow]:
        """Return all users by name, those who are not active included."""
        return [UserRow(*row) for row in await self._run("list_accounts", username=None)]

    async def user(self, username: str) -> UserRow:
        """Return one user. Raises Invalid, or Unknown for no such user."""
        rows = await self._run("list_accounts", username=_username(username))
        if not rows:
            raise Unknown("user")
        return UserRow(*rows[0])

    async def log_in(
        self,
        username: str,
        password: str,
        *,
        address: str,
        ttl: float | None = None,
        label: str = "log in",
        needs: Scope = "read",
    ) -> IssuedToken:
        """Return a new token with all that the account may; earlier ones stay valid. `ttl` is in seconds.

        Raises Invalid, the same for an unknown user, a wrong password and an inactive account, TooManyAttempts after
        `login_failures` failures of the account from the address, or five times as many of the address alone, and
        Forbidden where the account has not the scope that the caller `needs`.
        """
        name = username.strip()
        buckets = self._limiter.buckets(name, address)
        async with self._limiter.turn(buckets[0]), self._passwords.turns:
            async with self._connection() as connection:
                await self._limiter.take(connection, buckets)
                await self._limiter.tidy(connection)
                account = await _find(connection, name)
            stored, is_admin, is_active = account or (self._passwords.nobodys, False, False)
            if not await self._passwords.verify(stored, password) or not is_active:
                raise _refused()
            async with self._connection() as connection, connection.transaction():
                await self._limiter.give_back(connection, buckets)
                scopes = allowed_scopes(is_admin=is_admin)
                issued = await _add_token(connection, name, scopes, label, ttl) if needs in scopes else None
                if issued is None and needs in scopes:
                    raise _refused()
            if issued is None:
                raise Forbidden(needs)
        if self._passwords.outdated(stored):
            renewed = await self._passwords.hash(password)
            await self._run("renew_hash", username=name, verified=stored, renewed=renewed)
        return issued

    async def issue_token(
        self, username: str, scopes: Collection[str] | None = None, label: str = "", ttl: float | None = None
    ) -> IssuedToken:
        """Return a new token without asking for a password: for the command line and administrators.

        `scopes` of None are all that the account may; `ttl` is in seconds, None never expires. Raises Invalid for a
        scope that is unknown or beyond the account, Unknown where there is no such active user.
        """
        name, label = _username(username), _label(label)
        async with self._connection() as connection:
            account = await _find(connection, name)
            if account is None:
                raise Unknown("active user")
            allowed = allowed_scopes(is_admin=account[1])
            if scopes is not None and (not scopes or not set(scopes) <= set(allowed)):
                raise invalid("scopes", f"Choose from what {name} may: {', '.join(allowed)}.", "invalid_scope")
            wanted = [scope for scope in allowed if scopes is None or scope in scopes]
            issued = await _add_token(connection, name, wanted, label, ttl)
        if issued is None:
            raise Unknown("active user")
        return issued

    async def look_up(self, token_hash: bytes) -> Principal | None:  # the protocol's name for it
        """Return whose token it is; None for one that is unknown, revoked or expired, or whose user is not active.

        Of the token's scopes only those count that the account has now. Nothing is remembered: the answer is read after
        it was asked for, together with those for who asks at the same moment.
        """
        return await self._tokens(None, token_hash)

    async def revoke(self, token_hash: bytes) -> None:
        """End a token at once; one that is not there is no error."""
        await self._run("delete_token", token_hash=token_hash)

    async def revoke_by_id(self, token_id: UUID) -> None:
        """End a token at once. Raises Unknown."""
        if not await self._run("delete_token_by_id", token_id=token_id):
            raise Unknown("token")

    async def list_tokens(self, username: str | None = None) -> list[TokenRow]:
        """Return the tokens of a user, or of all, expired ones included."""
        name = None if username is None else _username(username)
        async with self._connection() as connection, connection.cursor(row_factory=class_row(TokenRow)) as cursor:
            await cursor.execute(statement("auth/list_tokens"), {"username": name})
            return await cursor.fetchall()

    async def _find_tokens(self, _: None, hashes: Sequence[bytes]) -> list[Principal | None]:
        rows = await ask_one_of(self._pool, "auth/find_token", {"token_hashes": bytestrings(hashes)})
        found = {
            hashed: Principal(username, frozenset(scopes) & frozenset(allowed_scopes(is_admin=is_admin)), hashed)
            for hashed, username, scopes, is_admin in rows
        }
        return [found.get(hashed) for hashed in hashes]

    async def _run(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401  # what SQL takes
        try:
            return await self._ask(name, **parameters)
        except psycopg.OperationalError as error:  # the pool's own errors are among them
            raise unavailable(error) from error

    async def _ask(self, name: str, **parameters: Any) -> list[tuple[Any, ...]]:  # noqa: ANN401  # what SQL takes
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement(f"auth/{name}"), parameters, prepare=True)
            return await cursor.fetchall() if cursor.description else []

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        try:
            async with self._pool.connection() as connection:
                yield connection
        except psycopg.OperationalError as error:  # the pool's own errors are among them
            raise unavailable(error) from error


def allowed_scopes(*, is_admin: bool) -> list[str]:
    """Return what an account may."""
    return [scope for scope in SCOPES if is_admin or scope != "admin"]


async def _find(connection: Connection, name: str) -> tuple[str, bool, bool] | None:
    """Return password hash, is_admin and is_active; a name that no user can have is not looked for."""
    if not _is_username(name):
        return None
    cursor = await connection.execute(statement("auth/find_account"), {"username": name})
    return await cursor.fetchone()


async def _add_token(
    connection: Connection, name: str, scopes: list[str], label: str, ttl: float | None
) -> IssuedToken | None:
    if ttl is not None and not ttl > 0:
        raise invalid("ttl", "A token lives for more than 0 seconds.")
    token = secrets.token_urlsafe(32)
    parameters = {
        "token_hash": token_hash(token),
        "username": name,
        "label": label,
        "scopes": scopes,
        "ttl": ttl if ttl is None else min(ttl, LONGEST_TTL),
    }
    row = await (await connection.execute(statement("auth/add_token"), parameters)).fetchone()
    return None if row is None else IssuedToken(token, row[0], scopes)


def _refused() -> Exception:
    return invalid("non_field_errors", "Unable to log in with provided credentials.", "authorization")


def _is_username(name: str) -> bool:
    return 0 < len(name) <= USERNAME_CHARACTERS and name.isprintable()


def _username(text: str) -> str:
    name = text.strip()
    if not _is_username(name):
        raise invalid("username", f"Not a username: 1 to {USERNAME_CHARACTERS} printable characters.")
    return name


def _label(text: str) -> str:
    if len(text) > USERNAME_CHARACTERS or not text.isprintable():
        raise invalid("label", f"Not a label: at most {USERNAME_CHARACTERS} printable characters.")
    return text
