"""Values that cannot be what their column says: a client may have written them, or put anything in.

Columns of a closed vocabulary or a known shape stay in clear in the lake, so nothing else may stand
in them: neither a name nor a key that somebody put where an effort or a country belongs.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.identity import may_be_a_secret
from stillwatch.identity.columns import each_text
from stillwatch.identity.metadata import begins_like_a_key

__all__ = ["FIXED_WORDS", "Fitted", "fit_word", "with_fit_values"]

FIXED_WORDS: dict[str, frozenset[str]] = {
    "retention": frozenset({"full", "no_text"}),
    "client_network": frozenset({"residential", "mobile", "hosting", "vpn", "relay"}),
}
"""Column to the only words that may stand in it."""

_EFFORTS = frozenset(
    {
        *("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        *("auto", "adaptive", "dynamic", "default", "other"),
    }
)
_BUDGET = re.compile(r"[0-9]{1,9}")
_CLOUD = re.compile(r"cloud:[a-z0-9._-]{1,40}")
_COUNTRY = re.compile(r"[A-Za-z]{2,3}")
_REASON = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
# An id of a batch, or a fingerprint in whichever form: no address, no sentence.
_OPAQUE = re.compile(r"[A-Za-z0-9_.,:;/|+=~-]{1,256}")
_COUNTS = (
    *("input_tokens", "output_tokens", "reasoning_tokens", "max_output_tokens", "turn_index"),
    "client_asn",
)
_UNKNOWN_RETENTION = (
    "retention was neither `full` nor `no_text`; no text of the row was kept. Write one of them."
)


@dataclass(slots=True)
class Fitted:
    """Rows without such values.

    Attributes:
        emptied: Column name to how many of its values became null.
        remarks: What else a person should know, and of how many rows.
    """

    rows: pa.Table
    emptied: Counter[str] = field(default_factory=Counter)
    remarks: Counter[str] = field(default_factory=Counter)


def fit_word(column: str, value: str) -> str | None:
    """The word as the column has it, in whichever case it was written; None where it is none."""
    word = value.strip().lower().replace("-", "_").replace(" ", "_")
    return word if word in FIXED_WORDS[column] else None


def with_fit_values(rows: pa.Table) -> Fitted:
    """Exchanges in which every value can be what its column says.

    Retention that is not known is taken for the one that keeps no text.

    Args:
        rows: Exchanges with all canonical columns.
    """
    fitted = Fitted(rows)
    for name in _COUNTS:
        negative = pc.fill_null(pc.less(fitted.rows[name], 0), False)
        if number := pc.sum(negative).as_py():
            fitted.emptied[name] += number
            _set(fitted, name, pc.if_else(negative, None, fitted.rows[name]))
    _refit(fitted, "retention", lambda word: fit_word("retention", word) or "")
    unknown = pc.fill_null(pc.equal(fitted.rows["retention"], ""), False)
    if number := pc.sum(unknown).as_py():
        fitted.remarks[_UNKNOWN_RETENTION] += number
        _set(fitted, "retention", pc.if_else(unknown, "no_text", fitted.rows["retention"]))
    _refit(fitted, "client_network", lambda word: fit_word("client_network", word))
    _refit(fitted, "access_path", _access_path)
    _refit(fitted, "client_country", lambda word: word if _COUNTRY.fullmatch(word) else None)
    _refit(fitted, "stop_reason", _stop_reason)
    for name in ("tls_fingerprint", "batch_id"):
        _refit(fitted, name, _opaque)
    _refit_effort(fitted)
    return fitted


def _access_path(written: str) -> str | None:
    word = written.strip().lower()
    return word if word in ("api", "app", "reseller") or _CLOUD.fullmatch(word) else None


def _stop_reason(word: str) -> str | None:
    return word if _REASON.fullmatch(word) and not may_be_a_secret(word) else None


def _opaque(word: str) -> str | None:
    return word if _OPAQUE.fullmatch(word) and not begins_like_a_key(word) else None


def _effort(written: str) -> str:
    word = written.strip().lower()
    return word if word in _EFFORTS or _BUDGET.fullmatch(word) else "other"


def _refit(fitted: Fitted, name: str, fit: Callable[[str], str | None]) -> None:
    """The column with each value as `fit` has it; what becomes null is counted."""
    column = fitted.rows[name]
    if all(fit(word) == word for word in pc.unique(column).to_pylist() if word is not None):
        return
    new = each_text(column, fit)
    if lost := new.null_count - column.null_count:
        fitted.emptied[name] += lost
    _set(fitted, name, new)


def _refit_effort(fitted: Fitted) -> None:
    settings = fitted.rows["settings"].combine_chunks()
    efforts = pc.struct_field(settings, "reasoning_effort")
    if all(_effort(word) == word for word in pc.unique(efforts).to_pylist() if word is not None):
        return
    fields = {
        settings.type.field(i).name: settings.field(i) for i in range(settings.type.num_fields)
    }
    fields["reasoning_effort"] = each_text(efforts, _effort).combine_chunks()
    struct = pa.StructArray.from_arrays(
        list(fields.values()), fields=list(settings.type), mask=pc.is_null(settings)
    )
    _set(fitted, "settings", struct)


def _set(fitted: Fitted, name: str, column: pa.ChunkedArray | pa.Array) -> None:
    rows = fitted.rows
    fitted.rows = rows.set_column(rows.column_names.index(name), name, column)
