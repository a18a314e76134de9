"""Traffic worlds with known truth, for tests, benchmarks and demos."""

from __future__ import annotations

from stillwatch.simulation.campaigns import CAMPAIGNS, Evasion
from stillwatch.simulation.ordering import order_world
from stillwatch.simulation.populations import POPULATIONS
from stillwatch.simulation.worlds import WORLDS, CampaignSize, World
from stillwatch.simulation.writing import Order, Written, simulate

__all__ = [
    "CAMPAIGNS",
    "POPULATIONS",
    "WORLDS",
    "CampaignSize",
    "Evasion",
    "Order",
    "World",
    "Written",
    "order_world",
    "simulate",
]
