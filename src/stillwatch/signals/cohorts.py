"""Identity cohorts: what the members were opened with, beyond what their country and plan explain.

Issuer prefix of the card, network at sign-up, mail domain, moment of sign-up, verification.
Rarity is that of this log, within country and plan. Card: `docs/signals/cohorts.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.signals.account_attributes import AccountAttributes
from stillwatch.signals.repeats import UNKNOWN, MostShared, Population, population, together
from stillwatch.signals.tell import Scene, Tell

__all__ = ["FAMILIES", "NAME", "measure", "two_causes"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

NAME = "cohorts"
DAY = 86_400_000_000
BURST = DAY // 8  # three hours: a session in one hall
SHOWN = float(np.log(1000.0))  # e-value from which a family is a member's reason

FAMILIES: dict[str, str] = {
    "payment": "an issuer of cards",
    "network": "the network it signed up from",
    "mail": "a mail domain",
    "burst": "the time of sign-up",
    "verification": "the way it was verified",
    "compound": "a combination of issuer, network and mail domain",
}
"""Each with its words. Attributes of one family depend on each other and count once: the mean of
their e-values, which is one under any dependence (Vovk and Wang 2021)."""

PAIRS = (("payment", "network"), ("payment", "mail"))
"""Families that no one honest cause explains together. An institution explains network, mail,
verification and burst at once; an event network and burst; a bank's customers the issuer."""


@dataclass(frozen=True, slots=True)
class _Attribute:
    family: str
    population: Population


def measure(scene: Scene) -> Tell:
    """What each group's members have in common at sign-up.

    Null: strangers may have come together through one honest cause, which may explain the issuer
    of their cards, or their networks and mail domains, but not both; what it does not explain is
    exchangeable with the accounts of the same country and plan outside the group. The e-value is
    the mean over `PAIRS` of the lesser of the two families' e-values: a union null.
    """
    attributes = _attributes(scene.attributes)
    families = list(FAMILIES)
    accounts = [group.accounts for group in scene.groups]
    log_e = np.array([[_family(attributes, f, a) for f in families] for a in accounts])
    largest = np.array(
        [[_family(attributes, f, a, largest=True) for f in families] for a in accounts]
    )
    shape = (len(accounts), len(families))
    log_e, largest = log_e.reshape(shape), largest.reshape(shape)
    observed, usual, members, rows = [], [], [], []
    for number, group in enumerate(scene.groups):
        shown = [f for f, value in zip(families, log_e[number], strict=True) if value >= SHOWN]
        parts = [_most_shared(attributes, family, group.accounts) for family in shown]
        observed.append(
            "; ".join(
                f"{len(part.holders)} of {part.known} accounts of the group share {FAMILIES[family]}"
                for family, part in zip(shown, parts, strict=True)
            )
        )
        usual.append(
            "; ".join(
                f"{part.elsewhere:.1%} of the accounts of their countries and plans do"
                for part in parts
            )
        )
        holders = [part.holders for part in parts]
        members.append(np.unique(np.concatenate(holders)) if holders else np.zeros(0, np.int64))
        rows.append(scene.first_rows(group, members[-1]))
    return Tell(
        signal=NAME,
        log_e=two_causes(families, log_e),
        largest=two_causes(families, largest),
        text="It shares with others of its group one or more things that it was opened with.",
        observed=observed,
        usual=usual,
        members=members,
        rows=rows,
    )


def two_causes(families: Sequence[str], log_e: FloatArray) -> FloatArray:
    """Log of the mean over `PAIRS` of the lesser e-value; `log_e` has a row a group.

    The lesser of two numbers is an e-value as soon as one of them is, so the mean is one as long
    as each pair has a family that the honest cause does not explain.
    """
    at = {family: number for number, family in enumerate(families)}
    least = [np.minimum(log_e[:, at[one]], log_e[:, at[other]]) for one, other in PAIRS]
    return np.asarray(np.logaddexp.reduce(np.stack(least), axis=0) - np.log(len(PAIRS)))


def _attributes(known: AccountAttributes) -> list[_Attribute]:
    """Every attribute, counted within country and plan; unknown where the country is.

    Without it, customers of one small country would look like a cohort of its bank and carrier.
    """
    strata = known.strata
    created = np.where(known.created > 0, known.created, UNKNOWN)
    payment, network, mail = known.payment_bin, known.signup_asn, known.email_domain
    columns = {
        "payment": [payment],
        "network": [network, known.signup_network],
        "mail": [mail],
        "burst": [np.where(created > 0, created // size, UNKNOWN) for size in (DAY, BURST)],
        "verification": [known.verification],
        "compound": [
            together(payment, network),
            together(payment, mail),
            together(network, mail),
        ],
    }
    return [
        _Attribute(family, population(np.where(known.country < 0, UNKNOWN, values), strata))
        for family, several in columns.items()
        for values in several
    ]


def _family(
    attributes: list[_Attribute], family: str, accounts: IntArray, *, largest: bool = False
) -> float:
    """Log of the mean of the e-values of one family's attributes."""
    logs = [
        a.population.largest(accounts) if largest else a.population.log_e(accounts)
        for a in attributes
        if a.family == family
    ]
    return float(np.logaddexp.reduce(logs) - np.log(len(logs)))


def _most_shared(attributes: list[_Attribute], family: str, accounts: IntArray) -> MostShared:
    """Of the family's attributes, the one that says most."""
    own = [a.population for a in attributes if a.family == family]
    return max(own, key=lambda one: one.log_e(accounts)).most_shared(accounts)
