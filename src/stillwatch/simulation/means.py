"""What an account is opened with: cards, mail addresses, telephones and devices of the honest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stillwatch.simulation.frame import token
from stillwatch.simulation.internet import COUNTRIES, Country

__all__ = ["VIRTUAL_CARD_BIN", "Means", "draw_country", "draw_means", "pick"]

# One issuer of virtual cards, used by thousands of unrelated customers.
VIRTUAL_CARD_BIN = "990017"

_MAIL = {
    "postbox.example": 0.52,
    "mailfold.example": 0.2,
    "heron-mail.example": 0.12,
    "letterly.example": 0.08,
    "quietmail.example": 0.05,
    "inbox-minute.example": 0.015,
    "tempdrop.example": 0.01,
    "burnermail.example": 0.005,
}
DISPOSABLE_MAIL = ("inbox-minute.example", "tempdrop.example", "burnermail.example")
_OWN_DOMAIN = 0.06
_VIRTUAL_CARD = 0.03
_ISSUERS_IN_A_COUNTRY = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What one customer shows at sign-up, in the clear forms that only the world knows."""

    email: str
    email_domain: str
    payment: str
    payment_bin: str
    phone: str | None
    device: str | None


def pick(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """One key, in proportion to its weight."""
    names = list(weights)
    shares = np.fromiter(weights.values(), float)
    return names[int(rng.choice(len(names), p=shares / shares.sum()))]


def draw_country(rng: np.random.Generator) -> Country:
    """A country, in proportion to its customers."""
    shares = np.array([country.share for country in COUNTRIES])
    return COUNTRIES[int(rng.choice(len(COUNTRIES), p=shares / shares.sum()))]


def draw_means(rng: np.random.Generator, country: Country, *, domain: str | None = None) -> Means:
    """An unrelated customer's own card, address, telephone and device."""
    number = int(rng.integers(1 << 62))
    if domain is None:
        domain = f"own-{number % 10**9}.example" if rng.random() < _OWN_DOMAIN else pick(rng, _MAIL)
    issuer = min(int(rng.geometric(0.35)), _ISSUERS_IN_A_COUNTRY)
    place = [c.code for c in COUNTRIES].index(country.code)
    bin_number = f"99{place + 1:02d}{issuer:02d}"
    if rng.random() < _VIRTUAL_CARD:
        bin_number = VIRTUAL_CARD_BIN
    return Means(
        email=token("email", number),
        email_domain=domain,
        payment=token("pay", number),
        payment_bin=bin_number,
        phone=token("phone", number) if rng.random() < 0.45 else None,
        device=token("device", number) if rng.random() < 0.7 else None,
    )
