"""What an answer is wanted for: linear classifiers over the request's words, calibrated.

One decides: small, it reads every request. The other names what is already found to be collected:
four times as large, it reads the exchanges of campaigns alone.

The weights are trained by `tools/train_purpose.py`; how and on what, and their error on other
words, is in `docs/signals/purpose.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from stillwatch.records import Target

__all__ = ["OWN_WORK", "PURPOSES", "PurposeModel", "naming_model", "probabilities", "purpose_model"]

OWN_WORK = "own_work"
PURPOSES: tuple[str, ...] = (*(target.value for target in Target), OWN_WORK)
"""The targets in the contract's order, and what is no target: a customer's own work."""

_LANES = 16  # columns of the weights in memory, so that the compiler adds them in one step


@dataclass(frozen=True, slots=True)
class PurposeModel:
    """A multinomial logistic regression on hashed features, each text's known ones of unit length.

    Attributes:
        weights: int8, one row a feature, one column a purpose; then one that is 1 where the feature
            is known at all, and empty ones.
        bits: The number of rows is 2**bits.
        longest_run: The most words in a feature.
        scale: Nats of one unit of weight, after calibration.
        accident: Mean probability of any target that own work of sources held out was given.
    """

    weights: npt.NDArray[np.int8]
    bits: int
    longest_run: int
    scale: float
    accident: float


@lru_cache(maxsize=1)
def purpose_model() -> PurposeModel:
    """The packaged model that decides."""
    return _packaged("purpose_weights.npz", longest_run=3)


@lru_cache(maxsize=1)
def naming_model() -> PurposeModel:
    """The packaged model that names: fewer of its features share a row, and rare runs are left out."""
    return _packaged("naming_weights.npz", longest_run=2)


def _packaged(name: str, *, longest_run: int) -> PurposeModel:
    with (files("stillwatch.lake") / name).open("rb") as file, np.load(file) as stored:
        narrow = stored["weights"]
        weights = np.zeros((len(narrow), _LANES), np.int8)
        weights[:, : narrow.shape[1]] = narrow
        weights[:, narrow.shape[1]] = narrow.any(axis=1)
        return PurposeModel(
            weights=weights,
            bits=len(weights).bit_length() - 1,
            longest_run=longest_run,
            scale=float(stored["scale"]),
            accident=float(stored["accident"]),
        )


def probabilities(evidence: npt.NDArray[np.int32], model: PurposeModel) -> npt.NDArray[np.uint8]:
    """How probable each purpose is, in 255ths; all zero where there are no words.

    All purposes are taken for equally likely before a word is read.

    Args:
        evidence: One row a text: the sums of its features' rows of weights, then their number.
        model: The model whose weights were added.
    """
    known = evidence[:, len(PURPOSES)].astype(np.float32)
    length = np.sqrt(np.maximum(known, 1.0))[:, None]
    logits = evidence[:, : len(PURPOSES)] * np.float32(model.scale) / length
    odds = np.exp(logits - logits.max(axis=1, initial=-np.inf, keepdims=True))
    shares = odds / odds.sum(axis=1, keepdims=True)
    shares[evidence[:, -1] == 0] = 0.0
    return np.asarray(np.rint(shares * 255.0).astype(np.uint8))
