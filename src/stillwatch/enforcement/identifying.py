"""Who is asking: from a request to the tokens under which a snapshot may know it.

The secret is hashed at once; what is remembered, and what is looked up, are hashes and tokens.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from typing import Any, NamedTuple

from stillwatch.enforcement.asking import Asked
from stillwatch.identity import GatewayKeys, Kind
from stillwatch.identity.normalise import address_of, credential_digest_of
from stillwatch.identity.shapes import shape_words
from stillwatch.records import InputError

__all__ = [
    "OWN_HEADERS",
    "Identifier",
    "Identity",
    "IdentitySettings",
    "Place",
    "Where",
    "client_address",
    "headers_to_remove",
]

OWN_HEADERS = frozenset(
    {
        "x-refusal-reference",
        "x-stillwatch-account",
        "x-stillwatch-group",
        "x-stillwatch-reference",
        "x-stillwatch-step",
        "x-stillwatch-tag",
    }
)
"""Names under which we speak to those behind a gateway; from a client they are a lie."""

# Enough for the customers of a busy minute; two generations of it take some 15 MB.
_MOST_REMEMBERED = 2**15
# A longer header is no key, and hashing it would cost what its sender likes.
_LONGEST_SECRET = 16_384


class Where(StrEnum):
    """Where in a request something stands."""

    HEADER = "header"
    METADATA = "metadata"
    """What the gateway itself found out, `Asked.metadata`, by a dotted path."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name stands, and whether it is the name or the SHA-256 of it."""

    where: Where
    name: str
    is_sha256: bool = False

    @classmethod
    def parsed(cls, text: str) -> Place:
        """`x-api-key`, `header:x-api-key`, `metadata:jwt.sub`, `metadata-sha256:auth.key_hash`.

        Raises:
            InputError: It is none of these.
        """
        start, colon, name = text.rpartition(":")
        where, dash, digest = start.partition("-")
        known = where in {*Where} and (not dash or digest == "sha256")
        if not name.strip() or (colon and not known):
            raise InputError(
                "this is no place in a request.",
                where=text,
                remedy="Give the name of a header, header:NAME or metadata:PATH; with -sha256 before"
                " the colon where a hash of the key stands there.",
            )
        is_header = not colon or where == Where.HEADER
        name = name.strip().lower() if is_header else name.strip()
        return cls(Where.HEADER if is_header else Where.METADATA, name, bool(dash))


# In the order in which the importers of logs look for the key of a request.
_CREDENTIALS = tuple(map(Place.parsed, ("authorization", "x-api-key", "api-key")))


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySettings:
    """How a deployment says who is asking.

    Attributes:
        credentials: Where keys stand, the first of them first. All that are there are looked up:
            a client that sends a second, false key beside its own is known by its own.
        account, conversation: Where the gateway says who is billed, and which conversation it is,
            if it does not name them itself.
        source_id: Of the log of this gateway, where it is imported with one: accounts are then
            `source:account`.
        trusted_hops: How many proxies of ours a request passes before it reaches who asks us. A
            header that names an account is believed only where there is one, which overwrites it.
        trusted_peers: Networks of those proxies; a request from elsewhere came past them, and its
            identity headers are not believed. Empty: every peer is one.

    Raises:
        InputError: A header is to name accounts or conversations, and no proxy of ours writes it.
    """

    credentials: tuple[Place, ...] = _CREDENTIALS
    account: tuple[Place, ...] = ()
    conversation: tuple[Place, ...] = ()
    source_id: str | None = None
    trusted_hops: int = 0
    trusted_peers: tuple[IPv4Network | IPv6Network, ...] = ()

    def __post_init__(self) -> None:
        if self.trusted_hops < 1 and any(p.where is Where.HEADER for p in self.account):
            raise InputError(
                "any client could write the header that is to name the account.",
                where="the identity settings",
                remedy="Let a proxy of yours overwrite it, and say how many there are as trusted "
                "hops (1 or more).",
            )


class Identity(NamedTuple):
    """The tokens of a request, as bytes."""

    credentials: Sequence[bytes] = ()
    account: bytes | None = None
    conversation: bytes | None = None
    shape: bytes | None = None


def headers_to_remove(settings: IdentitySettings) -> frozenset[str]:
    """Lower-case names that an adapter removes from what comes from outside.

    Those under which we speak ourselves, and those that are to name accounts where no proxy of
    ours has overwritten them.
    """
    configured = {p.name for p in settings.account if p.where is Where.HEADER}
    return OWN_HEADERS | (frozenset() if settings.trusted_hops else configured)


def client_address(asked: Asked, settings: IdentitySettings) -> str | None:
    """The client's address: as many hops before the peer as there are proxies of ours.

    What stands further left in `x-forwarded-for` is the client's own word. None where there are
    fewer hops than that, or what stands there is no address.
    """
    said = asked.headers.get("x-forwarded-for", "")
    hops = [part.strip() for part in said.split(",") if part.strip()]
    if asked.peer_address is not None:
        hops.append(asked.peer_address)
    if len(hops) <= settings.trusted_hops:
        return None
    found = address_of(hops[-1 - settings.trusted_hops])
    return str(found) if found is not None else None


