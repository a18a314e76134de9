"""Campaigns of accounts that share nothing but what they pass on."""

from __future__ import annotations

from typing import ClassVar

from stillwatch.records import Target
from stillwatch.simulation.campaigns.campaign import Campaign
from stillwatch.simulation.clients import Software

__all__ = ["RelayedSessions", "ReplayedReasoning"]


class RelayedSessions(Campaign):
    """Sessions of a coding agent, each turn of which goes to whichever account is free.

    After a campaign of the report of September 2026 that replayed sessions of its own users through
    coding harnesses and proxies over more than 1,500 accounts.
    """

    name, actor, half = "relayed_sessions", "Pewter Dunlin", "relayed"
    share, size, daily = 0.012, (16, 400), 12.0
    targets: ClassVar = {Target.CODE: 0.7, Target.TOOL_USE: 0.3}
    floors: ClassVar = {"identity": 3}
    softwares = (Software.CODING_AGENT,)
    turns = 4.0
    passes_on = True
    limited = 0.0


class ReplayedReasoning(Campaign):
    """Accounts that share nothing and present each other's signed reasoning, to have it cleaned up.

    After the same report: reasoning blocks replayed across sessions, on accounts that rotate.
    """

    name, actor, half = "replayed_reasoning", "Sable Godwit", "replayed"
    share, size, daily = 0.016, (16, 400), 6.0
    targets: ClassVar = {Target.REASONING: 1.0}
    floors: ClassVar = {"identity": 3, "timing": 2}
    replays = 0.1
    limited = 0.0
