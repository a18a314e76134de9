"""Keyed tokens: equal identifiers give equal tokens, and nothing else can be read from them."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from stillwatch.identity.keys import Key
from stillwatch.identity.normalise import message_of, network_of

__all__ = ["TOKEN_BYTES", "AddressTokens", "Kind", "Tokeniser", "is_token"]

# 128 bits: two of a thousand million identifiers collide with probability 1e-21.
TOKEN_BYTES = 16
_TOKEN_HEX = 2 * TOKEN_BYTES
# Enough for the accounts and addresses of a busy day, in a few megabytes a kind.
_MOST_REMEMBERED = 2**15
_LONGEST_REMEMBERED = 128


_FORM = re.compile(rf"[a-z]{{2,9}}_[0-9a-f]{{{_TOKEN_HEX}}}(?:\.[0-9a-f]{{{_TOKEN_HEX}}})?")


def is_token(text: str) -> bool:
    """Whether it has the form of a token of ours; an address has two parts."""
    return _FORM.fullmatch(text) is not None


class Kind(StrEnum):
    """What a token stands for; the value starts the token, so that people see it."""

    CREDENTIAL = "cred"
    NETWORK = "net"
    ADDRESS = "addr"
    EMAIL = "mail"
    EMAIL_DOMAIN = "domain"
    PHONE = "phone"
    PAYMENT = "pay"
    DEVICE = "device"
    END_USER = "user"
    CACHE_KEY = "cache"
    METADATA = "meta"
    REASONING_BLOCK = "block"
    MESSAGE = "msg"
    EXCHANGE = "ex"
    ACCOUNT = "acct"
    """An account where its id may not stand in clear: at gateways and in the audit log."""
    CONVERSATION = "conv"
    SHAPE = "shape"
    """The fixed part of a request: model, system text and tools."""


@dataclass(frozen=True, slots=True)
class AddressTokens:
    """An address and its network. The address starts with its network's token: one prefix."""

    address: str
    network: str


class Tokeniser:
    """Turns normalised identifiers into tokens (HMAC-SHA-256, RFC 2104, cut to 128 bits).

    Under a key that was rotated, what the earlier secrets make of an identifier goes through the
    newest: so a token of before becomes one of now without the identifier.

    Attributes:
        origin: The tokeniser of the first secret alone; this one where the key was never rotated.
    """

    def __init__(self, key: Key) -> None:
        self.fingerprint = key.fingerprint
        self.origin: Tokeniser = Tokeniser(key.links[0]) if key.earlier else self
        self._keys = {kind: [link.derived(kind.value) for link in key.links] for kind in Kind}
        self._memory: dict[Kind, dict[str, str | None]] = {kind: {} for kind in Kind}

    def token(self, kind: Kind, normalised: str) -> str:
        """The token of one normalised value."""
        return f"{kind.value}_{self._digest(kind, normalised)}"

    def remembering(
        self, kind: Kind, convert: Callable[[str], str | None]
    ) -> Callable[[str], str | None]:
        """`convert`, but of short texts that came before, the answer of then.

        A log names the same addresses and keys in batch after batch. What is remembered lasts as
        long as this object, in bounded memory; it is never written.

        Args:
            kind: Whose memory is used: all that is remembered of one kind is of one `convert`.
            convert: Gives equal answers to equal texts.
        """
        memory = self._memory[kind]

        def remembered(text: str) -> str | None:
            try:
                return memory[text]
            except KeyError:
                answer = convert(text)
            if len(memory) >= _MOST_REMEMBERED:
                memory.clear()
            if len(text) <= _LONGEST_REMEMBERED:
                memory[text] = answer
            return answer

        return remembered

    def network(self, network: IPv4Network | IPv6Network) -> str:
        """The token of a /24 or /48."""
        return self.token(Kind.NETWORK, str(network))

    def address(self, address: IPv4Address | IPv6Address) -> AddressTokens:
        """The tokens of an address and of the /24 or /48 it lies in."""
        network = self.network(network_of(address))
        host = self._digest(Kind.ADDRESS, str(address))
        return AddressTokens(f"{network}.{host}", network)

    def message(self, text: str) -> str:
        """The digest by which a message is recognised when it is sent again."""
        return self.token(Kind.MESSAGE, message_of(text))

    def exchange(self, parts: Iterable[str]) -> str:
        """The id of an exchange whose source gives it none."""
        # Lengths go in too: ("ab", "c") and ("a", "bc") are different exchanges.
        return self.token(Kind.EXCHANGE, "".join(f"{len(part)}:{part}" for part in parts))

    def _digest(self, kind: Kind, value: str) -> str:
        for key in self._keys[kind]:
            data = value.encode("utf-8", "surrogatepass")
            value = hmac.digest(key, data, "sha256").hex()[:_TOKEN_HEX]
        return value
