"""Which finding is which campaign: one to one, by the accounts they share."""

from __future__ import annotations

from collections.abc import Mapping, Set

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["HALF", "match_findings"]

HALF = 0.5
"""A finding stands for a campaign when each holds at least this part of the other's accounts."""


def match_findings(
    campaigns: Mapping[str, Set[str]], findings: Mapping[str, Set[str]]
) -> dict[str, str]:
    """For each campaign that was found, the finding that stands for it.

    A pair is possible when the finding holds at least half of the campaign's accounts and at
    least half of the finding's accounts are the campaign's own. Accounts may serve two campaigns,
    so several pairs can be possible; of all one-to-one choices this takes one with the most
    campaigns found, and of those one with the most shared accounts (Hungarian method).

    Args:
        campaigns: Accounts by true campaign.
        findings: Accounts by finding.
    """
    names, ids = sorted(campaigns), sorted(findings)
    if not names or not ids:
        return {}
    worth = np.zeros((len(names), len(ids)))
    # One campaign more must outweigh every shared account there could be.
    bonus = 1.0 + sum(len(accounts) for accounts in campaigns.values())
    for row, name in enumerate(names):
        for column, finding in enumerate(ids):
            shared = len(campaigns[name] & findings[finding])
            if _stands_for(shared, len(campaigns[name]), len(findings[finding])):
                worth[row, column] = bonus + shared
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return {
        names[row]: ids[column]
        for row, column in zip(rows, columns, strict=True)
        if worth[row, column] > 0
    }


def _stands_for(shared: int, campaign_accounts: int, finding_accounts: int) -> bool:
    return shared > 0 and shared >= HALF * campaign_accounts and shared >= HALF * finding_accounts
