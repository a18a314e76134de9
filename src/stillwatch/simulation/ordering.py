"""From a kind of world and a few wishes to everything that decides what it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stillwatch.records import InputError
from stillwatch.simulation.campaigns import Evasion
from stillwatch.simulation.frame import Frame
from stillwatch.simulation.worlds import CampaignSize, World, plan_cohorts
from stillwatch.simulation.writing import Order

__all__ = ["order_world"]


def order_world(
    world: World,
    *,
    seed: int,
    accounts: int | None = None,
    days: int | None = None,
    dials: Evasion | None = None,
    campaigns: Sequence[str] | None = None,
    populations: Sequence[str] | None = None,
    corpus: Path | None = None,
    exchanges: int | None = None,
    campaign_size: CampaignSize | None = None,
) -> Order:
    """What to simulate; what is not given is the world's own.

    Args:
        world: The kind.
        seed: Everything random follows from it.
        accounts: How many in all.
        days: Length of the window.
        dials: How hard campaigns hide.
        campaigns: Names of the campaigns, in place of the world's.
        populations: Names of the honest populations, in place of the world's.
        corpus: A folder with further prompts.
        exchanges: Scale everyone's volume so that about so many result.
        campaign_size: Of every campaign, in place of its own; not scaled by `exchanges`.

    Raises:
        InputError: Nobody would live in the world, or the campaigns alone exceed `exchanges`.
    """
    frame = Frame(seed=seed, days=days or world.days, volume=world.volume)
    honest = world.populations if populations is None else tuple(populations)
    hostile = world.campaigns if campaigns is None else tuple(campaigns)
    if not honest and not hostile:
        raise InputError(
            "a world with neither populations nor campaigns is empty.",
            where="--populations, --campaigns",
            remedy="Name at least one of either; `stillwatch simulate --list` prints them.",
        )

    def planned(frame: Frame) -> Order:
        return Order(
            world=world.name,
            frame=frame,
            cohorts=tuple(
                plan_cohorts(
                    frame,
                    accounts=accounts or world.accounts,
                    populations=honest,
                    campaigns=hostile,
                    scale=world.scale,
                    campaign_size=campaign_size,
                )
            ),
            dials=dials or Evasion(),
            variety=world.variety,
            corpus=corpus,
        )

    order = planned(frame)
    if exchanges is None:
        return order
    fixed = campaign_size is not None and campaign_size.exchanges is not None
    kept = sum(plan.expected for plan in order.cohorts if fixed and plan.hostile)
    natural = sum(plan.expected for plan in order.cohorts) - kept
    if kept >= exchanges:
        raise InputError(
            f"the campaigns alone send {kept:,.0f} exchanges.",
            where="--exchanges",
            remedy="Ask for more exchanges, or for smaller campaigns.",
        )
    if not natural:
        return order
    factor = (exchanges - kept) / natural
    return planned(Frame(seed=seed, days=frame.days, volume=frame.volume * factor))
