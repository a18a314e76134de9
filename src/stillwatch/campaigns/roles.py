"""How each account takes part: operator, mixed or compromised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from scipy.stats import hypergeom

from stillwatch.records import Role

__all__ = ["MemberTraffic", "Place", "reason_for", "role_of", "roles_of"]

DAY = 86_400_000_000
OLD = 30 * DAY
MINIMUM_LIFE = 2  # exchanges of the owner: one may be anybody's
MINIMUM_OTHER = 5  # other exchanges below which nothing can be said of customers behind it
RESELLER_USERS = 3  # end users in the rest of the traffic: more than one person's own cover
USUAL = 10  # a place that one in so many exchanges of a side uses is usual there
LEVEL = 0.01  # chance that a place looks like somebody else's though the operator uses all alike


class Place(NamedTuple):
    """One network or client software by which an account's exchanges leave.

    Attributes:
        uses: Exchanges.
        serving: Those of them that serve the campaign.
        first_other: The first that does not, microseconds since 1970; None if all do.
    """

    uses: int
    serving: int
    first_other: int | None

    @property
    def others(self) -> int:
        return self.uses - self.serving


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
    other_end_users: int
    credentials: list[str]
    networks: list[Place]
    clients: list[Place]

    @property
    def origins(self) -> list[Place]:
        """Its networks, or its client software where the log tells no networks."""
        return self.networks or self.clients

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

    Some of the rest is the campaign's own, for an attribution has an error rate. So networks that it
    hardly uses will do, too, where there is software that it hardly uses (`_elsewhere`). Networks
    alone will not: an operator's change with time, and so does his cover. Where the log tells no
    networks, software decides.

    Args:
        created: Sign-up, microseconds since 1970; 0 if unknown.
    """
    other = member.exchanges - member.serving
    begun = min((p.first_other for p in member.origins if p.first_other is not None), default=None)
    lived_before = begun is not None and (
        begun <= member.first_serving - DAY or 0 < created <= member.first_serving - OLD
    )
    by_another = _used_by_another(member) or _apart(member.origins)
    if other >= MINIMUM_LIFE and lived_before and by_another:
        return Role.COMPROMISED
    return _cover_or_customers(member)


def _cover_or_customers(member: MemberTraffic) -> Role:
    """What an account is that was not stolen: does the rest of its traffic serve others?"""
    other = member.exchanges - member.serving
    served = member.other_end_users >= RESELLER_USERS
    software = _apart(member.clients) or _elsewhere(member.clients)
    if other >= MINIMUM_OTHER and (served or software):
        return Role.MIXED
    return Role.OPERATOR


def roles_of(
    members: Sequence[MemberTraffic],
    created: Sequence[int],
    opened_with: Sequence[frozenset[int]] | None = None,
) -> list[Role]:
    """The roles of all members of one campaign.

    Where most are compromised, an account that has networks and software beside the campaign's is
    so, too, however short its life before: its key came whence theirs came. An account that was opened
    with the card or contact of an operator was not stolen, whatever the rest of its traffic is.

    Args:
        created: Sign-up of each, as in `role_of`.
        opened_with: Rare cards and contacts of each, by number; none where the log tells none.
    """
    roles = [role_of(member, moment) for member, moment in zip(members, created, strict=True)]
    if 2 * roles.count(Role.COMPROMISED) > len(roles):
        roles = [
            Role.COMPROMISED if _used_by_another(member) else role
            for member, role in zip(members, roles, strict=True)
        ]
    opened_with = opened_with or [frozenset()] * len(members)
    operators = _of_operators(roles, opened_with)
    return [
        _cover_or_customers(member) if role == Role.COMPROMISED and held & operators else role
        for member, role, held in zip(members, roles, opened_with, strict=True)
    ]


def _of_operators(roles: Sequence[Role], opened_with: Sequence[frozenset[int]]) -> frozenset[int]:
    """With what the operators were opened, and whoever shares any of that with them."""
    known: frozenset[int] = frozenset()
    while True:
        theirs = [
            held
            for role, held in zip(roles, opened_with, strict=True)
            if role == Role.OPERATOR or held & known
        ]
        more = known.union(*theirs)
        if more == known:
            return known
        known = more


def reason_for(member: MemberTraffic, role: Role) -> str:
    """What the role rests on, in a sentence; nothing for an operator, on whom the campaign rests."""
    other = member.exchanges - member.serving
    if role == Role.COMPROMISED:
        return (
            f"{other} of its {member.exchanges} exchanges are its owner's own: they leave by networks or "
            "software that the campaign hardly uses."
        )
    if role == Role.MIXED:
        users = member.other_end_users
        through = (
            f"come from {users} end users"
            if users >= RESELLER_USERS
            else "leave by software that the campaign hardly uses"
        )
        return f"{other} of its {member.exchanges} exchanges serve others: they {through}."
    return ""


def _used_by_another(member: MemberTraffic) -> bool:
    """It has both an origin and software that the campaign hardly uses."""
    return _elsewhere(member.origins) and _elsewhere(member.clients)


def _apart(places: Sequence[Place]) -> bool:
    """What serves and what does not have no usual place in common, and each has one.

    A place is usual for a side that a tenth of its exchanges use: one exchange on the wrong side must
    not decide a role.
    """
    serving, others = sum(p.serving for p in places), sum(p.others for p in places)
    if serving == 0 or others == 0:
        return False
    campaigns = {i for i, p in enumerate(places) if USUAL * p.serving >= serving}
    another = {i for i, p in enumerate(places) if USUAL * p.others >= others}
    return bool(campaigns and another) and not campaigns & another


def _elsewhere(places: Sequence[Place]) -> bool:
    """Is there a network or client that somebody else uses, with `MINIMUM_LIFE` exchanges at least?

    Null: the account's exchanges leave by the same places whether they serve or not. Then the number
    of a place's exchanges that serve is hypergeometric. Bonferroni over the account's places.
    """
    uses, serving = sum(p.uses for p in places), sum(p.serving for p in places)
    return any(
        p.others >= MINIMUM_LIFE
        and hypergeom.cdf(p.serving, uses, serving, p.uses) <= LEVEL / len(places)
        for p in places
    )
