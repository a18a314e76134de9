"""Facts that accounts share: payment, device, network, client, reasoning blocks, history.

Weighted by rarity in this population, never by a list. Card: `docs/signals/shared_facts.md`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_matrix

from stillwatch.lake.log import Log
from stillwatch.signals.places import Places

__all__ = ["FAMILIES", "Facts", "Sightings", "read_sightings"]

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


_COMES_WITH_A_PLACE = frozenset({"network", "signup_network"})
_MET_BY_CHANCE = _COMES_WITH_A_PLACE | {"client", "metadata"}
_COMES_WITH_A_PROGRAM = frozenset({"client", "metadata", "cache_key", "end_user"})
_COMES_WITH_WORDING = frozenset({"continuation"})  # like questions, like short answers
_IS_PASSED_ON = frozenset({"conversation", "reasoning_block"})  # replay and continuation tell how
_OPENED_WITH = frozenset({"payment", "phone", "email"})
_TIES_NOBODY = _COMES_WITH_A_PLACE | _COMES_WITH_A_PROGRAM | _COMES_WITH_WORDING | _IS_PASSED_ON


@dataclass(frozen=True)
class Facts:
    """One entry for each account and shared value.

    Attributes:
        kinds: Names of the kinds; `kind` holds positions in it.
        accounts: Position of the account in the traffic's `account_names`.
        value: Dense number of the value.
        exchanges: Exchanges of the account that show it (1 for facts of sign-up).
    """

    kinds: tuple[str, ...]
    kind: IntArray
    accounts: IntArray
    value: IntArray
    exchanges: IntArray

    def of_accounts(self, accounts: IntArray) -> IntArray:
        """The entries of these accounts, ascending; each account is given once."""
        return self._by_account.of(accounts)

    @cached_property
    def _by_account(self) -> Places:
        return Places.of_column(self.accounts)

    def tied_shares(
        self, groups: Sequence[IntArray], active: int, allied: Sequence[bool] | None = None
    ) -> list[float]:
        """The part of each group's accounts that share a rare value which no one honest cause explains.

        With another of the group; in an allied group, with one of any allied group.

        A program brings its client, its request metadata, its cache key and the end user it names,
        beside its wording; a place brings networks, and machines that people use in turns; who asks
        alike is answered alike; a block is published, a conversation bears the name of an exercise,
        and who really took one over is asked by `replay` and `continuation`. So these do not count,
        nor does a device two of whose holders were seen on one network, or any device where the log
        tells no networks: what cannot be seen is held against nobody.

        Args:
            groups: Positions of accounts, ascending.
            active: Accounts that have exchanges.
            allied: Groups that surely act as one: an operator who splits his pool by wording deals
                his cards over all of it.
        """
        allied = allied or [False] * len(groups)
        pool, partners = _pools(groups, allied)
        entries, which = self._by_account.each(partners)
        theirs, pool_of = self.only(entries), pool[which] << 32
        able = (self.rare(active) & ~self._of(_TIES_NOBODY))[entries]
        value, holder = pool_of | theirs.value, pool_of | theirs.accounts
        if self._of(_COMES_WITH_A_PLACE).any():
            able &= ~theirs._is_machine_of_a_place(value, holder)
        else:
            able &= ~theirs._of({"device"})
        _, number, holders = np.unique(value[able], return_inverse=True, return_counts=True)
        tied = np.unique(holder[able][holders[number] > 1])
        members, asked = _concatenated(groups)
        of_allies = np.array(allied, np.bool_)[asked]
        found = np.isin(np.where(of_allies, 0, asked + 1) << 32 | members, tied)
        shares = np.bincount(asked, found, minlength=len(groups))
        return (shares / np.maximum([len(g) for g in groups], 1)).tolist() if groups else []

    def _is_machine_of_a_place(self, value: IntArray, holder: IntArray) -> npt.NDArray[np.bool_]:
        """Entries of devices of which two holders share a network.

        Args:
            value, holder: Of each entry, in place of the own ones.
        """
        device, place = self._of({"device"}), self._of(_COMES_WITH_A_PLACE)
        values, value = np.unique(value, return_inverse=True)
        holders, holder = np.unique(holder, return_inverse=True)
        shape = (len(values), len(holders))
        on, at = (
            csr_matrix((np.ones(int(of.sum()), np.int64), (value[of], holder[of])), shape=shape)
            for of in (device, place)
        )
        together = (on @ at.T).tocoo()
        machines = np.zeros(len(values), np.bool_)
        machines[together.row[together.data > 1]] = True
        return np.asarray(machines[value])

    def _of(self, kinds: Collection[str]) -> npt.NDArray[np.bool_]:
        return np.isin(self.kind, [i for i, k in enumerate(self.kinds) if k in kinds])

    def without(self, kinds: Collection[str]) -> Facts:
        """The facts of all other kinds."""
        return self.only(~self._of(kinds))

    def only(self, entries: npt.NDArray[np.bool_] | IntArray) -> Facts:
        """Some of the entries; kinds and the numbers of values stay as they are."""
        return replace(
            self,
            kind=self.kind[entries],
            accounts=self.accounts[entries],
            value=self.value[entries],
            exchanges=self.exchanges[entries],
        )

    @cached_property
    def kept_by_one_hand(self) -> npt.NDArray[np.bool_]:
        """Facts that strangers do not meet in: not networks, not clients."""
        return ~self._of(_MET_BY_CHANCE)

    def rare(self, active: int) -> npt.NDArray[np.bool_]:
        """Values that fewer accounts hold than the root of N: an answer of one word is history too."""
        return np.asarray(self._holders <= np.sqrt(active))

    @cached_property
    def _holders(self) -> IntArray:
        """How many accounts hold the value of each entry."""
        return np.bincount(self.value)[self.value]

    def opened_with(self, accounts: IntArray, active: int) -> list[frozenset[int]]:
        """The rare cards and contacts that each of these accounts was opened with, by number."""
        held = self._of(_OPENED_WITH) & self.rare(active) & np.isin(self.accounts, accounts)
        found: dict[int, set[int]] = {account: set() for account in accounts.tolist()}
        for account, value in zip(
            self.accounts[held].tolist(), self.value[held].tolist(), strict=True
        ):
            found[account].add(value)
        return [frozenset(found[account]) for account in accounts.tolist()]

    def tie(self, some: IntArray, others: IntArray, active: int) -> bool:
        """Do the two sets of accounts share what one hand must have held?

        A card, a device, a contact, a key, a history or a reasoning block that fewer accounts hold
        than the root of N. Networks and clients do not count: strangers meet there.
        """
        in_some, in_others = (self._tying_values(side, active) for side in (some, others))
        return bool(np.isin(in_some, in_others).any())

    def _tying_values(self, accounts: IntArray, active: int) -> IntArray:
        entries = self.of_accounts(accounts)
        rare = self._holders[entries] <= np.sqrt(active)
        values: IntArray = self.value[entries[self.kept_by_one_hand[entries] & rare]]
        return values


@dataclass(frozen=True, slots=True)
class Sightings:
    """When accounts showed shared values: one entry for each account, value and day (UTC).

    Attributes:
        kinds: Names of the kinds; `kind` holds positions in it.
        accounts: Position of the account in the traffic's `account_names`.
        value: 60-bit hash of kind and value.
        exchanges: Exchanges of that day that show it (1 for facts of sign-up).
        first_seen: The first of them, microseconds since 1970; 0 where the log cannot tell.
    """

    kinds: tuple[str, ...]
    kind: IntArray
    accounts: IntArray
    value: IntArray
    exchanges: IntArray
    first_seen: IntArray

    def until(self, midnight: int, accounts: IntArray) -> Sightings:
        """What these accounts had shown before a midnight (UTC, microseconds since 1970).

        Args:
            accounts: Their positions, ascending; they are numbered from 0 in the result.
        """
        known = np.isin(self.accounts, accounts) & (self.first_seen < midnight)
        return Sightings(
            self.kinds,
            self.kind[known],
            np.searchsorted(accounts, self.accounts[known]).astype(np.int64),
            self.value[known],
            self.exchanges[known],
            self.first_seen[known],
        )

    def facts(self) -> Facts:
        """The values that two accounts or more showed, days added up."""
        _, value = np.unique(self.value, return_inverse=True)
        pairs, first, entry = np.unique(
            value.astype(np.int64) << 32 | self.accounts, return_index=True, return_inverse=True
        )
        exchanges = np.zeros(len(pairs), np.int64)
        np.add.at(exchanges, entry, self.exchanges)
        shared = np.bincount(pairs >> 32, minlength=1)[pairs >> 32] > 1
        _, numbered = np.unique(pairs[shared] >> 32, return_inverse=True)
        return Facts(
            self.kinds,
            self.kind[first][shared],
            pairs[shared] & 0xFFFFFFFF,
            numbered.astype(np.int64),
            exchanges[shared],
        )


def _pools(groups: Sequence[IntArray], allied: Sequence[bool]) -> tuple[IntArray, IntArray]:
    """Within whom each group's accounts may share: all allied groups are pool 0, group i is i + 1.

    Returns:
        Pool and account, one entry for each account of a pool.
    """
    allies = [g for g, ally in zip(groups, allied, strict=True) if ally]
    together = np.unique(np.concatenate(allies)) if allies else np.zeros(0, np.int64)
    others = [g[:0] if ally else g for g, ally in zip(groups, allied, strict=True)]
    partners, pool = _concatenated([together, *others])
    return pool, partners


def _concatenated(groups: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """All accounts, group after group, and the number of the group of each."""
    accounts = np.concatenate([np.zeros(0, np.int64), *groups])
    return accounts, np.repeat(np.arange(len(groups)), [len(g) for g in groups])


def read_sightings(
    log: Log, account_names: npt.NDArray[np.str_], grid_hours: int = 24
) -> Sightings:
    """When accounts that have exchanges showed a value that other accounts showed too.

    Args:
        grid_hours: Counted by so many hours, from midnight (UTC), in place of by day.
    """
    result = log.ask("shared_facts", parameters={"hours": grid_hours})
    accounts = _dictionary(result["account_id"])
    kind = _dictionary(result["kind"])
    known = np.asarray(accounts.dictionary.to_pylist(), dtype=np.str_)
    position = _positions(known, account_names)[accounts.indices.to_numpy(zero_copy_only=False)]
    active = position >= 0
    return Sightings(
        tuple(kind.dictionary.to_pylist()),
        kind.indices.to_numpy(zero_copy_only=False)[active].astype(np.int64),
        position[active],
        result["value"].to_numpy()[active].astype(np.int64),
        result["exchanges"].to_numpy()[active].astype(np.int64),
        result["first_seen"].to_numpy()[active].astype(np.int64),
    )


def _dictionary(column: pa.ChunkedArray) -> pa.DictionaryArray:
    encoded = pa.concat_arrays([pa.array([], column.type), *column.chunks])
    return encoded.dictionary_encode()


def _positions(known: npt.NDArray[np.str_], account_names: npt.NDArray[np.str_]) -> IntArray:
    """Where each known account stands among the names; -1 where it has no exchanges."""
    if len(account_names) == 0:
        return np.full(len(known), -1)
    at = np.minimum(np.searchsorted(account_names, known), len(account_names) - 1)
    return np.where(account_names[at] == known, at, -1).astype(np.int64)
