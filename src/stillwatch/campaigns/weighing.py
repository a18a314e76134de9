"""Weigh every group, and decide which are campaigns at a false discovery rate.

Two stages, which together hold the rate (`docs/statistics.md`, theorem 3): clauses 1 and 2 must
each pass a Bonferroni bound over all groups raised, at a twentieth of the rate between them;
clause 3 is then compared with the reference owners, and with crowds as large as the group; e-BH
decides at the rest of the rate, counted by groups and by accounts alike (theorem 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.clauses import (
    MINIMUM_WORK,
    ActsAsOne,
    Scores,
    Work,
    all_act_as_one,
    own_work,
    score_accounts,
    strict_bound,
)
from stillwatch.campaigns.crowds import log_e_of_crowds
from stillwatch.campaigns.declared import MINIMUM, Togetherness, take_out_declared
from stillwatch.campaigns.looks import TIED, History, Look, Outcome, least_bound, one_look
from stillwatch.campaigns.reading import Evidence
from stillwatch.campaigns.tells import SIGNALS, TYING, measure_tells, tying_evidence
from stillwatch.lake.scratch import rest
from stillwatch.linking.copied import leave_out_copied
from stillwatch.linking.groups import Group, group_accounts
from stillwatch.signals import synchrony
from stillwatch.signals.collection import (
    describe_owner,
    describe_owners,
    harvest_score,
    score_of_lesser_half,
)
from stillwatch.signals.owners import Repeats, Wording, read_repeats, read_wording
from stillwatch.signals.tell import Scene, Suspects, Tell
from stillwatch.signals.templates import (
    Fragments,
    SharedShingles,
    mine_fragments,
    share_shingles,
)
from stillwatch.signals.traffic import Traffic

__all__ = [
    "Decision",
    "Prepared",
    "Raised",
    "Weighed",
    "WeighedGroup",
    "as_look",
    "ask_groups",
    "decide",
    "prepare",
    "raise_groups",
    "smallest_rates",
    "weigh",
    "weigh_raised",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WeighedGroup:
    """A group with the evidence of its clauses.

    Attributes:
        named: Those of it who are in it on their own evidence, whom a report names
            (`linking.copied`), less those of whom clause 1 says nothing; where it or clause 2 says
            nothing of anybody, nobody asks for their own evidence.
            Where they are too few for a group, clause 1 has no evidence.
        figures: What describes its work (`collection.FIGURES`).
        score: How much it looks like a harvest, by the half of its members that harvest least;
            compared with the owners' scores.
        surely_one: It passes clauses 1 and 2 at the strict level.
        tied: Part of the members that share a rare fact with another member, or, of a group that
            surely acts as one, with a member of any such group; wording apart.
        log_e_tied: Log of the e-value of the signals that tie accounts otherwise (`tells.TYING`).
        log_e_crowds: Log of the e-value of its work beside that of crowds drawn at random;
            minus infinity where clause 1 or 2 says nothing, so that nobody asks.
    """

    group: Group
    named: Group
    acts: ActsAsOne
    togetherness: Togetherness
    figures: FloatArray
    score: float
    surely_one: bool
    tied: float
    log_e_tied: float
    log_e_crowds: float


@dataclass(frozen=True, slots=True)
class Owners:
    """All owners of the log: accounts with enough work, and declared organisations.

    Attributes:
        accounts: The account, or -1 for an organisation.
        scores: How much each looks like a harvest.
    """

    accounts: IntArray
    scores: FloatArray


@dataclass(frozen=True, slots=True)
class Weighed:
    """All that was weighed on one log at one moment.

    Attributes:
        past: The looks before; None where this is the only one.
    """

    traffic: Traffic
    wording: Wording
    fragments: Fragments
    groups: list[WeighedGroup]
    owners: Owners
    tells: list[Tell]
    past: History | None = None


@dataclass(frozen=True, slots=True)
class Decision(Outcome):
    """What was decided at one rate."""

    def owners_like(self, score: float) -> int:
        """How many owners look at least as much like a harvest."""
        return len(self.reference) - int(np.searchsorted(self.reference, score, side="left"))


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is counted once over a log, and holds for its beginning too."""

    shingles: SharedShingles
    repeats: Repeats


@dataclass(frozen=True, slots=True)
class Raised:
    """The groups of a log, and what clauses 1 and 2 and shared facts say of each.

    Attributes:
        work: The own work of every account.
        scores: Division and synchrony of every account, on which clause 1 rests.
        acts, together, tied: As in `WeighedGroup`, one entry a group.
    """

    fragments: Fragments
    wording: Wording
    work: Work
    scores: Scores
    groups: list[Group]
    acts: list[ActsAsOne]
    together: list[Togetherness]
    tied: list[float]


def prepare(traffic: Traffic) -> Prepared:
    """Count what `weigh` needs of a log at this moment or at an earlier one."""
    prepared = Prepared(share_shingles(traffic), read_repeats(traffic))
    rest()
    return prepared


