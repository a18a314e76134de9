"""What is to be done with one request: the one decision that all adapters ask for."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from typing import Protocol

from stillwatch.enforcement.asking import Asked, Decision
from stillwatch.enforcement.clocks import SteadyClock
from stillwatch.enforcement.counters import Counters, ProcessCounters
from stillwatch.enforcement.falling import Fall
from stillwatch.enforcement.identifying import Identifier, Identity
from stillwatch.enforcement.snapshot import SEVERAL, Record, Snapshot
from stillwatch.enforcement.snapshot_format import MEASURES, NONE, STEPS
from stillwatch.records.actions import Countermeasure, Step

__all__ = ["Decider", "HoldsSnapshot", "Tally"]

_log = logging.getLogger(__name__)
_PASS = Decision()
_NO_RECORDS: list[Record] = []
_Subjects = tuple[list[int], list[int]]
"""The first action on each subject of a request, and the accounts it is of."""
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
        unknown: Requests of whom the snapshot says nothing in force; they pass.
        known: Requests with an action in force.
        without_snapshot: Requests before the first snapshot; they pass.
        failed: Decisions that an error of ours prevented; they pass.
    """

    anonymous: int = 0
    unknown: int = 0
    known: int = 0
    without_snapshot: int = 0
    failed: int = 0
    _pairs: dict[str, int] = field(default_factory=dict)
    _done: dict[str, int] = field(default_factory=dict)

    def count(self, step: Step) -> None:
        """A decision was to do this step."""
        # Keyed by their texts: the hash of an enumeration's member takes a call.
        name = step._value_
        self._done[name] = self._done.get(name, 0) + 1

    def count_fallen(self, wanted: Step, done: Step) -> None:
        """An action's step could not be done, and a milder one was."""
        name = f"{wanted} {done}"
        self._pairs[name] = self._pairs.get(name, 0) + 1

    @property
    def done(self) -> dict[Step, int]:
        """By the step that was done."""
        return {Step(name): count for name, count in self._done.copy().items()}

    @property
    def fallen(self) -> dict[tuple[Step, Step], int]:
        """By the step that was wanted and the milder one that the adapter could do."""
        pairs = ((name.split(" "), count) for name, count in self._pairs.copy().items())
        return {(Step(wanted), Step(done)): count for (wanted, done), count in pairs}


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
        token = self._identifier.only_credential(asked)
        if token is not None:
            record = snapshot.only_record(token)
            if record is None:
                self.tally.unknown += 1
                return _PASS
            if record is not SEVERAL and record[6] == NONE:
                return self._by_one(snapshot, record, possible)
        return self._by_all(snapshot, self._identifier.identity_of(asked), possible)

    def _by_one(self, snapshot: Snapshot, record: Record, possible: frozenset[Step]) -> Decision:
        """The decision by the only action there is, as most are."""
        if not record[7] <= self._clock.now() * 1000 < record[8]:
            self.tally.unknown += 1
            return _PASS
        self.tally.known += 1
        wanted, step = STEPS[record[0]], self._fall.of(record, possible)
        if step is Step.THROTTLE or step is Step.WITHHOLD:
            decision = self._hardest(snapshot, [record], possible)
            step = decision.step
        else:
            if step is not wanted:
                self.tally.count_fallen(wanted, step)
            decision = _decision(snapshot, record, step, wanted)
        self.tally.count(step)
        return decision

    def _by_all(
        self, snapshot: Snapshot, identity: Identity, possible: frozenset[Step]
    ) -> Decision:
        """The decision by all that a request shows of itself."""
        subjects = _subjects(snapshot, identity)
        records = self._in_force(snapshot, subjects) if subjects else _NO_RECORDS
        if not records:
            if identity.credentials or identity.account:
                self.tally.unknown += 1
            else:
                self.tally.anonymous += 1
            return _PASS
        self.tally.known += 1
        decision = self._hardest(snapshot, records, possible)
        self.tally.count(decision.step)
        return decision

    def _in_force(self, snapshot: Snapshot, subjects: _Subjects) -> list[Record]:
        """The actions that are about this request and in force now."""
        firsts, accounts = subjects
        now = self._clock.now() * 1000
        found = []
        for first in firsts:
            for record in snapshot.records_at(first):
                owner = record[6]
                if record[7] <= now < record[8] and (owner == NONE or owner in accounts):
                    found.append(record)
        return found

    def _hardest(
        self, snapshot: Snapshot, records: list[Record], possible: frozenset[Step]
    ) -> Decision:
        done = [(self._fall.of(record, possible), record) for record in records]
        for step, record in done:
            if step is not STEPS[record[0]]:
                self.tally.count_fallen(STEPS[record[0]], step)
        done.sort(key=lambda pair: (pair[0].rank, pair[1][0]), reverse=True)
        wanted = STEPS[max(record[0] for record in records)]
        charged: set[int] = set()
        for step, record in done:
            if step is Step.THROTTLE:
                group = record[4]
                wait = 0 if group in charged else self._wait(snapshot, record)
                charged.add(group)
                if wait:
                    return _decision(snapshot, record, step, wanted, wait=wait)
                continue
            if step is Step.WITHHOLD:
                withheld = [MEASURES[r[1]] for s, r in done if s is Step.WITHHOLD]
                measures = _NOTHING.union(*withheld)
                return _decision(snapshot, record, step, wanted, measures=measures)
            return _decision(snapshot, record, step, wanted)
        return _decision(snapshot, done[0][1], Step.OBSERVE, wanted)

    def _wait(self, snapshot: Snapshot, record: Record) -> int:
        return self._counters.wait_of(snapshot.group_name(record[4]), record[5])


