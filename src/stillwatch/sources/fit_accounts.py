"""Values of accounts that cannot be what their column says, each with the reason for its row.

A word that no scan knows would be read as none: a ban that is no ban, an owner who is not verified.
So the row goes to the quarantine, where it can be mended, and is not imported half.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.identity.columns import each_text

__all__ = ["has_nul", "reasons_of_accounts", "with_known_words"]

_WORDS: dict[str, tuple[str, ...]] = {
    "status": ("active", "banned", "closed"),
    "organization_verified": ("none", "domain", "contract", "kyc"),
}
_LONGEST_WORD = 40


def has_nul(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Which texts hold a NUL, at which other tools cut them off: two accounts become one there."""
    return pc.match_substring(values, "\0")


def with_known_words(rows: pa.Table) -> pa.Table:
    """Accounts with the words of their vocabularies as these have them, in whichever case they came."""
    for name, words in _WORDS.items():
        fit = _fitting(words)
        written = pc.unique(rows[name]).to_pylist()
        if any(word is not None and fit(word) != word for word in written):
            rows = rows.set_column(rows.column_names.index(name), name, each_text(rows[name], fit))
    return rows


def reasons_of_accounts(rows: pa.Table) -> dict[int, str]:
    """Why rows cannot be used, by their position; a reason quotes nothing of the row.

    Args:
        rows: What `with_known_words` gave.
    """
    reasons: dict[int, str] = {}
    for name, words in _WORDS.items():
        known = pc.or_kleene(pc.is_null(rows[name]), pc.is_in(rows[name], pa.array(words)))
        unknown = pc.indices_nonzero(pc.invert(known)).to_pylist()
        for row, word in zip(
            unknown, rows[name].take(pa.array(unknown, pa.int64())).to_pylist(), strict=True
        ):
            reasons.setdefault(row, _no_word(name, word))
    negative = pc.fill_null(pc.less(rows["quota_tokens_day"], 0), False)
    for row in pc.indices_nonzero(negative).to_pylist():
        reasons.setdefault(
            row,
            "column quota_tokens_day: a quota is not negative; leave it empty where there is none.",
        )
    return reasons


def _no_word(name: str, written: str) -> str:
    words = _WORDS[name]
    near = get_close_matches(written.strip().lower()[:_LONGEST_WORD], words, n=1)
    meant = f"is {near[0]} meant?" if near else "leave it empty where none fits."
    return f"column {name}: the word is none of {', '.join(words[:-1])} or {words[-1]}; {meant}"


def _fitting(words: tuple[str, ...]) -> Callable[[str], str]:
    def fit(written: str) -> str:
        word = written.strip().lower()
        return word if word in words else written

    return fit
