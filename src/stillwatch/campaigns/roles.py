"""How each account takes part: operator, mixed or compromised."""

from __future__ import annotations

from dataclasses import dataclass

from stillwatch.records import Role

__all__ = ["MemberTraffic", "role_of"]

DAY = 86_400_000_000
OLD = 30 * DAY
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

    @property
    def share(self) -> float:
        return self.serving / self.exchanges if self.exchanges else 0.0


def role_of(member: MemberTraffic, created: int) -> Role:
    """The role that the rest of the account's traffic suggests.

    Compromised: the account had a life of its own before (other exchanges a day earlier, or a
    sign-up a month earlier), from networks that the campaign never used. Mixed: the rest comes from several end users. Otherwise operator.

    Args:
        created: Sign-up, microseconds since 1970; 0 if unknown.
    """
    other = member.exchanges - member.serving
    if other and member.first_other is not None:
        lived_before = (
            member.first_other <= member.first_serving - DAY
            or 0 < created <= member.first_serving - OLD
        )
        known = bool(member.serving_networks) and bool(member.other_networks)
        apart = known and not set(member.serving_networks) & set(member.other_networks)
        if lived_before and apart:
            return Role.COMPROMISED
    if other >= MINIMUM_OTHER and member.other_end_users >= RESELLER_USERS:
        return Role.MIXED
    return Role.OPERATOR
