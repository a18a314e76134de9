"""What is to be done with one request: the one decision that all adapters ask for."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from stillwatch.enforcement.asking import Asked, Decision
from stillwatch.enforcement.clocks import SteadyClock
from stillwatch.enforcement.counters import Counters, ProcessCounters
from stillwatch.enforcement.falling import Fall
from stillwatch.enforcement.identifying import Identifier, Identity
from stillwatch.enforcement.snapshot import Snapshot, Standing
from stillwatch.enforcement.snapshot_format import NONE
from stillwatch.records.actions import Countermeasure, Step

__all__ = ["Decider", "HoldsSnapshot", "Tally"]

_log = logging.getLogger(__name__)
_PASS = Decision()
_NOTHING: frozenset[Countermeasure] = frozenset()


class HoldsSnapshot(Protocol):
    """Who has the newest snapshot; None before the first."""

    @property
    def snapshot(self) -> Snapshot | None: ...


@dataclass(slots=True)
class Tally:
    """How often what was decided since the start; nobody's name is in it.

    Attributes:
        anonymous: Requests that bore nothing to know anybody by.
        unknown: Requests of whom the snapshot says nothing; they pass.
        known: Requests with an action in force.
        without_snapshot: Requests before the first snapshot; they pass.
        failed: Decisions that an error of ours prevented; they pass.
        done: By the step that was done.
        fallen: By the step that was wanted and the milder one that the adapter could do.
    """

    anonymous: int = 0
    unknown: int = 0
    known: int = 0
    without_snapshot: int = 0
    failed: int = 0
    done: Counter[Step] = field(default_factory=Counter)
    fallen: Counter[tuple[Step, Step]] = field(default_factory=Counter)


class Decider:
    """Answers adapters from a snapshot in memory; it asks nobody and waits for nothing.

    Args:
        source: Whose snapshot is obeyed.
        identifier: Finds out who is asking.
        counters: The budgets of linked groups.
        clock: By which actions begin and end.
        fails_open: Whether a request goes on when an error of ours prevents the decision.
    """

    def __init__(
        self,
        source: HoldsSnapshot,
        identifier: Identifier,
        *,
        counters: Counters | None = None,
        clock: SteadyClock | None = None,
        fails_open: bool = True,
    ) -> None:
        self._source = source
        self._identifier = identifier
        self._counters = counters or ProcessCounters()
        self._clock = clock or SteadyClock()
        self._fails_open = fails_open
        self._fall = Fall()
        self.tally = Tally()

    def decide(self, asked: Asked, possible: frozenset[Step]) -> Decision:
        """What is to be done with a request, where only some steps are possible.

        Of several actions the hardest wins, as far as the adapter can do it. A step that it cannot
        do falls to a milder one, never to a harder.
        """
        try:
            return self._decided(asked, possible)
        except Exception:
            if not self._fails_open:
                raise
            self.tally.failed += 1
            # Not the error's text: it may hold what the request said.
            _log.error("a decision failed, and the request passed", exc_info=False)
            return _PASS

    def _decided(self, asked: Asked, possible: frozenset[Step]) -> Decision:
        snapshot = self._source.snapshot
        if snapshot is None:
            self.tally.without_snapshot += 1
            return _PASS
        identity = self._identifier.identity_of(asked)
        standing = self._in_force(snapshot, identity)
        if not standing:
            if identity.credentials or identity.account:
                self.tally.unknown += 1
            else:
                self.tally.anonymous += 1
            return _PASS
        self.tally.known += 1
        decision = self._hardest(snapshot, standing, possible)
        self.tally.done[decision.step] += 1
        return decision

    def _in_force(self, snapshot: Snapshot, identity: Identity) -> list[Standing]:
        """The actions that are about this request and in force now."""
        found = _about(snapshot, identity)
        if not found:
            return found
        now = self._clock.now() * 1000
        return [one for one in found if one.begins_ms <= now < one.ends_ms]

    def _hardest(
        self, snapshot: Snapshot, standing: list[Standing], possible: frozenset[Step]
    ) -> Decision:
        done = [(self._fall.of(one, possible), one) for one in standing]
        if len(done) > 1:
            done.sort(key=lambda pair: (pair[0].rank, pair[1].step.rank), reverse=True)
        for step, one in done:
            if step is not one.step:
                self.tally.fallen[one.step, step] += 1
        wanted = done[0][1].step if len(done) == 1 else _hardest_wanted(standing)
        charged: set[int] = set()
        for step, one in done:
            if step is Step.THROTTLE:
                wait = 0 if one.group in charged else self._wait(snapshot, one)
                charged.add(one.group)
                if wait:
                    return _decision(snapshot, one, step=step, wanted=wanted, wait=wait)
                continue
            measures = _NOTHING
            if step is Step.WITHHOLD:
                withheld = [other.countermeasures for s, other in done if s is Step.WITHHOLD]
                measures = _NOTHING.union(*withheld)
            return _decision(snapshot, one, step=step, wanted=wanted, measures=measures)
        return _decision(snapshot, done[0][1], step=Step.OBSERVE, wanted=wanted)

    def _wait(self, snapshot: Snapshot, one: Standing) -> int:
        budget = one.requests_per_minute or 0
        return self._counters.wait_of(snapshot.group_name(one.group), budget)


def _about(snapshot: Snapshot, identity: Identity) -> list[Standing]:
    """All actions of a snapshot on who and what is asking, whenever they begin and end."""
    firsts = []
    accounts = []
    for key in identity.credentials:
        found = snapshot.find(key)
        if found is not None:
            if found.first_action != NONE:
                firsts.append(found.first_action)
            accounts.append(found.account)
    if identity.account is not None:
        # The gateway knows who is billed; what we once knew of the credential does not count.
        found = snapshot.find(identity.account)
        accounts = [] if found is None else [found.account]
    for account in accounts:
        if account != NONE:
            first = snapshot.first_of_account(account)
            if first != NONE:
                firsts.append(first)
    about = [one for first in firsts for one in snapshot.standing_at(first)]
    for token in (identity.conversation, identity.shape):
        found = snapshot.find(token) if token is not None else None
        if found is not None and found.first_action != NONE:
            bound = snapshot.standing_at(found.first_action)
            about += [one for one in bound if one.owner == NONE or one.owner in accounts]
    return about


def _hardest_wanted(standing: list[Standing]) -> Step:
    return max((one.step for one in standing), key=lambda step: step.rank)


def _decision(
    snapshot: Snapshot,
    one: Standing,
    *,
    step: Step,
    wanted: Step,
    wait: int | None = None,
    measures: frozenset[Countermeasure] = _NOTHING,
) -> Decision:
    is_refused = step in (Step.BLOCK, Step.VERIFY, Step.THROTTLE)
    return Decision(
        wanted=wanted,
        step=step,
        reference=one.reference if is_refused or step is Step.WITHHOLD else None,
        retry_after_seconds=wait,
        countermeasures=measures,
        group=snapshot.group_name(one.group),
        is_known=True,
        is_refused=is_refused,
    )
