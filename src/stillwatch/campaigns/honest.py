"""The strongest honest reading of a group, and what speaks for and against it.

The readings follow the nulls of the three clauses, so that the evidence against a reading is that
clause's e-value and nothing new: independent users of one wording (clause 1), an owner who has not
declared itself (clause 2), some owner's own work (clause 3). The strongest is the one that is
contradicted least. Which kind of independent users or of owner comes closest is told by figures
that are shown and tested by nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.declared import Claim
from stillwatch.campaigns.weighing import Decision, Weighed, WeighedGroup
from stillwatch.signals.shared_facts import Facts

__all__ = ["Circumstances", "circumstances_of", "claimed", "strongest_explanation"]

IntArray = npt.NDArray[np.int64]

DAY = 86_400_000_000
APART = 2.0  # standard deviations of the division score: keeps to subjects of its own
EVENT = 3 * DAY  # workshops, hackathons and exams are over by then


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What decides between honest readings of one group.

    Attributes:
        accounts: Members.
        repeated: Part of the group's distinct prompts that two members or more sent.
        outsiders: Accounts outside the group that use any of its wording.
        focus: Median part of a member's exchanges that are the group's own.
        span: From the first to the last own exchange, microseconds.
        independent: Part of the members looked at that keep to subjects of their own.
        one_payer, one_network: Part of the members that hold the commonest card, the commonest
            network; 0 where the log cannot tell.
        claim: What they say or show of a common owner that does not count as declared.
        instructed: Part of the exchanges under one and the same system text.
    """

    accounts: int
    repeated: float
    outsiders: int
    focus: float
    span: int
    independent: float
    one_payer: float
    one_network: float
    claim: Claim
    instructed: float


def circumstances_of(weighed: Weighed, group: WeighedGroup, facts: Facts) -> Circumstances:
    """Read them off the log."""
    traffic, own = weighed.traffic, group.group
    rows, accounts = own.rows, own.accounts
    senders = traffic.accounts[rows].astype(np.int64)
    worded = traffic.input_words[rows] > 0
    all_of = traffic.exchanges[accounts]
    begins, ends = np.searchsorted(np.sort(senders), np.stack([accounts, accounts + 1]))
    own_of = ends - begins
    instructions = traffic.system_hashes[rows][traffic.system_words[rows] > 0]
    scores = group.acts.division_scores
    known = scores[~np.isnan(scores)]
    return Circumstances(
        accounts=len(accounts),
        repeated=_repeated(traffic.input_hashes[rows][worded], senders[worded]),
        outsiders=_outsiders(weighed, own.fragments, accounts),
        focus=float(np.median(own_of / np.maximum(all_of, 1))) if len(accounts) else 0.0,
        span=int(traffic.started[rows[-1]] - traffic.started[rows[0]]) if len(rows) else 0,
        independent=float((known > APART).mean()) if len(known) else 0.0,
        one_payer=_commonest(facts, accounts, ("payment",)),
        one_network=_commonest(facts, accounts, ("network", "signup_network")),
        claim=group.togetherness.claim,
        instructed=_mode_share(instructions, len(rows)),
    )


def strongest_explanation(
    seen: Circumstances, group: WeighedGroup, decision: Decision, index: int
) -> tuple[str, str, str]:
    """The reading that is contradicted least: what it says, what is for it, what against it."""
    if group.togetherness.openly:
        return (
            "One declared organisation owns the accounts.",
            f"{group.togetherness.inside} of {seen.accounts} accounts belong to it",
            "nothing that this scan looks at",
        )
    alike = decision.owners_like(group.score)
    against = {"crowd": group.acts.log_e, "owner": group.togetherness.log_e}
    if decision.reached[index]:  # else it was not asked what the group collects
        against["work"] = float(np.log(max(decision.e_collects[index], 1e-9)))
    # Strangers share wording, so where nothing else ties the members, that is the first thought.
    weakest = "crowd" if decision.held_back[index] else min(against, key=lambda name: against[name])
    if weakest == "crowd":
        apart = f"{seen.independent:.0%} of the members looked at keep to subjects of their own"
        if group.acts.log_e <= 0:
            return *_crowd(seen), "nothing: clause 1 shows no list that they would share"
        return *_crowd(seen), _against(group.acts.log_e, apart)
    if weakest == "owner":
        return *_owner(seen), _against(
            group.togetherness.log_e,
            f"{group.togetherness.inside} of {seen.accounts} accounts declare one organisation",
        )
    if group.log_e_crowds <= 0:
        return *_work(seen), _against(
            against["work"],
            "crowds of as many accounts, drawn at random, look as much like collection",
        )
    # How many is a rank; the e-value of clause 3 depends on the other groups, too, and stands there.
    rank = (
        f"{alike:,} of {len(decision.reference):,} owners of this log look as much like collection"
    )
    return *_work(seen), rank if against["work"] > 0 else f"nothing ({rank})"


