"""One form for each identifier, so that the same card, phone or address gives the same token."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

__all__ = [
    "Email",
    "address_of",
    "credential_digest_of",
    "email_of",
    "issuer_prefix_of",
    "message_of",
    "network_of",
    "network_written_as",
    "payment_of",
    "phone_of",
]

# A provider hands a /24 or a /48 to one customer more often than a longer prefix can tell.
_IPV4_PREFIX = 24
_IPV6_PREFIX = 48
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_WITH_PORT = re.compile(r"(?:\[(?P<six>[^\]]+)\](?::\d+)?|(?P<four>\d+\.\d+\.\d+\.\d+):\d+)\Z")


@dataclass(frozen=True, slots=True)
class Email:
    """A normalised address.

    Attributes:
        address: Lower case, its tag included.
        base: The same without the tag (`ann+7@x.org` is `ann@x.org`): one mailbox.
        domain: In its ASCII form.
    """

    address: str
    base: str
    domain: str


def email_of(raw: str) -> Email | None:
    """The normalised e-mail address, or None when this is not one."""
    text = unicodedata.normalize("NFKC", raw).strip().lower()
    local, at, domain = text.rpartition("@")
    domain = _ascii_domain(domain)
    if not at or not local or not domain:
        return None
    untagged = local.partition("+")[0] or local
    return Email(f"{local}@{domain}", f"{untagged}@{domain}", domain)


def _ascii_domain(domain: str) -> str:
    domain = domain.strip().rstrip(".")
    if domain.isascii():
        return domain
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def phone_of(raw: str, *, country: str | None = None) -> str | None:
    """The number as E.164, or None when there is none in it.

    Args:
        raw: As written by the customer.
        country: ISO code that says how to read a number without its country code. Without it
            such a number keeps its digits only, and agrees with itself but not with its E.164.
    """
    import phonenumbers  # its metadata takes long to load, and few sources hold phones

    try:
        number = phonenumbers.parse(raw, country.upper() if country else None)
    except phonenumbers.NumberParseException:
        digits = "".join(c for c in unicodedata.normalize("NFKC", raw) if c.isdigit())
        return f"local:{digits}" if digits else None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def address_of(raw: str) -> IPv4Address | IPv6Address | None:
    """The network address, or None when this is not one.

    IPv4 carried in IPv6 becomes IPv4; a port, brackets and a zone are taken away.
    """
    text = raw.strip()
    if found := _WITH_PORT.match(text):
        text = found["six"] or found["four"]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def network_of(address: IPv4Address | IPv6Address) -> IPv4Network | IPv6Network:
    """The /24 or /48 the address lies in."""
    prefix = _IPV4_PREFIX if address.version == 4 else _IPV6_PREFIX
    return ipaddress.ip_network((address, prefix), strict=False)


def network_written_as(raw: str) -> IPv4Network | IPv6Network | None:
    """The /24 or /48 that a source wrote in clear, as a network or as an address in it."""
    address = address_of(raw.partition("/")[0])
    return network_of(address) if address is not None else None


def credential_digest_of(*, secret: str | None, sha256: str | None) -> str | None:
    """The lower-case hex SHA-256 of the secret: all that some gateways log of a key."""
    if secret:
        return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    if not sha256:
        return None
    lower = sha256.strip().lower()
    return lower if _SHA256.match(lower) else sha256.strip()


def payment_of(raw: str) -> str | None:
    """A card number without its spaces and dashes; any other fingerprint as it is."""
    text = raw.strip()
    digits = re.sub(r"[ -]", "", text)
    return (digits if _is_card_number(digits) else text) or None


def issuer_prefix_of(raw: str) -> str | None:
    """The first six digits of a card number, which name its issuer; None for anything else."""
    digits = re.sub(r"[ -]", "", raw.strip())
    return digits[:6] if _is_card_number(digits) else None


def _is_card_number(digits: str) -> bool:
    return digits.isascii() and digits.isdigit() and 12 <= len(digits) <= 19


def message_of(text: str) -> str:
    """A message as it is recognised when a client sends it again: composed, no outer space."""
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()
