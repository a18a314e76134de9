"""What a user would write in an afternoon, and detectors of the literature: the bar to clear."""

from __future__ import annotations

from stillwatch.evaluation.baselines.prompt_opening import groups_sharing_a_prompt_opening
from stillwatch.evaluation.baselines.query_streams import (
    mmd_accounts,
    prada_accounts,
    seat_accounts,
)
from stillwatch.evaluation.baselines.shared_payment_or_address import (
    groups_sharing_payment_or_address,
)
from stillwatch.evaluation.baselines.suspects import Baseline, Proposal, SuspectGroup
from stillwatch.evaluation.baselines.volume_and_regularity import accounts_like_machines

__all__ = ["BASELINES", "Baseline", "Proposal", "SuspectGroup"]

BASELINES: tuple[Baseline, ...] = (
    Baseline(
        "payment_or_address",
        "shared payment token or address",
        groups_sharing_payment_or_address,
    ),
    Baseline(
        "prompt_opening",
        "same first fifty characters of the prompt",
        groups_sharing_a_prompt_opening,
    ),
    Baseline(
        "volume_and_regularity",
        "volume and regularity",
        accounts_like_machines,
    ),
    Baseline("seat", "SEAT: queries near an earlier one of the account", seat_accounts),
    Baseline("prada", "PRADA: nearest distances that are not normal", prada_accounts),
    Baseline("mmd", "MMD of each account with a matched null", mmd_accounts),
)
