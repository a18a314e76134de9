"""A policy is data: which finding leads to which step. The guard rails are code."""

from stillwatch.policy.rules.guards import Guard
from stillwatch.policy.rules.known import Known, KnownAccount, KnownCampaign, Owner, Use
from stillwatch.policy.rules.planned import Planned
from stillwatch.policy.rules.planning import plan_steps
from stillwatch.policy.rules.policy import Delay, Limits, Mode, Policy, Rule
from stillwatch.policy.rules.reading import read_policy, shipped_policy
from stillwatch.policy.rules.verdicts import verdicts_of

__all__ = [
    "Delay",
    "Guard",
    "Known",
    "KnownAccount",
    "KnownCampaign",
    "Limits",
    "Mode",
    "Owner",
    "Planned",
    "Policy",
    "Rule",
    "Use",
    "plan_steps",
    "read_policy",
    "shipped_policy",
    "verdicts_of",
]
