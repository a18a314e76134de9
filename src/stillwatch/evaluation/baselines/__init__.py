"""What a user would write in an afternoon: the bar that a scan has to clear."""

from __future__ import annotations

from stillwatch.evaluation.baselines.prompt_opening import groups_sharing_a_prompt_opening
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
)