def raise_groups(
    evidence: Evidence, prepared: Prepared | None = None, *, with_clock: bool = True
) -> Raised:
    """Link the accounts, and ask of each group that comes of it what clauses 1 and 2 ask."""
    prepared = prepared or prepare(evidence.traffic)
    fragments = mine_fragments(evidence.traffic, prepared.shingles)
    rest()
    groups = group_accounts(evidence.traffic, fragments, evidence.facts)
    groups = take_out_declared(groups, evidence.declarations, evidence.facts, evidence.traffic)
    rest()
    return ask_groups(evidence, prepared, fragments, groups, with_clock=with_clock)


def ask_groups(
    evidence: Evidence,
    prepared: Prepared,
    fragments: Fragments,
    groups: list[Group],
    *,
    with_clock: bool = True,
) -> Raised:
    """Ask of each of these groups what clauses 1 and 2 ask, however they were linked.

    Args:
        with_clock: Score synchrony too, which decides nothing.
    """
    traffic, facts = evidence.traffic, evidence.facts
    wording = read_wording(traffic, prepared.repeats)
    rest()
    work = own_work(traffic, wording)
    like = None
    if with_clock:
        of_accounts = synchrony.kinds(traffic, wording.single_turn, evidence.attributes.plan)
        like = synchrony.like_traffic(traffic, of_accounts)
    scores = score_accounts(traffic, work, groups, like=like)
    rest()
    acts = all_act_as_one(scores, len(groups))
    together = [
        evidence.declarations.togetherness(g.accounts, int(traffic.started[g.rows[0]]))
        for g in groups
    ]
    members = [g.accounts for g in groups]
    return Raised(
        fragments=fragments,
        wording=wording,
        work=work,
        scores=scores,
        groups=groups,
        acts=acts,
        together=together,
        tied=facts.tied_shares(members, len(traffic.account_names), _surely_one(acts, together)),
    )


def _surely_one(acts: Sequence[ActsAsOne], together: Sequence[Togetherness]) -> list[bool]:
    """Which groups pass clauses 1 and 2 at the strict level."""
    bound = strict_bound(len(acts))
    return [min(a.log_e, t.log_e) >= bound for a, t in zip(acts, together, strict=True)]


def weigh(
    evidence: Evidence,
    without: frozenset[str] = frozenset(),
    *,
    only_deciding: bool = False,
    prepared: Prepared | None = None,
) -> Weighed:
    """Link, then weigh: nothing here depends on the rate.

    Args:
        without: Names of signals that are not asked.
        only_deciding: Leave out what no decision rests on and only a dossier shows.
        prepared: Of this log, or of a longer one that begins with it.
    """
    raised = raise_groups(evidence, prepared, with_clock=not only_deciding)
    return weigh_raised(evidence, raised, without, only_deciding=only_deciding)


def weigh_raised(
    evidence: Evidence,
    raised: Raised,
    without: frozenset[str] = frozenset(),
    *,
    only_deciding: bool = False,
    of_all: bool = False,
) -> Weighed:
    """Weigh groups that were raised: what ties them, what they collect, and who is named.

    Args:
        without, only_deciding: As in `weigh`.
        of_all: Ask the signals that only show something of groups, too, that no report of this look
            alone can be about; looks before it may let one through.
    """
    traffic, wording, work = evidence.traffic, raised.wording, raised.work
    groups, acts, together = raised.groups, raised.acts, raised.together
    scene = _scene(evidence, wording, groups, together)
    tying = np.zeros(len(groups))
    if only_deciding:
        open_questions = _decided_by_a_tie(acts, together, raised.tied)
        tells = measure_tells(
            replace(scene, groups=[scene.groups[i] for i in open_questions]),
            without | (SIGNALS.keys() - TYING),
        )
        tying[open_questions] = tying_evidence(tells, len(open_questions))
        tells = []
    else:
        tells = measure_tells(scene, without, None if of_all else _able(acts, together))
        tying = tying_evidence(tells, len(groups))
    rest()
    shown = [i for i in range(len(groups)) if min(acts[i].log_e, together[i].log_e) >= 0]
    exchanges = np.diff(work.starts)
    scores = harvest_score(describe_owners(traffic, wording, work.rows, work.starts))
    crowds = np.full(len(groups), -np.inf)
    acting = np.full(len(exchanges), -1)
    surely = _surely_one(acts, together)
    for place, i in enumerate(shown):
        if surely[i]:
            acting[groups[i].accounts] = place
    crowds[shown] = log_e_of_crowds([groups[i].accounts for i in shown], scores, exchanges, acting)
    rest()
    copied = leave_out_copied([groups[i] for i in shown], traffic, raised.fragments)
    named = dict(zip(shown, copied, strict=True))
    rest()
    weighed = []
    for number, group in enumerate(groups):
        own_evidence = _without(named.get(number, group), acts[number].left_out, traffic)
        enough = len(own_evidence.accounts) >= MINIMUM
        weighed.append(
            WeighedGroup(
                group=group,
                named=own_evidence,
                acts=acts[number] if enough else replace(acts[number], log_e=-np.inf),
                togetherness=together[number],
                figures=describe_owner(traffic, wording, group.rows),
                score=score_of_lesser_half(traffic, wording, group.rows),
                surely_one=surely[number],
                tied=raised.tied[number],
                log_e_tied=float(tying[number]),
                log_e_crowds=float(crowds[number]),
            )
        )
    openly = [g for g in weighed if g.togetherness.openly]
    owners = _owners(traffic, scores, openly)
    return Weighed(traffic, wording, raised.fragments, weighed, owners, tells)


