"""Facts that accounts share: payment, device, network, client, reasoning blocks, history.

Weighted by rarity in this population, never by a list. Card: `docs/signals/shared_facts.md`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stillwatch.lake.log import Log
from stillwatch.lake.queries import load_query

__all__ = ["FAMILIES", "Facts", "read_shared_facts"]

IntArray = npt.NDArray[np.int64]

FAMILIES: dict[str, str] = {
    "payment": "payment",
    "device": "device",
    "client": "device",
    "metadata": "device",
    "phone": "contact",
    "email": "contact",
    "signup_network": "network",
    "network": "network",
    "credential": "credential",
    "end_user": "end_user",
    "cache_key": "cache_key",
    "conversation": "history",
    "continuation": "history",
    "reasoning_block": "reasoning_block",
}
"""Facts of one family depend on each other (one machine has one address): a pair of accounts is
credited with its rarest shared fact of each family, not with all of them."""


_MET_BY_CHANCE = frozenset({"client", "metadata", "network", "signup_network"})


@dataclass(frozen=True, slots=True)
class Facts:
    """One entry for each account and shared value.

    Attributes:
        kinds: Names of the kinds; `kind` holds positions in it.
        accounts: Position of the account in the traffic's `account_names`.
        value: Dense number of the value.
        exchanges: Exchanges of the account that show it (1 for facts of sign-up).
        first_seen: Microseconds since 1970 from which it was known.
    """

    kinds: tuple[str, ...]
    kind: IntArray
    accounts: IntArray
    value: IntArray
    exchanges: IntArray
    first_seen: IntArray

    @property
    def kept_by_one_hand(self) -> npt.NDArray[np.bool_]:
        """Facts that strangers do not meet in: not networks, not clients."""
        return np.isin(self.kind, [i for i, k in enumerate(self.kinds) if k not in _MET_BY_CHANCE])

    def rare(self, active: int) -> npt.NDArray[np.bool_]:
        """Values that fewer accounts hold than the root of N: an answer of one word is history too."""
        holders = np.bincount(self.value, minlength=int(self.value.max(initial=-1)) + 1)
        return np.asarray(holders[self.value] <= np.sqrt(active))

    def tie(self, some: IntArray, others: IntArray, active: int) -> bool:
        """Do the two sets of accounts share what one hand must have held?

        A card, a device, a contact, a key, a history or a reasoning block that fewer accounts hold
        than the root of N. Networks and clients do not count: strangers meet there.
        """
        held = self.kept_by_one_hand & self.rare(active)
        size = int(self.value.max(initial=-1)) + 1
        in_some = np.bincount(self.value[held & np.isin(self.accounts, some)], minlength=size) > 0
        in_others = (
            np.bincount(self.value[held & np.isin(self.accounts, others)], minlength=size) > 0
        )
        return bool((in_some & in_others).any())

    def until(self, moment: int) -> Facts:
        """What was known before `moment`, values now held by one account included."""
        known = self.first_seen < moment
        return Facts(
            self.kinds,
            self.kind[known],
            self.accounts[known],
            self.value[known],
            self.exchanges[known],
            self.first_seen[known],
        )


def read_shared_facts(log: Log, account_names: npt.NDArray[np.str_]) -> Facts:
    """All facts that two accounts or more share, of accounts that have exchanges."""
    result: pa.Table = log.connection.sql(load_query("shared_facts")).to_arrow_table()
    names = np.asarray(result["account_id"].to_pylist(), dtype=np.str_)
    position = np.searchsorted(account_names, names) if len(account_names) else np.zeros(0, int)
    position = np.minimum(position, max(len(account_names) - 1, 0))
    active = (
        account_names[position] == names
        if len(names) and len(account_names)
        else np.zeros(len(names), np.bool_)
    )
    kinds, kind = np.unique(
        np.asarray(result["kind"].to_pylist(), dtype=np.str_), return_inverse=True
    )
    _, value = np.unique(result["value"].to_numpy(), return_inverse=True)
    return Facts(
        tuple(str(k) for k in kinds),
        kind[active].astype(np.int64),
        position[active].astype(np.int64),
        value[active].astype(np.int64),
        result["exchanges"].to_numpy()[active].astype(np.int64),
        result["first_seen"].to_numpy()[active].astype(np.int64),
    )
