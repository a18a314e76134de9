"""What the accounts table says of each account, as codes: to condition on, and to compare."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.log import Log

__all__ = ["CODED", "AccountAttributes", "read_account_attributes"]

IntArray = npt.NDArray[np.int64]

CODED = (
    "country",
    "plan",
    "payment_bin",
    "signup_asn",
    "signup_network",
    "email_domain",
    "verification",
    "status",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountAttributes:
    """One entry an account of the traffic; codes are -1 and numbers 0 where nothing is known.

    Country serves to condition (a small community is not rare for being small) and to audit, never
    as evidence.

    Attributes:
        created, closed: Microseconds since 1970.
        quota: Tokens a day that the plan allows.
    """

    country: IntArray
    plan: IntArray
    payment_bin: IntArray
    signup_asn: IntArray
    signup_network: IntArray
    email_domain: IntArray
    verification: IntArray
    status: IntArray
    created: IntArray
    closed: IntArray
    quota: IntArray

    def __len__(self) -> int:
        return len(self.created)

    @property
    def strata(self) -> IntArray:
        """Number of each account's country and plan, within which chance is counted."""
        pairs = np.stack([self.country, self.plan])
        return np.unique(pairs, axis=1, return_inverse=True)[1].ravel().astype(np.int64)

    def until(self, moment: int, accounts: IntArray) -> AccountAttributes:
        """Of these accounts, what was known before `moment`: as `accounts_known.sql` has it.

        A status that a later closure or restoration changed is unknown then.
        """
        taken = {f.name: getattr(self, f.name)[accounts] for f in fields(self)}
        known = taken["created"] < moment
        cut = {
            name: np.where(known, values, -1 if name in CODED else 0)
            for name, values in taken.items()
        }
        later = cut["closed"] >= moment
        return replace(
            self,
            **{
                **cut,
                "closed": np.where(later, 0, cut["closed"]),
                "status": np.where(later, -1, cut["status"]),
            },
        )


def read_account_attributes(log: Log, account_names: npt.NDArray[np.str_]) -> AccountAttributes:
    """Read the accounts table beside the traffic's accounts."""
    table: pa.Table = log.ask("account_attributes")
    ids = np.asarray(table["account_id"].to_pylist(), dtype=np.str_)
    position = np.full(len(account_names), -1)
    if len(ids) and len(account_names):
        at = np.minimum(np.searchsorted(ids, account_names), len(ids) - 1)
        position = np.where(ids[at] == account_names, at, -1)
    columns = {name: _codes(table[name], position) for name in CODED}
    numbers = {name: _numbers(table[name], position) for name in ("created", "closed", "quota")}
    return AccountAttributes(**columns, **numbers)


def _codes(column: pa.ChunkedArray, position: IntArray) -> IntArray:
    codes = pc.rank(column, tiebreaker="dense").cast(pa.int64()).to_numpy()
    codes = np.where(column.is_null().to_numpy(), -1, codes)
    return np.append(codes, -1)[position].astype(np.int64)


def _numbers(column: pa.ChunkedArray, position: IntArray) -> IntArray:
    filled = pc.fill_null(column, 0).to_numpy().astype(np.int64)
    return np.append(filled, 0)[position]
