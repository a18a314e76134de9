"""The desk behind the appeals' HTTP: the store, and who holds a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from stillwatch.enforcement.appeals_app import UnknownTokenError
from stillwatch.policy.appeals import Appeal, Judgement, PublicState
from stillwatch.policy.store.principals import NotAllowedError

if TYPE_CHECKING:
    from stillwatch.policy.store import Store

__all__ = ["StoreDesk"]


@dataclass(frozen=True, slots=True)
class StoreDesk:
    """Keeps and decides appeals in a store.

    Attributes:
        opened: Gives the store, or raises where it is away.
    """

    opened: Callable[[], Store]

    def submit(self, reference: str, text: str, *, now: datetime) -> None:
        """See `Desk.submit`."""
        self.opened().appeals.submit(reference, text, now=now)

    def state(self, reference: str, *, now: datetime) -> PublicState:
        """See `Desk.state`."""
        return self.opened().appeals.state(reference)

    def decide(self, reference: str, judgement: Judgement, *, token: str, now: datetime) -> Appeal:
        """See `Desk.decide`."""
        store = self.opened()
        try:
            person = store.people.authenticate(token)
        except NotAllowedError as error:
            raise UnknownTokenError from error
        return store.appeals.decide(reference, judgement, person, now=now)
