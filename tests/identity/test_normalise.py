"""One form for each identifier."""

from __future__ import annotations

import hashlib
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.identity.normalise import (
    address_of,
    credential_digest_of,
    email_of,
    issuer_prefix_of,
    network_of,
    network_written_as,
    payment_of,
    phone_of,
)


def test_email_is_lower_case_with_and_without_its_tag() -> None:
    """The tag is kept in the address and gone from the base, so that both can be compared."""
    email = email_of(" Ann.Lee+Trial7@Example.ORG ")

    assert email is not None
    assert (email.address, email.base) == ("ann.lee+trial7@example.org", "ann.lee@example.org")
    assert email.domain == "example.org"


@pytest.mark.parametrize("raw", ["", "ann", "@example.org", "ann@", "ann@ ."])
def test_what_is_no_email_gives_none(raw: str) -> None:
    """Text without a local part or a domain is no address."""
    assert email_of(raw) is None


def test_international_domain_has_one_form() -> None:
    """A domain in its own script and in ASCII is the same domain."""
    assert email_of("a@bücher.example") == email_of("a@xn--bcher-kva.example")


@pytest.mark.parametrize(
    ("raw", "country"),
    [
        ("+44 20 7946 0018", None),
        ("0044 20 7946 0018", "GB"),
        ("020 7946 0018", "gb"),
        ("(020) 7946-0018", "GB"),
    ],
)
def test_phone_is_e164(raw: str, country: str | None) -> None:
    """However a number is written, its E.164 form is the same."""
    assert phone_of(raw, country=country) == "+442079460018"


def test_phone_without_country_agrees_with_itself_only() -> None:
    """A national number whose country nobody knows is not guessed to be an international one."""
    assert phone_of("020 7946 0018") == phone_of("(020) 79460018") == "local:02079460018"
    assert phone_of("call me") is None


@given(st.integers(0, 2**32 - 1))
def test_ipv4_has_one_form_in_any_dress(number: int) -> None:
    """Plain, mapped into IPv6, with a port: the same address."""
    address = IPv4Address(number)

    dresses = [f"{address}", f"::ffff:{address}", f"{address}:443", f"[::FFFF:{address}]:80"]
    assert {address_of(dress) for dress in dresses} == {address}


@given(st.integers(2**64, 2**128 - 1))
def test_ipv6_has_one_form_in_any_dress(number: int) -> None:
    """Short, long, upper case, bracketed, with a zone: the same address."""
    address = IPv6Address(number)

    dresses = [address.exploded.upper(), address.compressed, f"[{address}]:8080", f"{address}%eth0"]
    assert {address_of(dress) for dress in dresses} == {address}


@pytest.mark.parametrize("raw", ["", "10.0.0", "hello", "net_ab.cd", "1.2.3.4.5", "addr:one"])
def test_what_is_no_address_gives_none(raw: str) -> None:
    """Opaque tokens are not taken for addresses."""
    assert address_of(raw) is None


@pytest.mark.parametrize(
    ("raw", "network"),
    [("192.0.2.77", "192.0.2.0/24"), ("2001:db8:1:2::9", "2001:db8:1::/48")],
)
def test_network_is_the_24_or_the_48(raw: str, network: str) -> None:
    """IPv4 is grouped by /24, IPv6 by /48, and a network in clear gives the same."""
    assert network_of(ip_address(raw)) == ip_network(network) == network_written_as(network)


def test_credential_is_the_hash_that_gateways_log() -> None:
    """A secret and its logged SHA-256, in either case, are one credential."""
    digest = hashlib.sha256(b"sk-secret").hexdigest()

    assert credential_digest_of(secret="sk-secret", sha256=None) == digest
    assert credential_digest_of(secret=None, sha256=digest.upper()) == digest
    assert credential_digest_of(secret=None, sha256=None) is None


def test_card_number_has_one_form_and_an_issuer() -> None:
    """Spaces and dashes do not make another card; other fingerprints stay as they are."""
    assert payment_of("4000 0012-3456 7899") == payment_of("4000001234567899")
    assert issuer_prefix_of("4000 0012 3456 7899") == "400000"
    assert (payment_of(" fp_1A-b "), issuer_prefix_of("fp_1A-b")) == ("fp_1A-b", None)


@given(st.text())
def test_no_text_breaks_normalisation(raw: str) -> None:
    """Whatever stands where an identifier should, nothing raises."""
    email_of(raw)
    phone_of(raw)
    phone_of(raw, country=raw)
    address_of(raw)
    network_written_as(raw)
    payment_of(raw)
    issuer_prefix_of(raw)
    credential_digest_of(secret=raw, sha256=raw)
