"""An attacker who reads our findings, changes one dial at a time, and keeps what serves him.

He wants a million answers with as few accounts as he can. Against limits on single accounts he needs
as many accounts as that limit goes into a million. Against the scan he needs as many as the answers
each account brings home before it is flagged go into it. The second number divided by the first is
what the scan costs him.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

__all__ = ["WANTED", "Outcome", "Strategy", "play", "price"]

WANTED = 1_000_000
"""Answers that the attacker wants."""

_HIGHEST = 3
_DIALS = ("identity", "wording", "timing", "cover")

# Words in a signal's name that tell the attacker which dial it reads. What he cannot place, he
# answers with cover.
_READ_BY: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("identity", ("fact", "cohort", "client", "credential", "key", "payment", "device", "network")),
    (
        "wording",
        ("template", "wording", "division", "purpose", "collect", "probing", "continuation"),
    ),
    (
        "timing",
        ("synchron", "clock", "failover", "volume", "round_the_clock", "level", "closure", "pivot"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """How the attacker plays one round.

    Attributes:
        identity, wording, timing, cover: The dials (`stillwatch simulate --evasion`).
        each: Exchanges of each account, cover included.
    """

    identity: int = 0
    wording: int = 0
    timing: int = 0
    cover: int = 0
    each: int

    @property
    def evasion(self) -> str:
        return ",".join(f"{dial}={getattr(self, dial)}" for dial in _DIALS)

    def moves(self, reasons: Mapping[str, int]) -> list[Strategy]:
        """One step from here: each dial up by one, those that the findings name most first.

        Last comes sending half as much from each account.
        """
        named = Counter[str]()
        for signal, times in reasons.items():
            named[_dial_read_by(signal)] += times
        order = sorted(_DIALS, key=lambda dial: (-named[dial], _DIALS.index(dial)))
        steps = [
            replace(self, **{dial: getattr(self, dial) + 1})
            for dial in order
            if getattr(self, dial) < _HIGHEST
        ]
        return [*steps, replace(self, each=self.each // 2)] if self.each > 1 else steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a round brought.

    Attributes:
        accounts: Accounts he used.
        answers: Answers he collected before each account was flagged; all of an account's that
            never was.
        flagged: Accounts that were flagged.
        reasons: How often each signal is named in the findings he reads.
    """

    accounts: int
    answers: int
    flagged: int
    reasons: Mapping[str, int]

    @property
    def per_account(self) -> float:
        return self.answers / self.accounts if self.accounts else 0.0


def _dial_read_by(signal: str) -> str:
    for dial, words in _READ_BY:
        if any(word in signal for word in words):
            return dial
    return "cover"


def play(
    first: Strategy, attempt: Callable[[Strategy], Outcome], *, rounds: int
) -> list[tuple[Strategy, Outcome]]:
    """Every round he plays, in order.

    He keeps a change that costs him no answers an account, takes back one that does, and never tries
    the same twice. He stops when his budget of rounds is spent or no change is left.

    Args:
        first: How he begins.
        attempt: Plays one strategy against the scan.
        rounds: His budget.
    """
    played = [(first, attempt(first))]
    tried = {first}
    best, outcome = played[0]
    while len(played) < rounds:
        step = next((s for s in best.moves(outcome.reasons) if s not in tried), None)
        if step is None:
            break
        tried.add(step)
        result = attempt(step)
        played.append((step, result))
        if result.per_account >= outcome.per_account:
            best, outcome = step, result
    return played


def price(rounds: Sequence[tuple[Strategy, Outcome]], limit: int) -> dict[str, Any]:
    """What the scan costs the attacker at the best of his strategies.

    Args:
        rounds: As `play` returns them.
        limit: Answers that a limit on single accounts lets each account collect.

    Returns:
        `limit`; `needs_against_limits` and `needs_against_scan`: accounts for a million answers;
        `ratio`: the second over the first, infinite where no account brings home anything;
        `rounds`: each strategy with its outcome.
    """
    best = max(outcome.per_account for _, outcome in rounds)
    return {
        "limit": limit,
        "needs_against_limits": -(-WANTED // limit),
        "needs_against_scan": -(-WANTED // best) if best else None,
        "ratio": max(1.0, limit / best) if best else None,
        "rounds": [
            asdict(strategy) | asdict(outcome) | {"per_account": round(outcome.per_account, 2)}
            for strategy, outcome in rounds
        ],
    }
