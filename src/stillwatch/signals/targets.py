"""What is collected: the target of one request, and of the exchanges of a campaign together.

Card: `docs/signals/purpose.md`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from stillwatch.records import Target
from stillwatch.signals.templates import Fragments

__all__ = ["asks_for_training_material", "sought_targets", "targets_of_campaign"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Shares = npt.NDArray[np.uint8]

_TARGETS = len(Target)
_SURE = 0.5  # more likely right than wrong
_ROUNDS = 20
_LEAST = 0.5 / 255.0  # what a stored share of 0 may have been


def sought_targets(shares: Shares) -> IntArray:
    """What each request is wanted for by itself: a position in `Target`, or -1 when unsure.

    Args:
        shares: How probable each purpose is, in 255ths, one row a request (`Traffic.purpose`).
    """
    best = shares.argmax(axis=1) if len(shares) else np.zeros(0, np.int64)
    sure = shares.max(axis=1, initial=0) > _SURE * 255.0
    return np.where(sure & (best < _TARGETS), best, -1)


def asks_for_training_material(shares: Shares) -> FloatArray:
    """How probably each request asks for any target; NaN where there are no words.

    Before a word is read, own work is taken for as likely as all targets together.
    """
    collected = shares[:, :_TARGETS].mean(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(collected / (collected + shares[:, _TARGETS]))


def targets_of_campaign(shares: Shares, rows: IntArray, fragments: Fragments) -> IntArray:
    """What each exchange of a campaign is wanted for: a position in `Target`, or -1 when unsure.

    That it is collected is given, so own work is no answer; and what is asked in the same wording
    is mostly wanted for the same. The mixture of targets of the whole campaign, and of each of its
    fragments, is estimated from its own exchanges by expectation maximisation (Saerens, Latinne and
    Decaestecker 2002); an exchange takes the geometric mean of those of its fragments as its prior.

    Args:
        shares: How probable each purpose is, in 255ths, one row an exchange of the campaign.
        rows: The campaign's exchanges, ascending.
        fragments: The wording of the log, and who used it when.
    """
    if len(rows) == 0:
        return np.zeros(0, np.int64)
    likely = np.maximum(shares[:, :_TARGETS] / 255.0, _LEAST)
    likely /= likely.sum(axis=1, keepdims=True)
    first = np.searchsorted(fragments.use_rows, rows, side="left")
    last = np.searchsorted(fragments.use_rows, rows, side="right")
    many = last - first
    of = np.repeat(np.arange(len(rows)), many)
    uses = np.arange(len(of)) - np.repeat(np.cumsum(many) - many, many) + np.repeat(first, many)
    _, which = np.unique(fragments.use_fragments[uses], return_inverse=True)
    shape = (len(rows), int(which.max(initial=-1)) + 1)
    carries = csr_matrix((np.ones(len(of)), (of, which)), shape=shape)
    carried_by = carries.T.tocsr()
    posterior = likely
    for _ in range(_ROUNDS):
        whole = posterior.mean(axis=0)
        # One exchange's worth of the campaign's mixture keeps a rare fragment from deciding alone.
        counts = carried_by @ posterior
        mixture = np.log((counts + whole) / (counts.sum(axis=1, keepdims=True) + 1.0) + 1e-9)
        prior = carries @ mixture
        prior = np.where(
            many[:, None] > 0, prior / np.maximum(many, 1)[:, None], np.log(whole + 1e-9)
        )
        odds = likely * np.exp(prior - prior.max(axis=1, keepdims=True))
        posterior = odds / odds.sum(axis=1, keepdims=True)
    return np.where(posterior.max(axis=1) > _SURE, posterior.argmax(axis=1), -1)
