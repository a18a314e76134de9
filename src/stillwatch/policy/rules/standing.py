"""How far an account's declared owner protects it: as far as somebody has verified it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from stillwatch.policy.rules.ceilings import NOTICE
from stillwatch.policy.rules.known import KnownAccount

__all__ = ["Standing", "is_declared", "standing_of"]

_BY_CONTRACT = frozenset({"contract", "kyc"})
_TRUSTED_PLANS = frozenset({"enterprise", "partner"})


class Standing(StrEnum):
    """What the log knows of an account's owner."""

    UNKNOWN = "unknown"
    """The accounts table has no row of it: it may be anybody's."""
    ALONE = "alone"
    """It names no owner, or one that nobody verified: opening a "team" changes nothing."""
    PARTLY = "partly"
    """Its owner is verified in part: too recently, or several pay for it."""
    DECLARED = "declared"
    """Verified, for 30 days at the campaign's first exchange, and paid by one."""


def is_declared(account: KnownAccount | None, first_seen: datetime, *, by_plan: bool) -> bool:
    """Whether the account's owner counts as declared, as the exchange log defines it.

    Args:
        first_seen: The campaign's first exchange.
        by_plan: The log has no verification of organisations.
    """
    if account is None or account.owner is None:
        return False
    if by_plan:
        return account.plan in _TRUSTED_PLANS
    is_verified = account.verified in _BY_CONTRACT or (
        account.verified == "domain" and account.owner.is_whole_on_one_domain
    )
    return is_verified and account.since is not None and account.since <= first_seen - NOTICE


def standing_of(account: KnownAccount | None, first_seen: datetime, *, by_plan: bool) -> Standing:
    """How far its owner protects the account."""
    if account is None:
        return Standing.UNKNOWN
    if account.owner is None:
        return Standing.ALONE
    if is_declared(account, first_seen, by_plan=by_plan):
        return Standing.DECLARED if _has_one_payer(account) else Standing.PARTLY
    # A contract or an identity check is an act of the provider's own people, however recent.
    return Standing.PARTLY if account.verified in _BY_CONTRACT else Standing.ALONE


def _has_one_payer(account: KnownAccount) -> bool:
    """Whether the owner that vouches for the account also pays for it.

    A contract covers whoever is paid for with its main card, or by invoice; a domain costs ten
    euros, so that there one card must pay for all.
    """
    assert account.owner is not None
    if account.owner.payers <= 1:
        return True
    is_theirs = account.payer is None or account.payer == account.owner.main_payer
    return account.verified != "domain" and is_theirs
