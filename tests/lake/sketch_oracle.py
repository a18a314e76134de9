"""The sketch written down once more, slowly and in plain Python: the correctness reference."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from stillwatch.lake.purpose import PURPOSES, PurposeModel
from stillwatch.lake.purpose_kernel import INSTRUCTION_TOKENS
from stillwatch.lake.sketch_kernel import (
    MAX_TOKENS,
    SAMPLE_SHIFT,
    SHINGLE_LIMIT,
    SHINGLE_TOKENS,
    STEM_LETTERS,
    TERM_LIMIT,
)

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_SALT = 0xC2B2AE3D27D4EB4F
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x9FFF),
    (0x20000, 0x3FFFF),
)
_SEPARATORS = (
    (0x2000, 0x206F),
    (0x3000, 0x303F),
    (0xFE30, 0xFE4F),
    (0xFF00, 0xFF0F),
    (0xFF1A, 0xFF20),
    (0x060C, 0x060C),
    (0x061B, 0x061B),
    (0x061F, 0x061F),
    (0x0964, 0x0964),
)


def finalise(value: int) -> int:
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = ((value ^ (value >> 33)) * factor) & _WORD
    return (value ^ (value >> 33)) >> 1


def fnv(raw: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in raw:
        value = ((value ^ byte) * 0x100000001B3) & _WORD
    return value


def characters(raw: bytes) -> list[tuple[int, bytes]]:
    """Code points with their bytes; a lead byte takes what follows it, whatever that is."""
    found = []
    i = 0
    while i < len(raw):
        lead = raw[i]
        width = 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2 if lead >= 0xC0 else 1
        if i + width > len(raw):
            # A character cut off at the end: a shorter reading, if the lead byte allows one.
            width = next(
                w
                for w, least in ((3, 0xE0), (2, 0xC0), (1, 0))
                if lead >= least and i + w <= len(raw)
            )
        taken = raw[i : i + width]
        point = lead & {1: 0xFF, 2: 0x1F, 3: 0x0F, 4: 0x07}[width]
        for byte in taken[1:]:
            point = point << 6 | byte & 0x3F
        found.append((point, taken))
        i += width
    return found


def separates(point: int) -> bool:
    if point < 0x80:
        return not chr(point).isalnum()
    if point <= 0xBF:
        return point not in (0xAA, 0xB5, 0xBA)
    return any(low <= point <= high for low, high in _SEPARATORS)


def words(raw: bytes) -> list[bytes]:
    found = []
    word = b""
    for point, taken in characters(raw):
        unspaced = any(low <= point <= high for low, high in _UNSPACED)
        if unspaced or separates(point):
            found += [word] if word else []
            found += [taken] if unspaced else []
            word = b""
        else:
            word += bytes(b + 32 if 65 <= b <= 90 else b for b in taken)
    return ([*found, word] if word else found)[:MAX_TOKENS]


def shingles(tokens: list[int]) -> list[int]:
    hashed = set()
    for i in range(len(tokens) - SHINGLE_TOKENS + 1):
        value = 0
        for token in tokens[i : i + SHINGLE_TOKENS]:
            value = (value * _GOLDEN + token) & _WORD
        hashed.add(finalise(value))
    return sorted(h for h in hashed if h < 1 << (63 - SAMPLE_SHIFT))[:SHINGLE_LIMIT]


def stem(word: bytes) -> bytes:
    """The first letters of a word, every digit a zero; a character of unspaced writing is whole."""
    letters = characters(word)
    if len(letters) == 1 and any(low <= letters[0][0] <= high for low, high in _UNSPACED):
        return word
    head = b"".join(taken for _, taken in letters[:STEM_LETTERS])
    return bytes(48 if 48 <= b <= 57 else b for b in head)


def _bucket(value: int, kind: int, bits: int) -> int:
    value = (value + kind * _SALT) & _WORD
    value ^= value >> 32
    value = (value * _GOLDEN) & _WORD
    value ^= value >> 29
    value = (value * _GOLDEN) & _WORD
    return value >> (64 - bits)


def features(found: list[bytes], model: PurposeModel) -> Counter[int]:
    """Words, stems, and runs of two and maybe three stems, near both ends of a text."""
    bits = model.bits
    stems = [fnv(stem(word)) for word in found]
    counted: Counter[int] = Counter()
    for i, word in enumerate(found):
        if INSTRUCTION_TOKENS <= i < len(found) - INSTRUCTION_TOKENS:
            continue
        counted[_bucket(fnv(word), 1, bits)] += 1
        counted[_bucket(stems[i], 2, bits)] += 1
        if i > 0:
            pair = (stems[i - 1] * _GOLDEN + stems[i]) & _WORD
            counted[_bucket(pair, 3, bits)] += 1
            if i > 1 and model.longest_run > 2:
                counted[_bucket(stems[i - 2] * _GOLDEN * _GOLDEN + pair, 4, bits)] += 1
    return counted


def purpose(counted: Counter[int], model: PurposeModel) -> list[float]:
    """How probable each purpose is, in 255ths."""
    if not counted:
        return [0.0] * len(PURPOSES)
    known = sum(times for f, times in counted.items() if model.weights[f, : len(PURPOSES)].any())
    logits = []
    for c in range(len(PURPOSES)):
        total = sum(int(model.weights[f, c]) * times for f, times in counted.items())
        logits.append(total * model.scale / math.sqrt(max(known, 1)))
    odds = [math.exp(logit - max(logits)) for logit in logits]
    return [255.0 * o / sum(odds) for o in odds]


def sketch(system: bytes, asked: bytes, answer: bytes, model: PurposeModel) -> dict[str, Any]:
    """The row that `sketch_exchanges` should give, but for the id."""
    of_system, of_input, of_output = (
        [fnv(word) for word in words(raw)] for raw in (system, asked, answer)
    )
    mixed = sorted({finalise(t) for t in of_input})
    return {
        "shingles": shingles(of_system) + shingles(of_input),
        "terms": [m >> 20 & 0x7FFFFFFF for m in mixed[:TERM_LIMIT]],
        "system_hash": finalise(fnv(system)) if system else 0,
        "input_hash": finalise(fnv(asked)) if asked else 0,
        "system_words": len(of_system),
        "input_words": len(of_input),
        "output_words": len(of_output),
        "purpose": purpose(features(words(system), model) + features(words(asked), model), model),
    }