def _without(group: Group, left_out: IntArray, traffic: Traffic) -> Group:
    kept = np.setdiff1d(group.accounts, left_out)
    return group if len(kept) == len(group.accounts) else group.only(kept, traffic)


def _decided_by_a_tie(
    acts: list[ActsAsOne], together: list[Togetherness], tied: list[float]
) -> IntArray:
    """Groups that would be held back at some rate without a signal that ties their accounts."""
    able = _able(acts, together)
    return np.array([i for i in able if tied[i] < TIED and not together[i].openly], np.int64)


def _able(acts: Sequence[ActsAsOne], together: Sequence[Togetherness]) -> IntArray:
    """Groups that pass clauses 1 and 2 at some rate."""
    least = least_bound(len(acts), 1.0)
    passing = [min(a.log_e, t.log_e) >= least for a, t in zip(acts, together, strict=True)]
    return np.flatnonzero(passing)


def _scene(
    evidence: Evidence, wording: Wording, groups: list[Group], together: list[Togetherness]
) -> Scene:
    reference = np.ones(len(evidence.traffic.account_names), np.bool_)
    for group in groups:
        reference[group.accounts] = False
    suspects = [
        Suspects(g.accounts, g.rows, t.openly) for g, t in zip(groups, together, strict=True)
    ]
    return Scene(
        evidence.traffic,
        wording,
        evidence.attributes,
        evidence.facts,
        evidence.sightings,
        suspects,
        reference,
        evidence.handovers,
        evidence.releases,
    )


def _owners(traffic: Traffic, scores: FloatArray, openly: list[WeighedGroup]) -> Owners:
    """Every account with enough work as an owner of its own, and every open group as one."""
    exchanges = traffic.exchanges
    enough = np.flatnonzero(exchanges >= MINIMUM_WORK)
    return Owners(
        accounts=np.concatenate([enough, np.full(len(openly), -1)]),
        scores=np.concatenate([scores[enough], [float(harvest_score(g.figures)) for g in openly]]),
    )


def as_look(weighed: Weighed, numbers: IntArray | None = None) -> Look:
    """What a decision rests on.

    Args:
        numbers: The number in a longer log of each account of this one.
    """
    groups, owners = weighed.groups, weighed.owners
    order = np.argsort(owners.scores, kind="stable")
    own = owners.accounts[order]
    if numbers is None:
        numbers = np.arange(len(weighed.traffic.account_names))
    return Look(
        accounts=[numbers[g.group.accounts] for g in groups],
        named=[numbers[g.named.accounts] for g in groups],
        openly=np.array([g.togetherness.openly for g in groups], np.bool_),
        log_e=np.array([[g.acts.log_e, g.togetherness.log_e] for g in groups]).reshape(-1, 2),
        tied=np.array([g.tied for g in groups]),
        log_e_tied=np.array([g.log_e_tied for g in groups]),
        log_e_crowds=np.array([g.log_e_crowds for g in groups]),
        scores=np.array([g.score for g in groups]),
        owners=np.where(own < 0, -1, numbers[own]),
        owner_scores=owners.scores[order],
    )


def decide(weighed: Weighed, rate: float) -> Decision:
    """Which groups are reported at this false discovery rate, of groups and of accounts.

    Accusing a class of 300 is not one error, so the accounts of wrongly reported groups are held to
    be at most this part of all accounts reported, too. With a past, the rate is that of all looks
    together; without, that of this one.
    """
    outcome = _outcome(weighed, as_look(weighed), rate)
    return Decision(**{f.name: getattr(outcome, f.name) for f in fields(outcome)})


def _outcome(weighed: Weighed, look: Look, rate: float) -> Outcome:
    return one_look(look, rate) if weighed.past is None else weighed.past.decide(look, rate)


def smallest_rates(weighed: Weighed, indices: list[int]) -> dict[int, float]:
    """For each group, the smallest rate (on a fine grid) at which it would still be reported."""
    look = as_look(weighed)
    past = 0 if weighed.past is None else weighed.past.most_owners
    # No e-value of clause 3 exceeds one more than the owners, so e-BH rejects nothing at a rate
    # below its inverse; by half of that, rounding does not matter.
    least = 0.5 / (max(len(look.owners), past) + 1)
    smallest = dict.fromkeys(indices, 1.0)
    unknown = set(indices)
    for rate in np.geomspace(1.0, 1e-6, 241)[::-1]:
        if rate < least:
            continue
        if not unknown:
            break
        reported = _outcome(weighed, look, float(rate)).reported
        smallest |= {index: float(rate) for index in unknown if reported[index]}
        unknown = {index for index in unknown if not reported[index]}
    return smallest
