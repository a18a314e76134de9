"""The worlds one can simulate, and the plan of who lives in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stillwatch.simulation.campaigns import CAMPAIGNS
from stillwatch.simulation.frame import Frame
from stillwatch.simulation.populations import POPULATIONS
from stillwatch.simulation.text import Variety

__all__ = ["WORLDS", "CampaignSize", "CohortPlan", "World", "plan_cohorts"]

_FILLS_UP = "people"
_HONEST = 1
_HOSTILE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A kind of world.

    Attributes:
        name: As on the command line.
        purpose: What it is for.
        variety: Which half of texts and rhythms it is made of.
        populations: Honest populations.
        campaigns: Campaigns.
        accounts: Accounts unless asked otherwise.
        days: Days unless asked otherwise.
        scale: Factor on the sizes of campaigns.
        volume: Factor on everyone's volume.
    """

    name: str
    purpose: str
    variety: Variety
    populations: tuple[str, ...]
    campaigns: tuple[str, ...]
    accounts: int
    days: int
    scale: float = 1.0
    volume: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortPlan:
    """One cohort, before it lives: enough to make it anywhere, in any order.

    Attributes:
        key: Seeds the cohort's randomness.
        kind: Name of the population or campaign.
        hostile: Whether `kind` is a campaign.
        size: Accounts.
        expected: Exchanges, about.
        group: Honest group in the truth.
    """

    key: tuple[int, int, int]
    kind: str
    hostile: bool
    size: int
    expected: float
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignSize:
    """How large every campaign is, in place of what its kind is by nature.

    Attributes:
        accounts: Accounts of each campaign.
        exchanges: Exchanges of each of its accounts, cover included.
    """

    accounts: int | None = None
    exchanges: int | None = None


_EVERYONE = tuple(POPULATIONS)
_BUILD = tuple(c.name for c in CAMPAIGNS.values() if c.half == "build")
_HELD_OUT = tuple(c.name for c in CAMPAIGNS.values() if c.half == "held_out")
_RELAYED = tuple(c.name for c in CAMPAIGNS.values() if c.half == "relayed")
_REPLAYED = tuple(c.name for c in CAMPAIGNS.values() if c.half == "replayed")
_TWENTY = (
    "people",
    "developers",
    "public_agents",
    "viral_prompt",
    "class",
    "hackathon",
    "enterprise",
    "evaluation_lab",
    "nightly_jobs",
    "ephemeral_builds",
    "synthetic_data_team",
    "aggregator",
    "annotation_vendor",
    "reasoning_audit",
    "family",
    "office",
    "rag_backfills",
    "catalogue_vendor",
    "agency",
    "niche_app",
)

_ALL = (
    World(
        name="demo",
        purpose="twenty honest populations and two campaigns, for a first look",
        variety=Variety.BUILD,
        populations=_TWENTY,
        campaigns=("synchronised", "hydra"),
        accounts=4000,
        days=10,
        scale=2.0,
        volume=0.45,
    ),
    World(
        name="tiny",
        purpose="a few honest populations and one campaign, for tests",
        variety=Variety.BUILD,
        populations=("people", "developers", "class", "nightly_jobs", "family", "enterprise"),
        campaigns=("synchronised",),
        accounts=300,
        days=7,
    ),
    World(
        name="build",
        purpose="all honest populations and the campaigns one may look at while building",
        variety=Variety.BUILD,
        populations=_EVERYONE,
        campaigns=_BUILD,
        accounts=8000,
        days=14,
        scale=1.8,
    ),
    World(
        name="held-out",
        purpose="all honest populations and the other campaigns, in other words and rhythms",
        variety=Variety.HELD_OUT,
        populations=_EVERYONE,
        campaigns=_HELD_OUT,
        accounts=8000,
        days=14,
        scale=1.8,
    ),
    World(
        name="full",
        purpose="everyone and the campaigns of both halves, in the words and rhythms held out",
        variety=Variety.HELD_OUT,
        populations=_EVERYONE,
        campaigns=_BUILD + _HELD_OUT,
        accounts=15000,
        days=14,
    ),
    World(
        name="relayed",
        purpose="campaigns that share nothing but what they pass on, and the honest who do so, too",
        variety=Variety.BUILD,
        populations=_EVERYONE,
        campaigns=_RELAYED,
        accounts=3000,
        days=8,
    ),
    World(
        name="replayed",
        purpose="a campaign that shares nothing but signed reasoning, and the honest who do so, too",
        variety=Variety.BUILD,
        populations=_EVERYONE,
        campaigns=_REPLAYED,
        accounts=3000,
        days=8,
    ),
    World(
        name="empty",
        purpose="all honest populations and no campaign, in the words and rhythms held out",
        variety=Variety.HELD_OUT,
        populations=_EVERYONE,
        campaigns=(),
        accounts=3000,
        days=14,
    ),
    World(
        name="empty-build",
        purpose="all honest populations and no campaign, in the words and rhythms built on",
        variety=Variety.BUILD,
        populations=_EVERYONE,
        campaigns=(),
        accounts=3000,
        days=14,
    ),
)

