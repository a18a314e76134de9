"""Template recovery: the fixed parts that prompts share, and the slots between them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage

from stillwatch.signals.personal_data import mask_personal_data

__all__ = ["TOKEN", "PromptFamily", "RecoveredTemplate", "mask_personal_data", "recover_template"]

# Scripts written without spaces are cut into characters, all others into words.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00020000-\U0003134f"
)
TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|\s+|[^\w\s]")
_UNSPACED_CHARACTER = re.compile(f"[{_UNSPACED}]")

_SHINGLE_TOKENS = 4
# Two wrappers of one campaign may share a stock phrase; measured on filled templates, prompts of
# one wrapper lie within 0.2 of each other, wrappers with a common last line about 0.4 apart.
_FAMILY_DISTANCE = 0.3
# Fixed parts are found on this many prompts of a family and then tried on all of them.
_SAMPLE_PROMPTS = 24
# Long prompts keep their two ends, where wrappers stand.
_HEAD_TOKENS, _TAIL_TOKENS = 1500, 500
# A few prompts of a family may deviate (cut off, answered in a follow-up).
_QUORUM = 0.9
# "of the" occurs in any long text: a few words are a fixed part only of a short stretch.
_TOKENS_A_WORD_MORE = 25
_WORDS_BEYOND_CHANCE = 5
_MARKUP = frozenset(":<>#{}[]|*=`")
_UNSPACED_CHARACTERS_A_WORD = 2

_Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PromptFamily:
    """Prompts made from one wrapper.

    Attributes:
        fixed: The fixed parts in order.
        prompts: Positions, in the texts given, of the prompts that fit.
        slots: For each of those prompts its `len(fixed) + 1` fillings: before the first part,
            between the parts, after the last. A filling may be empty.
        coverage: Share of the texts given that fit.
    """

    fixed: tuple[str, ...]
    prompts: tuple[int, ...]
    slots: tuple[tuple[str, ...], ...]
    coverage: float

    @property
    def open_slots(self) -> tuple[bool, ...]:
        """For each slot whether any prompt fills it; the outer ones are often closed."""
        return tuple(any(values) for values in zip(*self.slots, strict=True))

    def filling_of(self, text: str) -> tuple[str, ...] | None:
        """What stands in the slots of a text, or None if it has not this wording."""
        return _filling(self.fixed, text)

    def render(self, filling: Sequence[str]) -> str:
        """The prompt that this filling of the slots gives."""
        between = (part + value for part, value in zip(self.fixed, filling[1:], strict=True))
        return filling[0] + "".join(between)


@dataclass(frozen=True, slots=True)
class RecoveredTemplate:
    """The families of one campaign, most frequent first, and the share of texts they cover."""

    families: tuple[PromptFamily, ...]
    coverage: float


def recover_template(
    texts: Sequence[str], *, minimum_prompts: int = 3, family_distance: float = _FAMILY_DISTANCE
) -> RecoveredTemplate:
    """Find the wrappers from which up to some hundred prompts of one campaign were made.

    Prompts are grouped by the wording they share with others (average linkage on the Jaccard
    distance of shared token shingles); in each group the opening and the ending that nearly all
    share are fixed parts, then the longest run of tokens between them, and the stretches before
    and after it are searched in turn.
    Assumes that wrappers are longer than chance agreement; reworded prompts form no family.

    Args:
        texts: Prompts. Time grows with the square of their number.
        minimum_prompts: A family has at least so many prompts.
        family_distance: Mean Jaccard distance at which two groups are no longer one family.
    """
    tokens = [TOKEN.findall(text) for text in texts]
    families = []
    for group in _group_by_shared_wording(tokens, minimum_prompts, family_distance):
        fixed = _common_parts([tokens[i] for i in group])
        family = _fit(fixed, texts, group)
        if fixed and len(family.prompts) >= minimum_prompts:
            families.append(family)
    families.sort(key=lambda family: (-len(family.prompts), family.fixed))
    covered = sum(len(family.prompts) for family in families)
    return RecoveredTemplate(tuple(families), covered / len(texts) if texts else 0.0)


def _group_by_shared_wording(
    tokens: Sequence[Sequence[str]], minimum_prompts: int, family_distance: float
) -> list[list[int]]:
    shingles = [_shingles(prompt) for prompt in tokens]
    frequency = Counter(shingle for prompt in shingles for shingle in prompt)
    shared = {s: i for i, s in enumerate(s for s, n in frequency.items() if n >= minimum_prompts)}
    kept = [i for i, prompt in enumerate(shingles) if any(s in shared for s in prompt)]
    if len(kept) < minimum_prompts:
        return []
    incidence = np.zeros((len(kept), len(shared)), dtype=np.float32)
    for row, i in enumerate(kept):
        incidence[row, [shared[s] for s in shingles[i] if s in shared]] = 1
    # A document quoted in five prompts outweighs a short wrapper by its length alone, so each
    # shingle weighs as the number of pairs that share it.
    incidence *= incidence.sum(axis=0)
    both = incidence @ incidence.T
    sizes = (incidence**2).sum(axis=1)
    distance = 1 - both / (sizes[:, None] + sizes[None, :] - both)
    condensed = distance[np.triu_indices(len(kept), 1)]
    labels = fcluster(linkage(condensed, "average"), family_distance, "distance")
    groups: dict[int, list[int]] = {}
    for i, label in zip(kept, labels, strict=True):
        groups.setdefault(int(label), []).append(i)
    return [group for group in groups.values() if len(group) >= minimum_prompts]


def _shingles(tokens: Sequence[str]) -> set[tuple[str, ...]]:
    words = ["\x02", *(t for t in tokens if not t.isspace()), "\x03"]
    width = min(_SHINGLE_TOKENS, len(words))
    return {tuple(words[i : i + width]) for i in range(len(words) - width + 1)}


def _common_parts(prompts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """The fixed parts, in order, of the prompts of one family."""
    step = max(1, len(prompts) // _SAMPLE_PROMPTS)
    sample = prompts[::step][:_SAMPLE_PROMPTS]
    vocabulary: dict[str, int] = {}
    segments = {}
    for number, prompt in enumerate(sample):
        ids = [vocabulary.setdefault(token, len(vocabulary)) for token in prompt]
        if len(ids) > _HEAD_TOKENS + _TAIL_TOKENS:
            # A negative id is this prompt's own, so that no part runs across the gap.
            ids = [*ids[:_HEAD_TOKENS], -1 - number, *ids[-_TAIL_TOKENS:]]
        segments[number] = np.array(ids, dtype=np.int32)
    quorum = max(2, int(np.ceil(_QUORUM * len(sample))))
    words = list(vocabulary)
    opening, segments = _peel_opening(segments, quorum)
    backwards, reversed_ = _peel_opening({n: s[::-1] for n, s in segments.items()}, quorum)
    middle = _split({n: s[::-1] for n, s in reversed_.items()}, quorum, words)
    runs = [opening, *middle, backwards[::-1]]
    return tuple("".join(words[i] for i in run) for run in runs if run)


def _peel_opening(segments: dict[int, _Ids], quorum: int) -> tuple[list[int], dict[int, _Ids]]:
    """The tokens with which nearly all segments begin, and what remains of those that do.

    An opening is a fixed part however short: place is evidence, as length is.
    """
    opening: list[int] = []
    while True:
        at = len(opening)
        following = Counter(int(s[at]) for s in segments.values() if len(s) > at and s[at] >= 0)
        token, count = min(following.items(), key=lambda f: (-f[1], f[0]), default=(0, 0))
        if count < quorum:
            return opening, {n: s[at:] for n, s in segments.items()}
        segments = {n: s for n, s in segments.items() if len(s) > at and s[at] == token}
        opening.append(token)


def _split(segments: dict[int, _Ids], quorum: int, words: list[str]) -> list[list[int]]:
    """The longest common run of the segments, with those before and after it, in order."""
    found = _longest_common_run(list(segments.values()), quorum)
    if found is None:
        return []
    before, after = {}, {}
    for prompt, segment in segments.items():
        position = _position(segment, found)
        if position >= 0:
            before[prompt] = segment[:position]
            after[prompt] = segment[position + len(found) :]
    run = [int(i) for i in found]
    if not _beyond_chance([words[i] for i in run], segments):
        return []
    return [*_split(before, quorum, words), run, *_split(after, quorum, words)]


def _beyond_chance(run: Sequence[str], segments: dict[int, _Ids]) -> bool:
    unspaced = sum(bool(_UNSPACED_CHARACTER.match(token)) for token in run)
    spaced = sum(token[0].isalnum() for token in run) - unspaced
    weight = spaced + unspaced / _UNSPACED_CHARACTERS_A_WORD
    # A heading on its own line ("\nAnswer:") is put there by a program, however long the text.
    if weight and "\n" in run[0] and not _MARKUP.isdisjoint(run):
        return True
    median = float(np.median([len(segment) for segment in segments.values()]))
    enough = min(_WORDS_BEYOND_CHANCE, 1 + median / _TOKENS_A_WORD_MORE)
    return weight >= enough


def _longest_common_run(segments: Sequence[_Ids], quorum: int) -> _Ids | None:
    """The longest run of tokens in at least `quorum` segments, by bisection on its length."""
    lengths = sorted((len(segment) for segment in segments), reverse=True)
    if len(lengths) < quorum:
        return None
    low, high, best = 1, lengths[quorum - 1], None
    while low <= high:
        middle = (low + high) // 2
        run = _run_in_quorum(segments, middle, quorum)
        if run is None:
            high = middle - 1
        else:
            low, best = middle + 1, run
    return best


def _run_in_quorum(segments: Sequence[_Ids], length: int, quorum: int) -> _Ids | None:
    counts: Counter[bytes] = Counter()
    for segment in segments:
        raw, size = segment.tobytes(), segment.itemsize
        starts = range(0, (len(segment) - length + 1) * size, size)
        counts.update({raw[start : start + length * size] for start in starts})
    enough = [run for run, count in counts.items() if count >= quorum]
    if not enough:
        return None
    # Ties are broken by the token ids, that is, by first appearance: the same texts, same parts.
    return min((np.frombuffer(run, dtype=np.int32) for run in enough), key=lambda r: r.tolist())


def _position(segment: _Ids, run: _Ids) -> int:
    raw, wanted = segment.tobytes(), run.tobytes()
    start = raw.find(wanted)
    while start >= 0 and start % segment.itemsize:
        start = raw.find(wanted, start + 1)
    return start // segment.itemsize if start >= 0 else -1


def _fit(fixed: tuple[str, ...], texts: Sequence[str], group: Sequence[int]) -> PromptFamily:
    fillings = {i: _filling(fixed, texts[i]) for i in group}
    fitting = {i: filling for i, filling in fillings.items() if filling is not None}
    return PromptFamily(
        fixed, tuple(fitting), tuple(fitting.values()), len(fitting) / len(texts) if texts else 0.0
    )


def _filling(fixed: tuple[str, ...], text: str) -> tuple[str, ...] | None:
    """What stands in the slots, or None if the parts do not occur in order.

    The last part is taken where it ends the text, if it does: slots may quote it.
    """
    starts, position = [], 0
    for part in fixed:
        start = text.find(part, position)
        if start < 0:
            return None
        starts.append(start)
        position = start + len(part)
    if fixed and text.endswith(fixed[-1]):
        starts[-1] = len(text) - len(fixed[-1])
    ends = [start + len(part) for start, part in zip(starts, fixed, strict=True)]
    return tuple(text[a:b] for a, b in pairwise(_interleave(starts, ends, len(text))))[::2]


def _interleave(starts: Sequence[int], ends: Sequence[int], length: int) -> list[int]:
    bounds = [0]
    for start, end in zip(starts, ends, strict=True):
        bounds += [start, end]
    return [*bounds, length]