def _subjects(snapshot: Snapshot, identity: Identity) -> _Subjects | None:
    """Whom and what a request is of, as far as there are actions on it; None where there are none."""
    credentials, account_token, conversation, shape = identity
    firsts: list[int] = []
    accounts: list[int] = []
    for key in credentials:
        found = snapshot.find(key)
        if found is not None:
            first, account = found
            if first != NONE:
                firsts.append(first)
            accounts.append(account)
    if account_token is not None:
        # The gateway knows who is billed; what we once knew of the credential does not count.
        found = snapshot.find(account_token)
        accounts = [] if found is None else [found[1]]
    firsts += [account for account in accounts if account < snapshot.actions]
    if conversation is not None or shape is not None:
        for token in (conversation, shape):
            found = None if token is None else snapshot.find(token)
            if found is not None and found[0] != NONE:
                firsts.append(found[0])
    return (firsts, accounts) if firsts else None


# A frozen dataclass is made three times faster without its `__init__`, which is a quarter of the
# whole decision.
_new = object.__new__
(
    _set_wanted,
    _set_step,
    _set_reference,
    _set_retry_after_seconds,
    _set_countermeasures,
    _set_group,
    _set_is_known,
    _set_is_refused,
) = (getattr(Decision, member.name).__set__ for member in fields(Decision))


def _decision(
    snapshot: Snapshot,
    record: Record,
    step: Step,
    wanted: Step,
    *,
    wait: int | None = None,
    measures: frozenset[Countermeasure] = _NOTHING,
) -> Decision:
    is_refused = step is Step.BLOCK or step is Step.VERIFY or step is Step.THROTTLE
    shows_reference = is_refused or step is Step.WITHHOLD
    decision = _new(Decision)
    _set_wanted(decision, wanted)
    _set_step(decision, step)
    _set_reference(decision, record[9].hex() if shows_reference else None)
    _set_retry_after_seconds(decision, wait)
    _set_countermeasures(decision, measures)
    _set_group(decision, snapshot.group_name(record[4]))
    _set_is_known(decision, True)
    _set_is_refused(decision, is_refused)
    return decision
