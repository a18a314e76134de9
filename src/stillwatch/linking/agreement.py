"""What it is worth that two accounts agree on a value: log-likelihood ratios after Fellegi and Sunter.

Chance agreement is the value's frequency in this log (term frequencies; Fellegi and Sunter 1969,
Winkler 1989), counted among the accounts of the holder's own stratum: country and plan. So a
network that a small country shares is not rare for the country being small.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stillwatch.signals.shared_facts import FAMILIES, Facts

__all__ = ["CAP", "AgreeingPairs", "agreeing_pairs", "paired", "worth_of_agreeing"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

CAP = float(np.log(1e4))
"""Most that one value may add, in nats. Beyond one in ten thousand, a mistake of the record (a
default, a recycled card, a device reset to zeros) is likelier than the chance agreement."""


@dataclass(frozen=True, slots=True)
class AgreeingPairs:
    """One entry for each pair of accounts and family: the most telling value they agree on.

    Attributes:
        first, second: Positions of the accounts, first < second.
        family: Position in `families`.
        kind: The value's kind, a position in the facts' `kinds`.
        log_lr: What it is worth, in nats, above 0.
    """

    families: tuple[str, ...]
    first: IntArray
    second: IntArray
    family: IntArray
    kind: IntArray
    log_lr: FloatArray


def worth_of_agreeing(facts: Facts, strata: IntArray) -> FloatArray:
    """For each entry of the facts, nats that an agreement with its account on its value is worth.

    The likelihood ratio is m / u. The chance u that a stranger has the value is the larger of its
    share of all accounts and of the holder's stratum, holder included: a stratum shows nothing
    rarer than one of its accounts. How often accounts of one hand agree (m) is unknown, and taken
    as 1 for agreements and as without weight for disagreements: an operator may keep a card to an
    account.

    Args:
        strata: One number an account; every account counts, whatever it shares.
    """
    if len(facts.value) == 0:
        return np.zeros(0)
    stratum = strata[facts.accounts]
    size = int(facts.value.max()) + 1
    _, cell, in_cell = np.unique(
        stratum * size + facts.value, return_inverse=True, return_counts=True
    )
    _, place, in_stratum = np.unique(strata, return_inverse=True, return_counts=True)
    here = in_cell[cell] / in_stratum[place[facts.accounts]]
    everywhere = np.bincount(facts.value, minlength=size)[facts.value] / len(strata)
    return np.asarray(np.minimum(-np.log(np.maximum(here, everywhere)), CAP))


def agreeing_pairs(
    facts: Facts, worth: FloatArray, *, all_pairs: int | None = None
) -> AgreeingPairs:
    """The pairs that share a value, by family: no pair is looked at that shares none.

    An agreement is worth what it is worth to the account for which it is less surprising. Within a
    family only the most telling value counts, since one machine has one address.

    Args:
        worth: Of each entry of the facts (`worth_of_agreeing`); entries worth nothing pair nobody.
        all_pairs: Holders up to which each pair is formed; beyond, a ring. All pairs if absent.
    """
    families = tuple(sorted({FAMILIES.get(kind, kind) for kind in facts.kinds}))
    family_of = np.array([families.index(FAMILIES.get(k, k)) for k in facts.kinds], np.int64)
    one, other = paired(facts.value, facts.accounts, worth > 0, all_pairs=all_pairs)
    first = np.minimum(facts.accounts[one], facts.accounts[other])
    second = np.maximum(facts.accounts[one], facts.accounts[other])
    log_lr = np.minimum(worth[one], worth[other])
    kind = facts.kind[one]
    family = family_of[kind] if len(kind) else kind
    order = np.lexsort((kind, -log_lr, family, second, first))
    key = np.stack([first, second, family])[:, order]
    best = order[np.any(np.diff(key, axis=1, prepend=-1) != 0, axis=0)]
    return AgreeingPairs(
        families, first[best], second[best], family[best], kind[best], log_lr[best]
    )


def paired(
    value: IntArray,
    accounts: IntArray,
    telling: npt.NDArray[np.bool_],
    *,
    all_pairs: int | None = None,
) -> tuple[IntArray, IntArray]:
    """The two entries of each pair of accounts that hold one value, value by value.

    Args:
        value, accounts: Of each entry.
        telling: Which entries pair anybody.
        all_pairs: As in `agreeing_pairs`.
    """
    told = np.flatnonzero(telling)
    told = told[np.lexsort((accounts[told], value[told]))]
    starts = np.flatnonzero(np.diff(value[told], prepend=-1))
    lengths = np.diff(np.append(starts, len(told)))
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for length in np.unique(lengths[lengths > 1]):
        entries = told[starts[lengths == length][:, None] + np.arange(length)]
        i, j = _within(int(length), all_pairs)
        left.append(entries[:, i].ravel())
        right.append(entries[:, j].ravel())
    return np.concatenate(left), np.concatenate(right)


def _within(length: int, all_pairs: int | None) -> tuple[IntArray, IntArray]:
    """Positions of the two of each pair among `length` holders."""
    if all_pairs is None or length <= all_pairs:
        i, j = np.triu_indices(length, 1)
        return i.astype(np.int64), j.astype(np.int64)
    ring = np.arange(length)
    return ring, (ring + 1) % length
