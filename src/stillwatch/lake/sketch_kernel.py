"""The compiled kernel that reads every text once, over raw Arrow buffers.

Tokens are words of letters and digits, lower-cased in ASCII; in scripts written without spaces
(Han, kana, Thai, Lao, Khmer, Burmese) every character is a token. Hashes are our own
(FNV-1a for tokens, a rolling polynomial with murmur3's finaliser for shingles), so that
the same text gives the same numbers in any engine and on any machine.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from stillwatch.lake.purpose_kernel import INSTRUCTION_TOKENS, add_weights

__all__ = [
    "MAX_TOKENS",
    "SAMPLE_SHIFT",
    "SHINGLE_LIMIT",
    "SHINGLE_TOKENS",
    "STEM_LETTERS",
    "TERM_LIMIT",
    "hash_bytes",
    "hash_strings",
    "sketch_rows",
    "tokenise",
    "weigh_rows",
]

SHINGLE_TOKENS = 5
SAMPLE_SHIFT = 2  # FracMinHash: one shingle in 2**2 is kept, the same ones in every text
SHINGLE_LIMIT = 48  # the smallest sampled hashes of a text, so that a long one stays small
TERM_LIMIT = 40  # bottom-k distinct words of a text
STEM_LETTERS = 5
MAX_TOKENS = 4096  # of one text; what follows adds nothing to a sketch of this size

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@nb.njit(cache=True, nogil=True, inline="always")
def _finalise(value):  # type: ignore[no-untyped-def]
    """Murmur3's 64-bit finaliser, shifted to fit a signed column."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    value ^= value >> np.uint64(33)
    return value >> np.uint64(1)


@nb.njit(cache=True, nogil=True)
def hash_bytes(data, start, stop):  # type: ignore[no-untyped-def]
    """FNV-1a of data[start:stop], finalised: a 63-bit hash of exact bytes."""
    value = _FNV_OFFSET
    for i in range(start, stop):
        value = (value ^ np.uint64(data[i])) * _FNV_PRIME
    return _finalise(value)


@nb.njit(cache=True, nogil=True, inline="always")
def _is_unspaced(point):  # type: ignore[no-untyped-def]
    return (
        (0x0E00 <= point <= 0x0EFF)  # Thai, Lao
        or (0x1000 <= point <= 0x109F)  # Burmese
        or (0x1780 <= point <= 0x17FF)  # Khmer
        or (0x3040 <= point <= 0x30FF)  # kana
        or (0x3400 <= point <= 0x9FFF)  # Han
        or (0x20000 <= point <= 0x3FFFF)
    )


@nb.njit(cache=True, nogil=True, inline="always")
def _is_separator(point):  # type: ignore[no-untyped-def]
    if point < 0x80:
        letter = (97 <= point <= 122) or (65 <= point <= 90) or (48 <= point <= 57)
        return not letter
    return (
        (0x80 <= point <= 0xBF and point != 0xAA and point != 0xB5 and point != 0xBA)
        or (0x2000 <= point <= 0x206F)
        or (0x3000 <= point <= 0x303F)
        or (0xFE30 <= point <= 0xFE4F)
        or (0xFF00 <= point <= 0xFF0F)
        or (0xFF1A <= point <= 0xFF20)
        or point == 0x060C
        or point == 0x061B
        or point == 0x061F
        or point == 0x0964
    )


@nb.njit(cache=True, nogil=True)
def tokenise(data, start, stop, tokens, stems):  # type: ignore[no-untyped-def]
    """Hashes of the tokens of data[start:stop] (UTF-8) into `tokens`; returns their number.

    `stems` gets the hashes of their first `STEM_LETTERS` characters, with every digit a zero.
    Invalid UTF-8 is read byte by byte: every byte string has a sketch.
    """
    count = 0
    limit = tokens.shape[0]
    value = stem = _FNV_OFFSET
    letters = 0
    inside = False
    i = start
    while i < stop and count < limit:
        byte = data[i]
        width = 1
        point = np.int64(byte)
        if byte >= 0xF0 and i + 3 < stop:
            width = 4
            point = (
                ((np.int64(byte) & 0x07) << 18)
                | ((np.int64(data[i + 1]) & 0x3F) << 12)
                | ((np.int64(data[i + 2]) & 0x3F) << 6)
                | (np.int64(data[i + 3]) & 0x3F)
            )
        elif byte >= 0xE0 and i + 2 < stop:
            width = 3
            point = (
                ((np.int64(byte) & 0x0F) << 12)
                | ((np.int64(data[i + 1]) & 0x3F) << 6)
                | (np.int64(data[i + 2]) & 0x3F)
            )
        elif byte >= 0xC0 and i + 1 < stop:
            width = 2
            point = ((np.int64(byte) & 0x1F) << 6) | (np.int64(data[i + 1]) & 0x3F)
        unspaced = _is_unspaced(point)
        if inside and (unspaced or _is_separator(point)):
            tokens[count] = value
            stems[count] = stem
            count += 1
            inside = False
            value = stem = _FNV_OFFSET
            letters = 0
            if count >= limit:
                break
        if unspaced:
            value = _FNV_OFFSET
            for k in range(width):
                value = (value ^ np.uint64(data[i + k])) * _FNV_PRIME
            tokens[count] = value
            stems[count] = value
            count += 1
            value = _FNV_OFFSET
        elif not _is_separator(point):
            for k in range(width):
                folded = data[i + k]
                if 65 <= folded <= 90:
                    folded += 32
                value = (value ^ np.uint64(folded)) * _FNV_PRIME
                if letters < STEM_LETTERS:
                    if 48 <= folded <= 57:
                        folded = 48
                    stem = (stem ^ np.uint64(folded)) * _FNV_PRIME
            letters += 1
            inside = True
        i += width
    if inside and count < limit:
        tokens[count] = value
        stems[count] = stem
        count += 1
    return count


