"""An attacker who answers: refused work goes back to the queue, and a blocked account is replaced."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np

from stillwatch.simulation.frame import HOUR, SECOND

__all__ = ["Answer", "Attempt", "Planned", "ReactingAttacker", "Temper"]

_CATCHES_UP_AFTER = (20 * SECOND, 120 * SECOND)


class Answer(Enum):
    """What the gateway made of a request, as far as its sender can tell."""

    ANSWERED = "answered"
    THROTTLED = "throttled"
    """Come back later: the account still works."""
    REFUSED = "refused"
    """The account is of no more use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Temper:
    """How an attacker answers blocks.

    Attributes:
        replaced_after_hours: Mean time, exponential, from the first refusal to the account that
            takes the place: two hours, as in the worlds' reseller network.
        replaced_share: How many accounts can be come by in all, as a part of those it began with: a
            quarter, as there; no limit if None.
        slower: Every wait from the first refusal on is this much longer.
        busier: The most that an account does that still works, as a multiple of its own part.
    """

    replaced_after_hours: float = 2.0
    replaced_share: float | None = 0.25
    slower: float = 1.25
    busier: float = 1.5


@dataclass(frozen=True, slots=True)
class Planned:
    """One request as it would be sent if nobody defended.

    Attributes:
        number: Which row of the world it is.
        account_id: Whose turn it is.
        at: When, us.
        is_work: Whether it serves the campaign; else it is cover.
    """

    number: int
    account_id: str
    at: int
    is_work: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request as it is sent.

    Attributes:
        planned: What is asked.
        account_id: Who sends it.
        at: When, us.
    """

    planned: Planned
    account_id: str
    at: int

    @property
    def is_moved(self) -> bool:
        """Whether another account sends it than would have."""
        return self.account_id != self.planned.account_id


@dataclass(slots=True)
class _Seat:
    """A place in the rota: whoever holds it takes its turns.

    Attributes:
        account_id: The holder; None from its first refusal until another takes the place.
        opens_at: When another does, us; None if nobody will.
        room: How much more than its own turns the holder may do now.
    """

    account_id: str | None
    opens_at: int | None = None
    room: float = 0.0


@dataclass(slots=True)
class ReactingAttacker:
    """Plays a campaign's plan against a gateway, and learns from nothing but its answers.

    While nothing is refused, every request goes out as planned. From the first refusal on, all is
    slower; the refused work waits in the queue, accounts that still work take on more, and after a
    while a new account takes the place of each lost one. Cover that is refused is dropped.

    Attributes:
        plan: In order of time.
        open_account: Makes a new account, ready at a moment (us), and returns its id.
        temper: How it reacts.
        rng: The source of randomness: the same seed and answers give the same attempts.
        lost: Accounts that were given up.
        opened: Accounts that took their places.
    """

    plan: Sequence[Planned]
    open_account: Callable[[int], str]
    temper: Temper
    rng: np.random.Generator
    lost: int = 0
    opened: int = 0
    _seats: dict[str, _Seat] = field(default_factory=dict)
    _queue: deque[Planned] = field(default_factory=deque)
    _next: int = 0
    _slow_from: int | None = None

    def __post_init__(self) -> None:
        self._seats = {p.account_id: _Seat(p.account_id) for p in self.plan}

    @property
    def waiting(self) -> int:
        """Pieces of work in the queue."""
        return len(self._queue)

    def play(self, until: int, ask: Callable[[Attempt], Answer]) -> None:
        """Send what is due before `until` (us); `ask` sends one request and says what became of it."""
        while self._next < len(self.plan):
            planned = self.plan[self._next]
            at = self._moment(planned.at)
            if at >= until:
                return
            self._next += 1
            self._take_turn(planned, at, ask)

    def _moment(self, planned_at: int) -> int:
        if self._slow_from is None:
            return planned_at
        # A plan is never ahead of what it was when the pace fell.
        return self._slow_from + round((planned_at - self._slow_from) * self.temper.slower)

    def _take_turn(self, planned: Planned, at: int, ask: Callable[[Attempt], Answer]) -> None:
        seat = self._seats[planned.account_id]
        if self._works(seat, at):
            if self._slow_from is not None:
                seat.room += self.temper.busier - 1
            self._send(planned, seat, at, ask)
            self._catch_up(seat, at, ask)
        elif planned.is_work:
            other = self._with_room(at)
            if other is None:
                self._queue.append(planned)
            else:
                other.room -= 1
                self._send(planned, other, at, ask)

    def _works(self, seat: _Seat, at: int) -> bool:
        """Whether somebody holds the seat; whoever was to take it by now does."""
        if seat.account_id is None and seat.opens_at is not None and seat.opens_at <= at:
            seat.account_id = self.open_account(seat.opens_at)
            self.opened += 1
        return seat.account_id is not None

    def _with_room(self, at: int) -> _Seat | None:
        able = [s for s in self._seats.values() if s.room >= 1 and self._works(s, at)]
        return able[int(self.rng.integers(len(able)))] if able else None

    def _catch_up(self, seat: _Seat, at: int, ask: Callable[[Attempt], Answer]) -> None:
        if self._queue and seat.account_id is not None and seat.room >= 1:
            seat.room -= 1
            later = at + int(self.rng.integers(*_CATCHES_UP_AFTER))
            self._send(self._queue.popleft(), seat, later, ask)

    def _send(
        self, planned: Planned, seat: _Seat, at: int, ask: Callable[[Attempt], Answer]
    ) -> None:
        assert seat.account_id is not None
        answer = ask(Attempt(planned, seat.account_id, at))
        if answer is Answer.ANSWERED:
            return
        if planned.is_work:
            self._queue.append(planned)
        if answer is Answer.REFUSED:
            self._lose(seat, at)

    def _lose(self, seat: _Seat, at: int) -> None:
        """Give the seat's holder up, and have another take its place if one can be come by."""
        self.lost += 1
        seat.account_id, seat.room = None, 0.0
        wait = int(self.rng.exponential(self.temper.replaced_after_hours) * HOUR)
        share = self.temper.replaced_share
        can_be_had = share is None or self.lost <= share * len(self._seats)
        seat.opens_at = at + wait if can_be_had else None
        if self._slow_from is None:
            self._slow_from = at
