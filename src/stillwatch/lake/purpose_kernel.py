"""The compiled part of the purpose classifier: the features of a text, and their weights.

Features are hashed, so that the same text has the same features on any machine: each word, its
first letters (its stem, by which inflected forms meet), and runs of two stems, or of three as well.
In scripts without spaces every character is a word, so that runs take the place of words.
"""

from __future__ import annotations

import numba as nb
import numpy as np

__all__ = ["INSTRUCTION_TOKENS", "add_weights", "features_of"]

INSTRUCTION_TOKENS = 48  # at either end of a text, where instructions are looked for
_MIXER = np.uint64(0x9E3779B97F4A7C15)
_WORD, _STEM, _PAIR, _TRIPLE = (np.uint64(n * 0xC2B2AE3D27D4EB4F % 2**64) for n in (1, 2, 3, 4))


@nb.njit(cache=True, nogil=True, inline="always")
def _bucket(value, bits):  # type: ignore[no-untyped-def]
    """Fibonacci hashing after a fold: the high bits of the product."""
    value ^= value >> np.uint64(32)
    value *= _MIXER
    value ^= value >> np.uint64(29)
    value *= _MIXER
    return np.int64(value >> np.uint64(64 - bits))


@nb.njit(cache=True, nogil=True)
def features_of(tokens, stems, count, bits, longest_run, found):  # type: ignore[no-untyped-def]
    """The features near the beginning and the end of a text, into `found`; returns their number.

    The middle of a long prompt is a document, and a document may mention anything; so a long
    prompt has no more chances to look like something than a short one.

    Args:
        tokens, stems: Hashes of the words, and of their first letters.
        count: How many words there are.
        bits: A feature is one of 2**bits.
        longest_run: The most stems in a run, 2 or 3.
        found: Room for 8 * `INSTRUCTION_TOKENS` features.
    """
    at = 0
    for i in range(count):
        if i >= INSTRUCTION_TOKENS and i < count - INSTRUCTION_TOKENS:
            continue
        found[at] = _bucket(tokens[i] + _WORD, bits)
        found[at + 1] = _bucket(stems[i] + _STEM, bits)
        at += 2
        if i > 0:
            pair = stems[i - 1] * _MIXER + stems[i]
            found[at] = _bucket(pair + _PAIR, bits)
            at += 1
            if i > 1 and longest_run > 2:
                found[at] = _bucket(stems[i - 2] * _MIXER * _MIXER + pair + _TRIPLE, bits)
                at += 1
    return at


@nb.njit(cache=True, nogil=True)
def add_weights(  # type: ignore[no-untyped-def]
    tokens, stems, count, weights, bits, longest_run, found, evidence
):
    """Add the weights of a text's features to `evidence`, and their number to its last place.

    Args:
        weights: int8, one row a feature.
        bits, longest_run, found: See `features_of`.
        evidence: int32, one place a column of weights, and one for the number of features.
    """
    features = features_of(tokens, stems, count, bits, longest_run, found)
    columns = weights.shape[1]
    for k in range(features):
        row = weights[found[k]]
        for c in range(columns):
            evidence[c] += row[c]
    evidence[columns] += features
