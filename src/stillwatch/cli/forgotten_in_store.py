"""An erasure in the store beside a lake: who was acted on, and what they wrote when they appealed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stillwatch.cli.chosen_store import ChosenStore
    from stillwatch.lake.erasure_rules import Wanted

__all__ = ["ForgottenInStore", "forget_in_store"]


@dataclass(frozen=True, slots=True)
class ForgottenInStore:
    """What an erasure reached in a store.

    Attributes:
        actions: That named an account; a keyed token stands there now, and what is in force stays.
        appeals: Whose words were erased.
    """

    actions: int = 0
    appeals: int = 0


def forget_in_store(at: ChosenStore, wanted: Wanted) -> ForgottenInStore | None:
    """Erase from a store; None where there is none.

    By age, words of appeals go that were decided long enough ago.
    """
    from stillwatch.policy.overturned import OVERTURNED, write_overturned

    if not at.is_there:
        return None
    now = datetime.now(UTC)
    with at.opened() as store:
        appeals = store.appeals.erase_texts(now=now, account_ids=sorted(wanted.accounts))
        by_name = frozenset() if wanted.text_only else wanted.accounts
        actions = store.actions.forget(by_name, now=now) if by_name else 0
        store.leave_nothing_behind()
        if by_name and at.lake and (at.lake / OVERTURNED).is_file():
            write_overturned(at.lake, store.appeals.for_calibration())
    return ForgottenInStore(actions, appeals)