@nb.njit(cache=True, nogil=True)
def _keep_smallest(kept, count, limit, value):  # type: ignore[no-untyped-def]
    """Insert `value` into the sorted, distinct first `count` of `kept`; returns the new count."""
    low, high = 0, count
    while low < high:
        middle = (low + high) >> 1
        if kept[middle] < value:
            low = middle + 1
        else:
            high = middle
    if low < count and kept[low] == value:
        return count
    if low >= limit:
        return count
    end = min(count, limit - 1)
    for k in range(end, low, -1):
        kept[k] = kept[k - 1]
    kept[low] = value
    return min(count + 1, limit)


@nb.njit(cache=True, nogil=True)
def _shingle(tokens, count, kept):  # type: ignore[no-untyped-def]
    """Sampled shingle hashes of a token sequence into `kept` (sorted, distinct)."""
    found = 0
    keep_below = np.int64(1) << np.int64(63 - SAMPLE_SHIFT)
    for i in range(count - SHINGLE_TOKENS + 1):
        value = np.uint64(0)
        for k in range(SHINGLE_TOKENS):
            value = value * _GOLDEN + tokens[i + k]
        hashed = np.int64(_finalise(value))
        if hashed < keep_below:
            found = _keep_smallest(kept, found, SHINGLE_LIMIT, hashed)
    return found


@nb.njit(cache=True, nogil=True)
def sketch_rows(  # type: ignore[no-untyped-def]
    system_data,
    system_offsets,
    input_data,
    input_offsets,
    output_data,
    output_offsets,
    weights,
    bits,
    longest_run,
    shingles,
    shingle_counts,
    terms,
    term_counts,
    numbers,
    evidence,
):
    """Sketch every row; see `sketch_exchanges` for the meaning of the outputs.

    `numbers` gets system_hash, input_hash, system_words, input_words and output_words, one int64
    column each.
    `evidence` gets, for each purpose, the weights of the features that stand where instructions
    stand, and in its last place how many features there are.
    """
    rows = input_offsets.shape[0] - 1
    tokens = np.empty(MAX_TOKENS, np.uint64)
    stems = np.empty(MAX_TOKENS, np.uint64)
    features = np.empty(8 * INSTRUCTION_TOKENS, np.int64)
    kept = np.empty(SHINGLE_LIMIT, np.int64)
    words = np.empty(TERM_LIMIT, np.int64)
    for row in range(rows):
        at = 0
        # System text first: a fixed prompt injected into every request lies there.
        start, stop = system_offsets[row], system_offsets[row + 1]
        numbers[row, 0] = np.int64(hash_bytes(system_data, start, stop)) if stop > start else 0
        count = tokenise(system_data, start, stop, tokens, stems)
        numbers[row, 2] = count
        found = _shingle(tokens, count, kept)
        for k in range(found):
            shingles[row, at] = kept[k]
            at += 1
        add_weights(tokens, stems, count, weights, bits, longest_run, features, evidence[row])
        start, stop = input_offsets[row], input_offsets[row + 1]
        numbers[row, 1] = np.int64(hash_bytes(input_data, start, stop)) if stop > start else 0
        count = tokenise(input_data, start, stop, tokens, stems)
        numbers[row, 3] = count
        found = _shingle(tokens, count, kept)
        for k in range(found):
            shingles[row, at] = kept[k]
            at += 1
        shingle_counts[row] = at
        held = 0
        add_weights(tokens, stems, count, weights, bits, longest_run, features, evidence[row])
        for i in range(count):
            held = _keep_smallest(words, held, TERM_LIMIT, np.int64(_finalise(tokens[i])))
        for k in range(held):
            terms[row, k] = np.int32(words[k] >> np.int64(20) & np.int64(0x7FFFFFFF))
        term_counts[row] = held
        start, stop = output_offsets[row], output_offsets[row + 1]
        numbers[row, 4] = tokenise(output_data, start, stop, tokens, stems)


@nb.njit(cache=True, nogil=True)
def weigh_rows(data, offsets, weights, bits, longest_run, evidence):  # type: ignore[no-untyped-def]
    """Add the weights of every text to its row of `evidence`, as `sketch_rows` does."""
    tokens = np.empty(MAX_TOKENS, np.uint64)
    stems = np.empty(MAX_TOKENS, np.uint64)
    features = np.empty(8 * INSTRUCTION_TOKENS, np.int64)
    for row in range(offsets.shape[0] - 1):
        count = tokenise(data, offsets[row], offsets[row + 1], tokens, stems)
        add_weights(tokens, stems, count, weights, bits, longest_run, features, evidence[row])


@nb.njit(cache=True, nogil=True)
def hash_strings(data, starts):  # type: ignore[no-untyped-def]
    """`hash_bytes` of each string of an Arrow buffer pair."""
    count = starts.shape[0] - 1
    hashed = np.empty(count, np.int64)
    for i in range(count):
        hashed[i] = np.int64(hash_bytes(data, starts[i], starts[i + 1]))
    return hashed
