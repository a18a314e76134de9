"""People: made by an administrator, known by a token, and disabled rather than removed."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import sqlalchemy as sa

from stillwatch.policy.store.audit import AuditKind
from stillwatch.policy.store.principals import NotAllowedError, Principal, PrincipalRole
from stillwatch.policy.store.schema import PEOPLE, TOKENS
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.policy.store.store import Store

__all__ = ["MIN_PASSWORD", "People", "Person"]

MIN_PASSWORD = 12
"""Characters. NIST SP 800-63B asks for 8 at least where there is a second factor, else 15; the
password here opens the console, while commands take a token of 256 random bits."""

# No colon: `system:…` are the parts of stillwatch itself.
_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")
_TOKEN_BYTES = 32
_PREFIX = "swt_"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in the store."""

    name: str
    roles: tuple[str, ...]
    created_at: datetime
    disabled_at: datetime | None
    tokens: int


@dataclass(slots=True)
class People:
    """Who may look, decide and approve."""

    store: Store

    def add(
        self,
        name: str,
        roles: Iterable[PrincipalRole],
        password: str,
        *,
        by: Principal | None,
        now: datetime,
    ) -> str:
        """Somebody new. The first person is made by nobody, and must be an administrator.

        Returns:
            A token for the command line, which nobody can read again.

        Raises:
            InputError: The name is taken or none, or the password too short.
            NotAllowedError: `by` is no administrator.
        """
        wanted = frozenset(roles)
        _check(name, wanted, password)
        digest = _hashed(password)
        with self.store.writing() as connection:
            is_first = (
                connection.execute(sa.select(sa.func.count()).select_from(PEOPLE)).scalar() == 0
            )
            maker = _maker(by, is_first=is_first, roles=wanted)
            taken = connection.execute(
                sa.select(PEOPLE.c.name).where(PEOPLE.c.name == name)
            ).first()
            if taken:
                raise InputError(
                    "there is somebody of this name.", where=name, remedy="Choose another name."
                )
            written = " ".join(sorted(role.value for role in wanted))
            connection.execute(
                sa.insert(PEOPLE).values(
                    name=name, roles=written, password_hash=digest, created_at=now
                )
            )
            told = {"name": name, "roles": written}
            self.store.audit.append(connection, [(AuditKind.USER_ADDED, told)], maker, now=now)
            return self._make_token(connection, name, maker, now)

    def authenticate(self, token: str) -> Principal:
        """Who holds this token.

        Raises:
            NotAllowedError: Nobody, or somebody who was disabled.
        """
        given = sha256(token.strip().encode("utf-8", "surrogateescape")).hexdigest()
        query = (
            sa.select(PEOPLE.c.name, PEOPLE.c.roles)
            .join(TOKENS, TOKENS.c.name == PEOPLE.c.name)
            .where(TOKENS.c.token_sha256 == given)
            .where(TOKENS.c.revoked_at.is_(None), PEOPLE.c.disabled_at.is_(None))
        )
        with self.store.reading() as connection:
            found = connection.execute(query).first()
        if found is None:
            raise NotAllowedError(
                "this token is nobody's.",
                remedy="Ask an administrator: `stillwatch user token NAME` makes a new one.",
            )
        return _principal(found.name, found.roles)

    def with_password(self, name: str, password: str) -> Principal:
        """Who has this name and password; for surfaces that people log in to.

        Raises:
            NotAllowedError: Nobody; it takes as long as if there were somebody.
        """
        query = sa.select(PEOPLE).where(PEOPLE.c.name == name, PEOPLE.c.disabled_at.is_(None))
        with self.store.reading() as connection:
            found = connection.execute(query).first()
        is_right = _verified(
            found.password_hash if found else _hashed(secrets.token_hex(16)), password
        )
        if found is None or not is_right:
            raise NotAllowedError("name and password do not belong together.")
        return _principal(found.name, found.roles)

    def new_token(self, name: str, *, by: Principal, now: datetime) -> str:
        """A new token; the earlier ones of this person end.

        Raises:
            InputError: There is nobody of this name.
            NotAllowedError: It is another's, and `by` is no administrator.
        """
        if by.name != name:
            by.require(PrincipalRole.ADMINISTRATOR)
        with self.store.writing() as connection:
            self._require(connection, name)
            _end_tokens(connection, name, now)
            return self._make_token(connection, name, by, now)

    def disable(self, name: str, *, by: Principal, now: datetime) -> None:
        """Take everything from somebody; what they did stays on record.

        Raises:
            InputError: There is nobody of this name, or they are the last administrator.
            NotAllowedError: `by` is no administrator.
        """
        by.require(PrincipalRole.ADMINISTRATOR)
        with self.store.writing() as connection:
            self._require(connection, name)
            rows = connection.execute(sa.select(PEOPLE).where(PEOPLE.c.disabled_at.is_(None))).all()
            admins = {r.name for r in rows if PrincipalRole.ADMINISTRATOR.value in r.roles.split()}
            if admins == {name}:
                raise InputError(
                    "this is the last administrator.", where=name, remedy="Make another one first."
                )
            connection.execute(
                sa.update(PEOPLE).where(PEOPLE.c.name == name).values(disabled_at=now)
            )
            _end_tokens(connection, name, now)
            self.store.audit.append(
                connection, [(AuditKind.USER_DISABLED, {"name": name})], by, now=now
            )

    def listed(self) -> list[Person]:
        """Everybody, by name."""
        query = (
            sa.select(PEOPLE, sa.func.count(TOKENS.c.token_sha256).label("tokens"))
            .outerjoin(TOKENS, (TOKENS.c.name == PEOPLE.c.name) & TOKENS.c.revoked_at.is_(None))
            .group_by(*PEOPLE.c)
            .order_by(PEOPLE.c.name)
        )
        with self.store.reading() as connection:
            return [
                Person(r.name, tuple(r.roles.split()), r.created_at, r.disabled_at, int(r.tokens))
                for r in connection.execute(query)
            ]

    def _make_token(
        self, connection: sa.Connection, name: str, by: Principal, now: datetime
    ) -> str:
        token = _PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        digest = sha256(token.encode()).hexdigest()
        connection.execute(sa.insert(TOKENS).values(token_sha256=digest, name=name, created_at=now))
        self.store.audit.append(connection, [(AuditKind.TOKEN_MADE, {"name": name})], by, now=now)
        return token

    def _require(self, connection: sa.Connection, name: str) -> None:
        query = sa.select(PEOPLE.c.name).where(
            PEOPLE.c.name == name, PEOPLE.c.disabled_at.is_(None)
        )
        if connection.execute(query).first() is None:
            raise InputError(
                "there is nobody of this name, or they were disabled.",
                where=name[:64],
                remedy="`stillwatch user list` shows everybody.",
            )