def _against(log_e: float, what: str) -> str:
    """The evidence against a reading, or that there is none."""
    if log_e <= 0:
        return f"nothing ({what})"
    return f"{what}, an e-value of {_figure(log_e)}"


def _crowd(seen: Circumstances) -> tuple[str, str]:
    """Independent users who came to the same wording."""
    if seen.repeated >= 0.5:
        brief = seen.span <= EVENT
        return (
            "An exam, workshop or hackathon: everyone was given the same items."
            if brief
            else "A course, or a public list of questions that everyone goes through.",
            f"{seen.repeated:.0%} of the prompts were sent by two members or more",
        )
    if seen.instructed >= 0.5:
        return (
            "Users of one app or agent, each with an account of their own: the fixed text is the "
            "program's.",
            f"{seen.instructed:.0%} of the exchanges run under one system text",
        )
    if seen.outsiders >= seen.accounts or seen.focus < 0.2:
        return (
            "Strangers who took up a wording that became known: a prompt pack, a tutorial, a viral "
            "prompt.",
            f"{seen.outsiders:,} other accounts use some of the wording, and it is "
            f"{seen.focus:.0%} of a member's traffic",
        )
    if seen.span <= EVENT:
        return (
            "An event: people brought together for a few days by one task.",
            f"all within {max(round(seen.span / DAY), 1)} days",
        )
    return (
        "Independent users who came to the same wording.",
        f"{seen.independent:.0%} of the members looked at keep to subjects of their own"
        if seen.independent >= 0.5
        else "no more than that wording is easily shared",
    )


def _owner(seen: Circumstances) -> tuple[str, str]:
    """One owner who has not said so."""
    together = _held_in_common(seen)
    if seen.claim.naming:
        return "A firm that names itself in a way that does not count as declared.", together
    if together:
        return "A firm, family or office that never declared its accounts.", together
    return (
        "A firm whose staff or contractors hold accounts of their own.",
        "no more than that the work is divided among them",
    )


def _work(seen: Circumstances) -> tuple[str, str]:
    """An owner's own work, spread over accounts."""
    if seen.focus < 0.5:
        return (
            "A reseller's or agency's accounts: one list of work among that of many customers.",
            f"the work is {seen.focus:.0%} of a member's traffic",
        )
    days = f"{max(round(seen.span / DAY), 1)} day{'s' if seen.span > 1.5 * DAY else ''}"
    worked = f"it is {seen.focus:.0%} of a member's traffic, over {days}"
    return (
        "One owner's own work spread over several accounts: a vendor, an agency, a back-fill.",
        "; ".join(filter(None, (_held_in_common(seen), worked))),
    )


def _held_in_common(seen: Circumstances) -> str:
    """What one owner's accounts would share, where half of the members or more do."""
    shares = (("card", seen.one_payer), ("network", seen.one_network))
    held = [
        f"{share:.0%} of the members share one {what}" for what, share in shares if share >= 0.5
    ]
    return "; ".join([*claimed(seen.claim), *held])


def claimed(claim: Claim) -> list[str]:
    """What members say or show of a common owner, in words."""
    said = []
    if claim.naming:
        if not claim.verified:
            why = "not verified"
        elif claim.dated:
            why = "verified, but not for 30 days at their first exchange"
        else:
            why = "verified, but the log does not say since when"
        said.append(
            f"{claim.naming} of {claim.accounts} accounts name one organisation, which does not count as "
            f"declared: it is {why}"
        )
    if claim.on_domain:
        said.append(
            f"{claim.on_domain} of {claim.accounts} accounts are on one e-mail domain that hardly anybody "
            "else is on"
        )
    return said


def _repeated(prompts: IntArray, senders: IntArray) -> float:
    """Part of the distinct prompts that several members sent."""
    if len(prompts) == 0:
        return 0.0
    _, prompt = np.unique(prompts, return_inverse=True)
    members = np.bincount(np.unique(prompt << 32 | senders) >> 32)
    return float((members > 1).mean())


def _outsiders(weighed: Weighed, fragments: IntArray, accounts: IntArray) -> int:
    used = weighed.fragments.pairs_of(fragments)
    return len(np.setdiff1d(weighed.fragments.pair_accounts[used], accounts))


def _commonest(facts: Facts, accounts: IntArray, kinds: Sequence[str]) -> float:
    wanted = [i for i, kind in enumerate(facts.kinds) if kind in kinds]
    here = facts.of_accounts(accounts)
    values = facts.value[here[np.isin(facts.kind[here], wanted)]]
    return _mode_share(values, max(len(accounts), 1))


def _mode_share(values: IntArray, of: int) -> float:
    if len(values) == 0:
        return 0.0
    return float(np.unique(values, return_counts=True)[1].max() / of)


def _figure(log_e: float) -> str:
    value = float(np.exp(min(log_e, 690.0)))
    return f"{value:,.0f}" if 100 <= value < 1e7 else f"{value:.3g}"
