"""The desk behind the appeals' HTTP: the store, and who holds a token."""

from __future__ import annotations

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
    """Keeps and decides appeals in a store."""

    store: Store

    def submit(self, reference: str, text: str, *, now: datetime) -> None:
        """See `Desk.submit`."""
        self.store.appeals.submit(reference, text, now=now)

    def state(self, reference: str, *, now: datetime) -> PublicState:
        """See `Desk.state`."""
        return self.store.appeals.state(reference)

    def decide(self, reference: str, judgement: Judgement, *, token: str, now: datetime) -> Appeal:
        """See `Desk.decide`."""
        try:
            person = self.store.people.authenticate(token)
        except NotAllowedError as error:
            raise UnknownTokenError from error
        return self.store.appeals.decide(reference, judgement, person, now=now)
