"""The collectors: fourteen kinds of campaign, each after a publicly reported case."""

from __future__ import annotations

from stillwatch.simulation.campaigns import kinds_build, kinds_held_out, kinds_relayed
from stillwatch.simulation.campaigns.campaign import Campaign
from stillwatch.simulation.campaigns.evasion import Evasion

__all__ = ["CAMPAIGNS", "Campaign", "Evasion", "case_of"]

_ALL: tuple[Campaign, ...] = (
    kinds_build.Synchronised(),
    kinds_build.AccessPaths(),
    kinds_build.Hydra(),
    kinds_build.SmallRing(),
    kinds_build.JudgeOnly(),
    kinds_build.FreeTier(),
    kinds_held_out.Pivot(),
    kinds_held_out.TwoPools(),
    kinds_held_out.SlowAndLow(),
    kinds_held_out.NoTemplate(),
    kinds_held_out.Probing(),
    kinds_held_out.StolenKeys(),
    kinds_relayed.RelayedSessions(),
    kinds_relayed.ReplayedReasoning(),
)

CAMPAIGNS: dict[str, Campaign] = {campaign.name: campaign for campaign in _ALL}


def case_of(campaign: Campaign) -> str:
    """The first line about the case it is modelled on."""
    return (type(campaign).__doc__ or "").strip().splitlines()[0]
