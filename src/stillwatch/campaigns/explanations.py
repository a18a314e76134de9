"""The words of a finding, each with its figure: the dossier, the terminal and the JSON print these.

No other module writes prose about a finding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.attribution import UNKNOWN
from stillwatch.campaigns.calibration import measured_rate, measured_worlds
from stillwatch.campaigns.crowds import DRAWS
from stillwatch.campaigns.honest import circumstances_of, claimed, strongest_explanation
from stillwatch.campaigns.looks import TIED
from stillwatch.campaigns.roles import MemberTraffic, reason_for
from stillwatch.campaigns.weighing import Decision, Weighed, WeighedGroup
from stillwatch.records import NOT_COLLECTING, Reason, Role
from stillwatch.signals import division, synchrony
from stillwatch.signals.collection import FIGURES
from stillwatch.signals.places import Places
from stillwatch.signals.shared_facts import Facts

__all__ = [
    "assumptions",
    "clause_words",
    "disproofs",
    "honest_explanation",
    "member_reasons",
    "summary",
    "told_of_members",
    "why_not_reported",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


EXAMPLES = 3  # exchanges that show a reason
LOW = 1.0  # of the division score: as a list dealt out at random gives in five cases of six

FACT_WORDS: dict[str, str] = {
    "payment": "its card or bank account",
    "device": "its device",
    "phone": "its telephone number",
    "email": "its e-mail address",
    "signup_network": "the network it signed up from",
    "network": "a network",
    "client": "rare client software and settings",
    "metadata": "the metadata of its requests",
    "credential": "a credential",
    "end_user": "an end user",
    "cache_key": "a prompt cache key",
    "conversation": "a conversation",
    "continuation": "the history of a conversation",
    "reasoning_block": "a signed reasoning block",
}


def summary(
    *,
    accounts: int,
    exchanges: int,
    tokens: int,
    targets: list[str],
    days: int,
    q: float,
    e: float,
    actors: list[dict[str, Any]] | None,
    claimed_owner: list[str],
) -> str:
    """One paragraph of plain words."""
    wanted = " and ".join(t.replace("_", " ") for t in targets[:2]) or "unclear content"
    owner = "that do not declare themselves together"
    if claimed_owner:
        owner = f"of no declared organisation ({'; '.join(claimed_owner)})"
    return (
        f"{accounts} accounts {owner} worked through one list as "
        f"one worker: {exchanges:,} exchanges over {days} day{'s' if days != 1 else ''}, about "
        f"{tokens:,} output tokens, asking mainly for {wanted}. It would still be "
        f"reported at a false discovery rate of {q:.2g} (e-value {e:,.0f}, the least of three "
        f"clauses). {_behind(actors, claimed_owner)}"
    )


def _behind(actors: list[dict[str, Any]] | None, claimed_owner: list[str]) -> str:
    """Who may be behind it: never more than a hypothesis."""
    likely = list(actors or [])
    if not likely or likely[0]["actor"] == UNKNOWN:
        if claimed_owner:
            return "Whether they are whose they seem to be is for a person to check."
        return "Who is behind it is unknown."
    beliefs = [(a["actor"], min(a["coverage"], 0.99)) for a in likely]
    hypotheses = ", ".join(f"{name} ({belief:.0%})" for name, belief in beliefs)
    return f"Who is behind it is not established; hypotheses: {hypotheses}."


def clause_words(weighed: Weighed, decision: Decision, index: int) -> dict[str, dict[str, object]]:
    """The three clauses of one group: sentence, observed, usual, e-value and its largest."""
    group = weighed.groups[index]
    acts, together = group.acts, group.togetherness
    usual = _low_in_reference(group.acts.division_reference)
    return {
        "acts_as_one": {
            "text": "The members work through one list: their prompts could be dealt out anew "
            "among them without anyone noticing. Independent customers keep to subjects of their "
            "own.",
            "observed": f"{_low(acts.division_scores):.0%} of the members keep to no subjects of "
            f"their own (at most {LOW:g} standard deviation from a list dealt out at random; median "
            f"{_median(acts.division_scores)})",
            "usual": f"{usual:.0%} of the accounts that say as much and are in no such group",
            "e_value": _exp(acts.log_e),
            "max": _exp(acts.largest),
        },
        "undeclared": {
            "text": "The accounts declare no common owner in a way that counts.",
            "observed": "; ".join(
                [
                    f"{together.inside} of {len(group.group.accounts)} in one declared "
                    "organisation" + _unsaid(together.unknown),
                    *claimed(together.claim),
                ]
            ),
            "usual": "four fifths or more where accounts are openly together",
            "e_value": _exp(together.log_e),
            "max": _exp(together.largest),
        },
        "collects": {
            "text": "The work looks like a harvest of training material, more than that of the "
            "owners of this log: what is asked, and what becomes of the answers.",
            "observed": _figures(group.figures),
            "usual": f"{decision.owners_like(group.score):,} of "
            f"{len(decision.reference):,} owners look as much like it, taken by the half of its "
            "accounts that collects least",
            "e_value": float(decision.e_collects[index]),
            "max": float(min(len(decision.reference), DRAWS) + 1),
        },
    }


def honest_explanation(weighed: Weighed, decision: Decision, index: int, facts: Facts) -> str:
    """The strongest honest reading of this group, with the figures that speak for or against it."""
    group = weighed.groups[index]
    seen = circumstances_of(weighed, group, facts)
    reading, favouring, against = strongest_explanation(seen, group, decision, index)
    return f"{reading} For it: {favouring}. Against it: {against}."


def why_not_reported(weighed: Weighed, decision: Decision, index: int, rate: float) -> str | None:
    """Which clause failed, or None if the group was reported."""
    if decision.reported[index]:
        return None
    group = weighed.groups[index]
    if group.togetherness.openly:
        return "It is inside one declared organisation: for a person to look at."
    if not decision.passed[index, 0]:
        return (
            f"Not shown to act as one: e-value {_exp(group.acts.log_e):,.3g}, "
            f"{np.exp(decision.bounds[index]):,.0f} needed with {len(weighed.groups)} groups raised."
        )
    if not decision.passed[index, 1]:
        return (
            f"Not shown to be undeclared: e-value {_exp(group.togetherness.log_e):,.3g}"
            f"{_unsaid(group.togetherness.unknown)}."
        )
    if decision.held_back[index]:
        return (
            f"Wording alone ties it: {group.tied:.0%} of the accounts share a rare card, contact or key, "
            f"or a device at several places, with another, {TIED:.0%} needed. Strangers "
            "share wording; one place explains its networks and machines, one program its settings."
            + _tied_otherwise(group)
        )
    if np.isneginf(group.log_e_crowds):
        return (
            f"{NOT_COLLECTING}: account by account, a crowd of as many accounts drawn at random looks "
            "as much like collection."
        )
    above = decision.owners_like(group.score)
    if above == 0:
        return (
            f"{NOT_COLLECTING}: none of {len(decision.reference):,} owners of this log looks as much "
            f"like collection, but they are too few for a false discovery rate of {rate:g} by groups "
            "and by accounts."
        )
    return (
        f"{NOT_COLLECTING}: {above:,} of {len(decision.reference):,} owners of this log look as much like "
        f"collection; too many for a false discovery rate of {rate:g}."
    )


def member_reasons(
    weighed: Weighed,
    group: WeighedGroup,
    member: MemberTraffic,
    account: int,
    facts: list[tuple[str, int, int]],
    evidence: list[str],
    told: list[Reason],
) -> list[Reason]:
    """Why this account belongs: its wording, its facts, its part in the list, its clock.

    Args:
        facts: (kind, holders in the group, holders in the log), rarest first.
        evidence: Ids of exchanges that show it.
        told: What the other signals say of it (`told_of_members`).
    """
    size = len(group.named.accounts)
    reasons = []
    if group.group.by_wording:
        users = weighed.fragments.accounts[group.group.fragments]
        reasons.append(
            Reason(
                signal="templates",
                text=f"{member.serving} of its {member.exchanges} exchanges carry wording that "
                f"this group of {size} accounts shares.",
                observed=f"{member.share:.0%} of its exchanges",
                baseline=f"at most {max(int(users.max(initial=0)) - size, 0)} other accounts of "
                f"{len(weighed.traffic.account_names)} use any of it",
                evidence=evidence,
            )
        )
    for kind, inside, everywhere in facts[:3]:
        reasons.append(
            Reason(
                signal="shared_facts",
                text=f"It shares {FACT_WORDS.get(kind, kind)} with {_others(inside - 1)}.",
                observed=f"{inside} members",
                baseline=f"{everywhere} accounts of the log have it",
                evidence=evidence[:1],
            )
        )
    return [*reasons, *_scores(group, account, evidence), *told]


def role_reasons(member: MemberTraffic, role: Role) -> list[Reason]:
    """Why an account is called compromised or mixed: what it says for its owner."""
    text = reason_for(member, role)
    if not text:
        return []
    return [
        Reason(
            signal="role",
            text=text,
            observed=f"{member.share:.0%} of its exchanges serve the campaign",
            baseline="an operator's other traffic leaves by the same networks and software",
            evidence=[],
        )
    ]


def told_of_members(weighed: Weighed, number: int) -> dict[int, list[Reason]]:
    """What the signals that are not asked of a group as a whole say of each of its members."""
    traffic = weighed.traffic
    reasons: dict[int, list[Reason]] = {}
    for tell in weighed.tells:
        rows_of = Places.of_column(traffic.accounts[tell.rows[number]])
        for account in tell.members[number].tolist():
            own = tell.rows[number][rows_of.of(np.array([account]))[:EXAMPLES]]
            reason = Reason(
                signal=tell.signal,
                text=tell.text,
                observed=tell.observed[number],
                baseline=tell.usual[number],
                evidence=[str(traffic.exchange_ids[int(r)].as_py()) for r in own],
            )
            reasons.setdefault(account, []).append(reason)
    return reasons


def _scores(group: WeighedGroup, account: int, evidence: list[str]) -> list[Reason]:
    place = np.flatnonzero(group.acts.sampled == account)
    if len(place) == 0:
        return []
    divided = group.acts.division_scores[place[0]]
    together = group.acts.synchrony_scores[place[0]]
    reasons = []
    if not np.isnan(divided) and divided <= LOW:
        reasons.append(
            Reason(
                signal="division",
                text="Its items are as like the other members' items as like its own: it keeps to "
                "no subject of its own.",
                observed=f"{divided:.1f} standard deviations",
                baseline=f"{_low_in_reference(group.acts.division_reference):.0%} of comparable "
                f"accounts lie at {LOW:g} or below",
                evidence=evidence,
            )
        )
    if not np.isnan(together) and together >= 2.0:
        reasons.append(
            Reason(
                signal="synchrony",
                text="It is busy and idle when the other members are, beyond its hours of day.",
                observed=f"{together:.1f} standard deviations",
                baseline=_typical(group.acts.synchrony_reference, synchrony.BINS),
                evidence=evidence[:1],
            )
        )
    return reasons


def disproofs(group: WeighedGroup) -> list[str]:
    """What would show the finding to be wrong."""
    found = [
        "An owner of all the accounts who declares them, with a contract or a verified domain.",
        "The template found in public before the campaign's first exchange, with unrelated users.",
        "A customer of any member account who shows where the answers went, and it is a product.",
    ]
    if claimed(group.togetherness.claim):
        found[0] = (
            "The organisation that the accounts name, or whose e-mail domain they are on, confirming "
            "that they and their work are its own."
        )
    if group.togetherness.inside:
        found.insert(0, "The rest of the accounts turning out to belong to the same organisation.")
    return found


def assumptions(rate: float, owners: int, groups: int) -> list[str]:
    """What the printed error rate rests on."""
    return [
        f"The false discovery rate is {rate:g}: on average at most that part of the reported "
        f"campaigns are honest groups, over {groups} groups raised, and at most that part of the "
        "accounts in them are accounts of honest groups.",
        "Clause 1 assumes that, in an honest group, members are exchangeable with the other "
        "accounts of the log that say as much, each seen among those it is linked to: each has "
        "subjects of its own.",
        "Clause 2 takes the provider's record of organisations as it stands.",
        f"Clause 3 assumes that an honest group's work is exchangeable with that of the {owners:,} "
        "owners of this log (its accounts, and declared organisations). Hostile accounts "
        "among them can hide a campaign, not make one.",
        "Country and language are never evidence.",
        _measured(),
    ]


def _measured() -> str:
    """What a nominal 1 % came to on simulated worlds."""
    finding = measured_rate("raised", "the finding", 0.01)
    acts = measured_rate("raised", "acts as one", 0.01)
    collects = measured_rate("raised", "collects", 0.01)
    return (
        f"Measured, on {measured_worlds()} simulated worlds without a campaign: of the honest groups "
        f"raised, {finding.rate:.1%} (at most {finding.at_most:.1%}, with 95% confidence) reached all "
        f"three claims at a nominal 1%. Claim 1 alone reached it in {acts.rate:.1%} of them, claim 3 "
        f"alone in {collects.rate:.1%}: honest groups that share a template are more alike than "
        "either null allows, so neither claim's e-value is a chance by itself. Larger worlds gave "
        "more (docs/statistics.md, Calibration)."
    )


def _tied_otherwise(group: WeighedGroup) -> str:
    """That something does tie the accounts, where it is only too little to tell on this log."""
    if group.log_e_tied <= 0:
        return ""
    return (
        " How its accounts take turns, and what they take over from each other, has an e-value of "
        f"{_exp(group.log_e_tied):,.3g} in all, which is too little here."
    )


def _unsaid(accounts: int) -> str:
    """That a record is silent is no sign that nothing was declared."""
    if not accounts:
        return ""
    return f"; of {accounts} account{'s' if accounts != 1 else ''} the log does not say whether they declare an owner"


def _others(count: int) -> str:
    return f"{count} other member{'s' if count != 1 else ''}"


def _figures(figures: FloatArray) -> str:
    """The figures that the score of clause 3 rests on, in words."""
    known = dict(zip(FIGURES, figures, strict=True))
    parts = []
    if not np.isnan(known["purpose"]):
        parts.append(f"{known['purpose']:.0%} of the prompts ask for what trains a model")
    if not np.isnan(known["unused_answers"]):
        unused = known["unused_answers"]
        parts.append(f"{unused:.0%} of the answers were not followed up by whoever got them")
    parts.append(f"about {np.expm1(known['harvest']):,.0f} distinct items were answered")
    return "; ".join(parts)


def _low(scores: FloatArray) -> float:
    known = scores[~np.isnan(scores)]
    return float((known <= LOW).mean()) if len(known) else 0.0


def _low_in_reference(counts: IntArray) -> float:
    """The part of the reference at `LOW` or below, which is an edge of the bins."""
    below = int(counts[: int(np.searchsorted(division.BINS, LOW))].sum())
    return below / max(int(counts.sum()), 1)


def _median(scores: FloatArray) -> str:
    known = scores[~np.isnan(scores)]
    return f"{np.median(known):.1f}" if len(known) else "unknown"


def _typical(counts: IntArray, bins: FloatArray) -> str:
    """Where the middle half of the reference lies, to the bin."""
    if counts.sum() == 0:
        return "no reference"
    cumulated = np.cumsum(counts) / counts.sum()
    low, high = int(np.searchsorted(cumulated, 0.25)), int(np.searchsorted(cumulated, 0.75))
    lower, upper = bins[low], bins[high + 1]
    if np.isinf(upper):
        return f"three quarters above {lower:g}" if not np.isinf(lower) else "anything"
    return f"middle half between {max(lower, -5):g} and {upper:g}"


def _exp(logarithm: float) -> float:
    return float(np.exp(min(logarithm, 690.0)))
