"""What an answer is wanted for: the cues of each purpose, as a table the kernel can read.

A transparent linear look, not a trained model: whoever doubts a target can read the list it
came from. Its error on worlds is in `docs/signals/purpose.md`.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from stillwatch.lake.sketch_kernel import cue_bucket, tokenise
from stillwatch.records import Target

__all__ = ["OWN_DOCUMENTS", "PURPOSES", "cue_masks"]

OWN_DOCUMENTS = "own_documents"
PURPOSES: tuple[str, ...] = (*(target.value for target in Target), OWN_DOCUMENTS)

_BUCKETS = 1 << 21  # about 800 cues: a chance collision of 1 in 2,600 for a random word
_FILE = "purpose_cues.toml"


@lru_cache(maxsize=2)
def cue_masks(side: str) -> npt.NDArray[np.uint16]:
    """For each bucket of token hashes, the purposes (as bits) one of whose cues falls there.

    Args:
        side: "asked" for the prompt, "answered" for the model's answer: the answer is in the
            model's own words, whatever the wording of the request.
    """
    masks = np.zeros(_BUCKETS, np.uint16)
    cues = tomllib.loads(_text())[side]
    tokens = np.empty(64, np.uint64)
    for bit, purpose in enumerate(PURPOSES):
        for cue in cues.get(purpose, []):
            raw = np.frombuffer(cue.encode(), np.uint8)
            # Longer cues are kept by their first two tokens.
            count = min(tokenise(raw, 0, len(raw), tokens), 2)
            if count:
                masks[cue_bucket(tokens, count - 1, count, _BUCKETS)] |= np.uint16(1 << bit)
    return masks


def _text() -> str:
    return (files("stillwatch.lake") / _FILE).read_text(encoding="utf-8")