WORLDS: dict[str, World] = {world.name: world for world in _ALL}


def plan_cohorts(
    frame: Frame,
    *,
    accounts: int,
    populations: Sequence[str],
    campaigns: Sequence[str],
    scale: float,
    campaign_size: CampaignSize | None = None,
) -> list[CohortPlan]:
    """Who lives in the world: `accounts` in all, unless the smallest groups need more.

    A population's or a campaign's cohorts depend on the seed and on how many accounts it
    gets, not on which others are in the world.
    """
    sized = campaign_size or CampaignSize()
    hostile = [_plan_campaign(frame, name, accounts, scale, sized) for name in campaigns]
    left = max(0, accounts - sum(plan.size for plan in hostile))
    honest: list[CohortPlan] = []
    shares = {name: POPULATIONS[name].share for name in populations}
    total = sum(shares.values())
    if not populations:
        return hostile
    order = sorted(populations, key=lambda name: (name == _FILLS_UP, list(POPULATIONS).index(name)))
    for name in order:
        if name == order[-1]:
            wanted = left - sum(plan.size for plan in honest)
        else:
            wanted = round(left * shares[name] / total)
        honest += _plan_population(frame, name, max(1, wanted))
    return honest + hostile


def _plan_campaign(
    frame: Frame, name: str, accounts: int, scale: float, sized: CampaignSize
) -> CohortPlan:
    campaign = CAMPAIGNS[name]
    rng = frame.rng(_HOSTILE, list(CAMPAIGNS).index(name), 1 << 20)
    size = sized.accounts or campaign.accounts(rng, accounts, scale)
    each = sized.exchanges or campaign.daily * frame.days * frame.volume
    return CohortPlan(
        key=(_HOSTILE, list(CAMPAIGNS).index(name), 0),
        kind=name,
        hostile=True,
        size=size,
        expected=size * each,
    )


def _plan_population(frame: Frame, name: str, accounts: int) -> list[CohortPlan]:
    population = POPULATIONS[name]
    index = list(POPULATIONS).index(name)
    rng = frame.rng(_HONEST, index, 1 << 20)
    plans = []
    for number, size in enumerate(_sizes(rng, name, accounts)):
        plans.append(
            CohortPlan(
                key=(_HONEST, index, number),
                kind=name,
                hostile=False,
                size=size,
                expected=size * population.daily * frame.days * frame.volume,
                group=f"{name}-{number + 1}" if population.group else None,
            )
        )
    return plans


def _sizes(rng: np.random.Generator, name: str, accounts: int) -> list[int]:
    """Sizes of the population's cohorts; a rest too small for a group joins the last one."""
    group = POPULATIONS[name].group
    if group is None:
        whole, rest = divmod(accounts, 40)
        return [40] * whole + ([rest] if rest else [])
    sizes: list[int] = []
    left = accounts
    while left >= group.smallest:
        size = min(group.draw(rng), left)
        sizes.append(size)
        left -= size
    return sizes or [group.smallest]
