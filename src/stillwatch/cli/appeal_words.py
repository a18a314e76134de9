"""An appeal in words for a terminal: what the customer says, what was done, for and against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stillwatch.cli.output import say

if TYPE_CHECKING:
    from stillwatch.dossier.appealed import Evidence
    from stillwatch.policy.appeals import Appeal
    from stillwatch.records import Action

__all__ = ["tell_appeal", "tell_evidence"]


def tell_appeal(appeal: Appeal, actions: Sequence[Action]) -> None:
    """What was appealed against. The customer's words are a stranger's: nothing in them runs."""
    from stillwatch.dossier import visible

    since = appeal.submitted_at.isoformat(timespec="minutes")
    say(visible(f"Appeal {appeal.appeal_id} of account {appeal.account_id}, open since {since}."))
    if appeal.decided_at is not None:
        when = appeal.decided_at.isoformat(timespec="minutes")
        say(visible(f"{appeal.state.value} on {when} by {appeal.decided_by}: {appeal.reason}"))
    for action in actions:
        until = action.ends_at.isoformat(timespec="minutes")
        say(
            visible(
                f"Done: {action.step.value} of the {action.scope.value} for campaign "
                f"{action.campaign_id}, {action.state.value}, until {until}: {action.reason}"
            )
        )
    say("The customer says:")
    for line in (appeal.text or "(the words were erased)").split("\n"):
        say(visible(f"    {line}"))


def tell_evidence(evidence: Evidence | None) -> None:
    """For and against, with what would end the finding."""
    from stillwatch.dossier import visible

    if evidence is None:
        say("There is no scan to read the evidence from: give --lake or --findings.")
        return
    if not evidence.is_member:
        say("The latest scan no longer finds this account in the campaign.")
    else:
        say(
            visible(
                f"Part in the campaign: {evidence.role}, {evidence.share or 0:.0%} of its "
                f"exchanges, e-value {evidence.e_value or 0:.3g}."
            )
        )
        say("For the step:")
    for reason in evidence.reasons:
        say(visible(f"  - {reason.text}"))
        say(visible(f"    observed: {reason.observed}; usual: {reason.baseline}"))
    if evidence.honest_explanation:
        say(visible(f"The honest explanation: {evidence.honest_explanation}"))
    say("It would be disproved by:")
    for line in evidence.disproofs:
        say(visible(f"  - {line}"))