@dataclass(slots=True)
class Identifier:
    """Makes the tokens of requests, and remembers those of keys and accounts that came lately."""

    keys: GatewayKeys
    settings: IdentitySettings = field(default_factory=IdentitySettings)
    _credentials: _Memory = field(init=False)
    _accounts: _Memory = field(init=False)
    _places: tuple[tuple[str, bool, Place], ...] = field(init=False)
    _looks_further: bool = field(init=False)
    _needs_more: bool = field(init=False)
    _beside: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._credentials = _Memory(self.keys, Kind.CREDENTIAL)
        self._accounts = _Memory(self.keys, Kind.ACCOUNT)
        # The name of a header, or "" for a path.
        self._places = tuple(
            (place.name if place.where is Where.HEADER else "", not place.is_sha256, place)
            for place in self.settings.credentials
        )
        self._looks_further = bool(self.settings.account or self.settings.conversation)
        names = [name if is_plain else "" for name, is_plain, _ in self._places]
        self._needs_more = self._looks_further or "" in names or "authorization" not in names
        self._beside = tuple(name for name in names if name != "authorization")

    def only_credential(self, asked: Asked) -> bytes | None:
        """The token of a request that bears a bearer key and nothing else to know it by.

        Most requests are so, and are answered in half the time. None for all others, of which
        `identity_of` tells everything.
        """
        if (
            self._needs_more
            or asked.account_id is not None
            or asked.conversation_id is not None
            or asked.system_text is not None
            or asked.credential_sha256 is not None
        ):
            return None
        headers = asked.headers
        said = headers.get("authorization")
        if said is None or said[:7] != "Bearer " or len(said) > _LONGEST_SECRET:
            return None
        for name in self._beside:
            if name in headers:
                return None
        secret = said[7:].strip()
        if not secret:
            return None
        digest = sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
        return self._credentials.young.get(digest) or self._credentials.token_of(digest)

    def identity_of(self, asked: Asked) -> Identity:
        """The tokens of one request; empty where it says nothing."""
        credentials = [self._credentials.token_of(digest) for digest in self._digests(asked)]
        if not (
            self._looks_further or asked.account_id or asked.conversation_id or asked.system_text
        ):
            return Identity(credentials)  # as most requests are
        said = asked.conversation_id or self._said(asked, self.settings.conversation)
        words = asked.system_text and shape_words(asked.model, asked.system_text, asked.tool_names)
        return Identity(
            credentials,
            self._account(asked),
            self.keys.digest(Kind.CONVERSATION, said) if said else None,
            self.keys.digest(Kind.SHAPE, words) if words else None,
        )

    def _digests(self, asked: Asked) -> list[str]:
        """The SHA-256 of each key that a request bears, in hexadecimal."""
        found = []
        if asked.credential_sha256 is not None:
            found += _as_digest(asked.credential_sha256)
        get = asked.headers.get
        for name, is_plain, place in self._places:
            said = get(name) if name else _at_path(asked.metadata, place.name)
            if said is None or len(said) > _LONGEST_SECRET:
                continue
            if not is_plain:
                found += _as_digest(said)
                continue
            secret = _secret_in(said) if name == "authorization" else said.strip()
            if secret:
                found.append(sha256(secret.encode("utf-8", "surrogatepass")).hexdigest())
        return found

    def _account(self, asked: Asked) -> bytes | None:
        account = asked.account_id or self._said(asked, self.settings.account)
        if not account:
            return None
        source = self.settings.source_id
        if source and not account.startswith(f"{source}:"):
            account = f"{source}:{account}"
        return self._accounts.token_of(account)

    def _said(self, asked: Asked, places: tuple[Place, ...]) -> str | None:
        for place in places:
            if place.where is Where.METADATA:
                said = _at_path(asked.metadata, place.name)
            elif self.believes_headers_of(asked):
                said = asked.headers.get(place.name)
            else:
                said = None
            if said:
                return said.strip()
        return None

    def believes_headers_of(self, asked: Asked) -> bool:
        """Whether identity headers of this request were written by a proxy of ours."""
        if not self.settings.trusted_hops:
            return False
        if not self.settings.trusted_peers:
            return True
        peer = address_of(asked.peer_address or "")
        return peer is not None and any(peer in n for n in self.settings.trusted_peers)


class _Memory:
    """Tokens of what came lately, by hash or id: two generations, so that no request pays for all.

    Ids of accounts are what the gateway's own log holds; keys are here as hashes alone.
    """

    def __init__(self, keys: GatewayKeys, kind: Kind) -> None:
        self._make = keys.maker(kind)
        self.young: dict[str, bytes] = {}
        self._old: dict[str, bytes] = {}

    def token_of(self, text: str) -> bytes:
        """The bytes of the token of a text."""
        token = self.young.get(text)
        if token is None:
            token = self._old.get(text) or self._make(text)
            if len(self.young) >= _MOST_REMEMBERED:
                self._old, self.young = self.young, {}
            self.young[text] = token
        return token


def _as_digest(said: str) -> list[str]:
    digest = credential_digest_of(secret=None, sha256=said)
    return [digest] if digest else []


def _secret_in(authorization: str) -> str | None:
    """The key in an `Authorization` header; None for schemes that bear none."""
    scheme, _, value = authorization.strip().partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer":
            return value or None
        case "basic":
            return _secret_in_basic(value)
    return None


def _secret_in_basic(value: str) -> str | None:
    """The password; where there is none, the name, under which some clients send their key."""
    try:
        said = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    name, _, password = said.partition(":")
    return password or name or None


def _at_path(metadata: Mapping[str, Any], path: str) -> str | None:
    """The text at a dotted path; names may have dots of their own, the longest goes first."""
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        value = metadata.get(".".join(parts[:length]))
        if length == len(parts):
            if isinstance(value, str | int) and not isinstance(value, bool):
                return str(value)
        elif isinstance(value, Mapping):
            found = _at_path(value, ".".join(parts[length:]))
            if found is not None:
                return found
    return None
