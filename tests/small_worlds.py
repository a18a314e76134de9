"""Worlds of the simulator that take seconds: one campaign that hides nothing, among honest accounts."""

from __future__ import annotations

from pathlib import Path

from stillwatch.simulation import WORLDS, CampaignSize, Evasion, order_world, simulate

__all__ = ["found_world", "tiny_world"]


def tiny_world(place: Path, seed: int) -> Path:
    """A campaign of 20 accounts in a world of 300: enough to look at, too little to find much in."""
    return _world(place, seed, (300, 3, 3000), CampaignSize(accounts=20, exchanges=30))


def found_world(place: Path, seed: int) -> Path:
    """A campaign of 30 accounts in a world of 900: the whole log gives a finding."""
    return _world(place, seed, (900, 5, 14_000), CampaignSize(accounts=30, exchanges=60))


def _world(place: Path, seed: int, size: tuple[int, int, int], campaign: CampaignSize) -> Path:
    accounts, days, exchanges = size
    order = order_world(
        WORLDS["tiny"],
        seed=seed,
        accounts=accounts,
        days=days,
        exchanges=exchanges,
        dials=Evasion(0, 0, 0, 0),
        campaign_size=campaign,
    )
    simulate(order, place, processes=1)
    return place
