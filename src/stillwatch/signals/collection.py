"""Worth training on: does the work look like a harvest, or like an owner's own use?

Every owner (an account, a declared organisation, a group under test) is described by the
same figures over a sample of its own work, and gets one score from them. No figure is a threshold:
scores are only ever compared with those of the owners of this log.
Card: `docs/signals/collection.md`.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
import numpy.typing as npt

from stillwatch.lake.purpose import OWN_DOCUMENTS, PURPOSES
from stillwatch.signals.owners import Wording, evenly_each, numbered
from stillwatch.signals.traffic import Traffic

__all__ = ["FIGURES", "describe_owner", "describe_owners", "harvest_score", "sought_targets"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

SAMPLE = 400
PURITY = 2.0
# Chats, quizzes, benchmark items and tool requests of public data sets hit two cues in 2 to 8 %.
ACCIDENT = 0.05
ANSWER_HITS = 2
_TARGETS = len(PURPOSES) - 1
_OWN = PURPOSES.index(OWN_DOCUMENTS)

FIGURES: dict[str, str] = {
    "unused_answers": "part of the answers that nobody followed up, corrected or came back to",
    "templated": "part of each prompt that is fixed wording",
    "sought_length": "words of answer for each word that fills the slots (logarithm)",
    "new_words": "part of the answer that was not in the prompt already",
    "breadth": "how unlike each other the items are",
    "purpose": "part of the prompts that ask for what trains a model",
    "harvest": "distinct items answered (logarithm)",
}


def describe_owner(traffic: Traffic, wording: Wording, rows: IntArray) -> FloatArray:
    """The figures of one owner, in the order of `FIGURES`; NaN where the log cannot tell.

    Args:
        rows: The exchanges of the owner's own work.
    """
    return np.asarray(describe_owners(traffic, wording, rows, np.array([0, len(rows)]))[0])


def describe_owners(
    traffic: Traffic, wording: Wording, rows: IntArray, starts: IntArray
) -> FloatArray:
    """The figures of many owners, one row each.

    Args:
        rows, starts: The exchanges of owner i's own work are `rows[starts[i] : starts[i + 1]]`.
    """
    sample, begins = evenly_each(rows, starts, SAMPLE)
    size = np.diff(begins)
    owner = np.repeat(np.arange(len(size)), size)

    def mean(values: npt.NDArray[Any], where: npt.NDArray[np.bool_]) -> FloatArray:
        """Of the sampled exchanges that count, for each owner; NaN where none does."""
        total = np.bincount(owner[where], values[where], minlength=len(size))
        counted = np.bincount(owner[where], minlength=len(size))
        return np.asarray(np.divide(total, counted, np.full(len(size), np.nan), where=counted > 0))

    everything = np.ones(len(sample), np.bool_)
    answered = ~traffic.refused[sample]
    has_text = traffic.input_words[sample] > 0
    output = np.maximum(traffic.output_words[sample], 0)
    known = answered & (output > 0) & has_text
    sought = np.log((output + 8.0) / (wording.slot_words[sample] + 8.0))
    distinct = np.nan_to_num(mean(wording.first_of_item[sample], everything))
    part_answered = np.bincount(owner[answered], minlength=len(size)) / np.maximum(size, 1)
    figures = np.full((len(size), len(FIGURES)), np.nan)
    figures[:, 0] = mean(wording.single_turn[sample], everything)
    figures[:, 1] = mean(wording.fixed_share[sample], has_text)
    figures[:, 2] = mean(sought, known)
    figures[:, 3] = mean(1.0 - traffic.echoed[sample], known)
    figures[:, 4] = _breadth(sample, begins, has_text, traffic.terms.values, traffic.terms.starts)
    figures[:, 5] = mean(_asks_for_training_material(traffic.cue_hits[sample]), has_text)
    figures[:, 6] = np.log1p(np.diff(starts) * distinct * part_answered)
    return figures


def sought_targets(hits: npt.NDArray[np.uint8]) -> IntArray:
    """What each exchange is wanted for: a position in `Target`, or -1 when unsure.

    The first target in the contract's order of precedence that has at least half of the hits of
    the strongest, and two hits or more. The answer's own words count beside the request's, up to
    `ANSWER_HITS` of them: an answer is long, and mentions much.
    """
    asked = hits[:, :_TARGETS].astype(np.int64)
    shown = hits[:, len(PURPOSES) : len(PURPOSES) + _TARGETS].astype(np.int64)
    targets = asked + np.minimum(shown, ANSWER_HITS)
    strongest = targets.max(axis=1, initial=0)
    fits = (targets >= 2) & (targets * 2 >= strongest[:, None]) & (asked > 0)
    return np.where(fits.any(axis=1), fits.argmax(axis=1), -1)


def harvest_score(figures: FloatArray) -> FloatArray:
    """How much an owner's work looks like a harvest: log of (1 + items × unused × purity) × purity².

    Purity is the part of the prompts that ask for what trains a model, beyond the part in which
    cues meet by accident. The first factor counts the answers that nobody used and that were asked
    for to train on: where nobody asks for any, volume is no harvest. Purity counts twice more: a
    giant that asks now and then must not outweigh a small owner that asks for nothing else. The
    exponent only orders owners; whatever it is, the comparison with the owners of the log is valid.
    A figure that the log cannot tell counts as one half, for every owner alike.

    Args:
        figures: In the order of `FIGURES` along the last axis; one score for each of the others.
    """
    unused, purpose = (np.nan_to_num(figures[..., i], nan=0.5) for i in (0, 5))
    purity = np.maximum(purpose - ACCIDENT, 0.0) / (1.0 - ACCIDENT)
    harvested = np.expm1(figures[..., 6]) * unused * purity
    return np.asarray(np.log1p(harvested) + PURITY * np.log(purity + 0.01))


def _asks_for_training_material(hits: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The request alone decides: any developer's answer holds code, any auditor's a reasoning."""
    strongest = hits[:, :_TARGETS].max(axis=1, initial=0)
    return np.asarray((strongest >= 2) & (strongest > hits[:, _OWN]))


@nb.njit(cache=True, nogil=True)
def _breadth(sample, begins, has_text, terms, term_starts):  # type: ignore[no-untyped-def]
    """1 minus the mean part of its words that one prompt shares with another, template out.

    Computed from document frequencies, which gives the mean over all pairs at linear cost.
    """
    found = np.full(len(begins) - 1, np.nan)
    for owner in range(len(begins) - 1):
        prompts = 0
        length = 0
        for k in range(begins[owner], begins[owner + 1]):
            if has_text[k]:
                prompts += 1
                length += term_starts[sample[k] + 1] - term_starts[sample[k]]
        if prompts < 3:
            continue
        words = np.empty(length, np.int64)
        at = 0
        for k in range(begins[owner], begins[owner + 1]):
            if has_text[k]:
                for i in range(term_starts[sample[k]], term_starts[sample[k] + 1]):
                    words[at] = terms[i]
                    at += 1
        documents = np.zeros(length, np.int64)
        for word in numbered(words):
            documents[word] += 1
        in_slots = 0.0
        pairs = 0.0
        for number in documents:
            if 0 < number <= max(0.25 * prompts, 1.0):
                in_slots += number
                pairs += number * (number - 1.0)
        if in_slots > 0:
            found[owner] = 1.0 - pairs / (prompts - 1.0) / in_slots
        else:
            found[owner] = 0.0
    return found
