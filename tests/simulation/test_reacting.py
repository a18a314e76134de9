"""The attacker who answers: what he does depends on nothing but his plan, his seed and the answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from stillwatch.evaluation.defence.reacting import (
    Answer,
    Attempt,
    Planned,
    ReactingAttacker,
    Temper,
)
from stillwatch.simulation.frame import HOUR

_END = 1_000 * HOUR


@dataclass
class _Gateway:
    """Refuses whoever is blocked, and remembers what it was asked."""

    blocked: set[str] = field(default_factory=set)
    throttled: set[str] = field(default_factory=set)
    asked: list[Attempt] = field(default_factory=list)
    answered: list[Attempt] = field(default_factory=list)

    def __call__(self, attempt: Attempt) -> Answer:
        self.asked.append(attempt)
        if attempt.account_id in self.blocked:
            return Answer.REFUSED
        if attempt.account_id in self.throttled:
            return Answer.THROTTLED
        self.answered.append(attempt)
        return Answer.ANSWERED


def _plan(accounts: int, hours: int, *, cover_each: int = 0) -> list[Planned]:
    """Each account asks once an hour; every so many-th request is cover."""
    turns = [(hour, account) for hour in range(hours) for account in range(accounts)]
    return [
        Planned(n, f"a{account}", hour * HOUR + account, not cover_each or n % cover_each > 0)
        for n, (hour, account) in enumerate(turns)
    ]


def _attacker(
    plan: list[Planned], seed: int = 1, *, replaced: float | None = None, **temper: float
) -> ReactingAttacker:
    names = iter(range(10_000))
    return ReactingAttacker(
        plan,
        lambda _: f"new{next(names)}",
        Temper(replaced_share=replaced, **temper),
        np.random.default_rng(seed),
    )


def test_while_nothing_is_refused_the_plan_is_what_happens() -> None:
    """Every request as planned, at its time, from its account, and no account is opened."""
    plan, gateway = _plan(5, 20), _Gateway()
    attacker = _attacker(plan)

    attacker.play(_END, gateway)

    assert [(a.planned, a.account_id, a.at) for a in gateway.asked] == [
        (p, p.account_id, p.at) for p in plan
    ]
    assert (attacker.opened, attacker.lost, attacker.waiting) == (0, 0, 0)


def test_a_blocked_account_is_given_up_and_replaced() -> None:
    """One refusal is enough to see it, and its place is taken by an account never seen before."""
    gateway = _Gateway(blocked={"a0"})
    attacker = _attacker(_plan(5, 60))

    attacker.play(_END, gateway)

    assert sum(a.account_id == "a0" for a in gateway.asked) == 1
    assert (attacker.lost, attacker.opened) == (1, 1)
    assert any(a.account_id == "new0" for a in gateway.answered)


def test_no_work_is_lost_while_there_is_somebody_to_do_it() -> None:
    """What was refused is asked again, by others, until it is answered; nothing is asked twice."""
    plan, gateway = _plan(6, 80), _Gateway(blocked={"a0", "a1", "a2"})
    attacker = _attacker(plan)

    attacker.play(_END, gateway)

    answered = Counter(a.planned.number for a in gateway.answered)
    assert set(answered.values()) == {1}
    assert len(answered) + attacker.waiting == len(plan)
    assert attacker.waiting < 20


def test_cover_that_is_refused_is_dropped() -> None:
    """Only work goes back to the queue."""
    plan, gateway = _plan(5, 50, cover_each=2), _Gateway(blocked={"a0"})
    attacker = _attacker(plan, replaced=0.0)

    attacker.play(_END, gateway)

    moved = [a for a in gateway.answered if a.is_moved]
    assert moved
    assert all(a.planned.is_work for a in moved)


def test_from_the_first_refusal_on_the_rhythm_is_slower() -> None:
    """Every wait is longer by the same factor, and what went before is not moved."""
    plan, gateway = _plan(1, 20), _Gateway(throttled=set())
    attacker = _attacker(plan, slower=2.0, busier=1.0, replaced_after_hours=1e-6)
    attacker.play(10 * HOUR, gateway)
    gateway.blocked = {"a0"}

    attacker.play(_END, gateway)

    times = [a.at for a in gateway.asked]
    gaps = np.diff(times)
    assert set(gaps[:10].tolist()) == {HOUR}
    assert set(gaps[11:].tolist()) == {2 * HOUR}


def test_nobody_does_more_than_is_said() -> None:
    """Accounts that still work take on at most half as much again as their own turns."""
    plan, gateway = _plan(4, 200), _Gateway(blocked={"a0", "a1", "a2"})
    attacker = _attacker(plan, replaced=0.0, busier=1.5)

    attacker.play(_END, gateway)

    of_last = [a for a in gateway.answered if a.account_id == "a3"]
    own = sum(not a.is_moved for a in of_last)
    assert own < len(of_last) <= 1.5 * own + 1


def test_accounts_can_run_out() -> None:
    """No more take the places of blocked ones than can be come by."""
    gateway = _Gateway(blocked={f"a{n}" for n in range(10)})
    attacker = _attacker(_plan(10, 60), replaced=0.3)

    attacker.play(_END, gateway)

    assert attacker.opened == 3
    assert {a.account_id for a in gateway.answered} == {"new0", "new1", "new2"}


def test_a_throttled_account_is_kept() -> None:
    """Too many requests is no ban: the work waits, and the account goes on."""
    gateway = _Gateway(throttled={"a0"})
    attacker = _attacker(_plan(3, 30))

    attacker.play(_END, gateway)

    assert (attacker.lost, attacker.opened) == (0, 0)
    assert sum(a.account_id == "a0" for a in gateway.asked) >= 30


def test_the_same_seed_gives_the_same_attempts() -> None:
    """And another seed others; whether it is played in one go or in pieces does not matter."""
    runs = []
    for seed, steps in ((7, [_END]), (7, [10 * HOUR, 33 * HOUR, _END]), (8, [_END])):
        gateway = _Gateway(blocked={"a0", "a1"})
        attacker = _attacker(_plan(5, 60), seed=seed)
        for until in steps:
            attacker.play(until, gateway)
        runs.append([(a.planned.number, a.account_id, a.at) for a in gateway.asked])

    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
