"""How each account takes part: operator, mixed or compromised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stillwatch.records import Role

__all__ = ["MemberTraffic", "role_of", "roles_of"]

DAY = 86_400_000_000
OLD = 30 * DAY
MINIMUM_LIFE = 2  # exchanges of the owner: one may be anybody's
MINIMUM_OTHER = 5  # other exchanges below which nothing can be said of customers behind it
RESELLER_USERS = 3  # end users in the rest of the traffic: more than one person's own cover


@dataclass(frozen=True, slots=True)
class MemberTraffic:
    """One member's exchanges, split into those that serve the campaign and the rest."""

    campaign_id: str
    account_id: str
    exchanges: int
    serving: int
    serving_tokens: int
    first_serving: int
    last_serving: int
    first_other: int | None
    other_end_users: int
    credentials: list[str]
    serving_networks: list[str]
    other_networks: list[str]
    serving_clients: list[str]
    other_clients: list[str]

    @property
    def share(self) -> float:
        return self.serving / self.exchanges if self.exchanges else 0.0


def role_of(member: MemberTraffic, created: int) -> Role:
    """The role that the rest of the account's traffic suggests.

    Compromised: the account had a life of its own before (other exchanges a day earlier, or a sign-up
    a month earlier), from networks that the campaign never used; one stray exchange is no life.
    Mixed: the rest comes from several end users, or through software that the campaign never uses, as
    a reseller's gateway does. Cover that is written for show leaves by the same software. Otherwise
    operator.

    Args:
        created: Sign-up, microseconds since 1970; 0 if unknown.
    """
    other = member.exchanges - member.serving
    if other >= MINIMUM_LIFE and member.first_other is not None:
        lived_before = (
            member.first_other <= member.first_serving - DAY
            or 0 < created <= member.first_serving - OLD
        )
        if lived_before and _apart(member.serving_networks, member.other_networks):
            return Role.COMPROMISED
    served = member.other_end_users >= RESELLER_USERS
    if other >= MINIMUM_OTHER and (served or _apart(member.serving_clients, member.other_clients)):
        return Role.MIXED
    return Role.OPERATOR


def roles_of(members: Sequence[MemberTraffic], created: Sequence[int]) -> list[Role]:
    """The roles of all members of one campaign.

    Where most are compromised, an account whose other traffic shares neither networks nor software
    with the campaign is so, too, however short its life before: its key came whence theirs came.

    Args:
        created: Sign-up of each, as in `role_of`.
    """
    roles = [role_of(member, moment) for member, moment in zip(members, created, strict=True)]
    if 2 * roles.count(Role.COMPROMISED) <= len(roles):
        return roles
    return [
        Role.COMPROMISED if _lives_elsewhere(member) else role
        for member, role in zip(members, roles, strict=True)
    ]


def _lives_elsewhere(member: MemberTraffic) -> bool:
    return (
        member.exchanges - member.serving >= MINIMUM_LIFE
        and _apart(member.serving_networks, member.other_networks)
        and _apart(member.serving_clients, member.other_clients)
    )


def _apart(some: list[str], others: list[str]) -> bool:
    """Both are known, and they have nothing in common."""
    return bool(some) and bool(others) and not set(some) & set(others)