def _end_tokens(connection: sa.Connection, name: str, now: datetime) -> None:
    connection.execute(
        sa.update(TOKENS)
        .where(TOKENS.c.name == name, TOKENS.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def _maker(by: Principal | None, *, is_first: bool, roles: frozenset[PrincipalRole]) -> Principal:
    if is_first:
        if PrincipalRole.ADMINISTRATOR not in roles:
            raise InputError(
                "the first person must be an administrator.",
                where="--role",
                remedy="Make an administrator first, who then makes the others.",
            )
        return Principal("system:first-start", frozenset())
    if by is None:
        raise NotAllowedError(
            "only an administrator makes people.",
            remedy="Give an administrator's token with STILLWATCH_TOKEN or --token-file.",
        )
    by.require(PrincipalRole.ADMINISTRATOR)
    return by


def _check(name: str, roles: frozenset[PrincipalRole], password: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(
            "this cannot be a name.",
            where=repr(name[:64]),
            remedy="Take up to 63 of a-z, 0-9, '.', '_', '@' and '-', a letter or digit first.",
        )
    if not roles:
        raise InputError("no role was given.", where=name, remedy="Give one with --role.")
    if len(password) < MIN_PASSWORD:
        raise InputError(
            f"the password is shorter than {MIN_PASSWORD} characters.",
            where=name,
            remedy="Take a longer one: several words are easy to keep.",
        )


def _principal(name: str, roles: str) -> Principal:
    return Principal(name, frozenset(PrincipalRole(role) for role in roles.split()))


def _hashed(password: str) -> str:
    from argon2 import PasswordHasher

    return PasswordHasher().hash(password)


def _verified(digest: str, password: str) -> bool:
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return PasswordHasher().verify(digest, password)
    except (VerificationError, InvalidHashError):
        return False
