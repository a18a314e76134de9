"""Worth training on: does the work look like a harvest, or like an owner's own use?

Every owner (an account, a declared organisation, a group under test) is described by the
same figures over a sample of its own work, and gets one score from them. No figure is a threshold:
scores are only ever compared with those of the owners of this log.
Card: `docs/signals/collection.md`.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from stillwatch.lake.purpose import OWN_DOCUMENTS, PURPOSES
from stillwatch.signals.owners import Wording, evenly
from stillwatch.signals.traffic import Traffic

__all__ = ["FIGURES", "describe_owner", "harvest_score", "sought_targets"]

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
    sample = evenly(rows, SAMPLE)
    answered = sample[~traffic.refused[sample]]
    has_text = traffic.input_words[sample] > 0
    figures = np.full(len(FIGURES), np.nan)
    figures[0] = wording.single_turn[sample].mean() if len(sample) else np.nan
    if has_text.any():
        figures[1] = wording.fixed_share[sample][has_text].mean()
        figures[4] = _breadth(traffic, sample[has_text])
        figures[5] = _asks_for_training_material(traffic.cue_hits[sample[has_text]]).mean()
    if len(answered):
        output = np.maximum(traffic.output_words[answered], 0)
        known = (output > 0) & (traffic.input_words[answered] > 0)
        if known.any():
            slots = wording.slot_words[answered][known]
            figures[2] = np.log((output[known] + 8.0) / (slots + 8.0)).mean()
            figures[3] = (1.0 - traffic.echoed[answered][known]).mean()
    distinct = wording.first_of_item[sample].mean() if len(sample) else 0.0
    figures[6] = np.log1p(len(rows) * distinct * (len(answered) / max(len(sample), 1)))
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


def harvest_score(figures: FloatArray) -> float:
    """How much an owner's work looks like a harvest: log of (1 + items × unused × purity) × purity².

    Purity is the part of the prompts that ask for what trains a model, beyond the part in which
    cues meet by accident. The first factor counts the answers that nobody used and that were asked
    for to train on: where nobody asks for any, volume is no harvest. Purity counts twice more: a
    giant that asks now and then must not outweigh a small owner that asks for nothing else. The
    exponent only orders owners; whatever it is, the comparison with the owners of the log is valid.
    A figure that the log cannot tell counts as one half, for every owner alike.
    """
    unused, purpose = (0.5 if np.isnan(f) else f for f in (figures[0], figures[5]))
    purity = max(purpose - ACCIDENT, 0.0) / (1.0 - ACCIDENT)
    harvested = np.expm1(figures[6]) * unused * purity
    return float(np.log1p(harvested) + PURITY * np.log(purity + 0.01))


def _asks_for_training_material(hits: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The request alone decides: any developer's answer holds code, any auditor's a reasoning."""
    strongest = hits[:, :_TARGETS].max(axis=1, initial=0)
    return np.asarray((strongest >= 2) & (strongest > hits[:, _OWN]))


def _breadth(traffic: Traffic, rows: IntArray) -> float:
    """1 minus the mean part of its words that one prompt shares with another, template out.

    Computed from document frequencies, which gives the mean over all pairs at linear cost.
    """
    if len(rows) < 3:
        return float("nan")
    starts, values = traffic.terms.starts, traffic.terms.values
    lengths = starts[rows + 1] - starts[rows]
    index = np.repeat(starts[rows] - np.cumsum(lengths) + lengths, lengths) + np.arange(
        lengths.sum()
    )
    _, documents = np.unique(values[index], return_counts=True)
    in_slots = documents[documents <= max(0.25 * len(rows), 1.0)].astype(np.float64)
    words = in_slots.sum() / len(rows)
    if words <= 0:
        return 0.0
    pairs = len(rows) * (len(rows) - 1.0)
    return float(1.0 - (in_slots * (in_slots - 1.0)).sum() / pairs / words)
