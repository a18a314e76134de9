"""Which rows of the tables beside the exchanges an erasure takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.manifest import HISTORIES, NETWORK
from stillwatch.records import TIMESTAMP

__all__ = [
    "Mask",
    "Rule",
    "Wanted",
    "is_before",
    "is_in",
    "names_any",
    "rules_by_account",
    "rules_by_age",
]

Mask = npt.NDArray[np.bool_]

_OF_ACCOUNTS = ("accounts", "credentials")
_WORDS = re.compile(r"[^\s,;()\[\]{}<>|\"']+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to erase: that of some accounts, or what came before a moment.

    Attributes:
        before: Midnight in UTC.
        text_only: Of exchanges the text, and all else stays.
    """

    accounts: frozenset[str] = frozenset()
    before: datetime | None = None
    text_only: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Which rows of a table go.

    Attributes:
        columns: What is looked at.
        goes: The rows of a batch of these columns that go.
    """

    columns: tuple[str, ...]
    goes: Callable[[pa.RecordBatch], Mask]


def rules_by_account(
    accounts: frozenset[str], requests_by_day: Mapping[str, set[str]]
) -> dict[str, Rule]:
    """By table.

    Args:
        requests_by_day: The ids under which a proxy may have logged the erased exchanges.
    """
    rule = Rule(("account_id",), lambda batch: is_in(batch.column("account_id"), accounts))
    ids = {day: pa.array(sorted(some), pa.string()) for day, some in requests_by_day.items()}

    def logged(batch: pa.RecordBatch) -> Mask:
        mask = np.zeros(batch.num_rows, np.bool_)
        days = batch.column("started_at").cast(pa.date32())
        for day in days.unique().to_pylist():
            if (some := ids.get(str(day))) is not None:
                named = pc.is_in(batch.column("request_id"), some)
                mask |= np.asarray(pc.and_(named, pc.equal(days, day)).fill_null(False))
        return mask

    def quarantined(batch: pa.RecordBatch) -> Mask:
        texts = zip(
            batch.column("file").to_pylist(), batch.column("reason").to_pylist(), strict=True
        )
        return np.array(
            [any(names_any(text or "", accounts) for text in some) for some in texts], np.bool_
        )

    return {
        **{table: rule for name in _OF_ACCOUNTS for table in (name, HISTORIES[name])},
        **({NETWORK: Rule(("request_id", "started_at"), logged)} if ids else {}),
        "quarantine": Rule(("file", "reason"), quarantined),
    }


def rules_by_age(
    before: datetime, *, closed: frozenset[str], held: frozenset[str], held_days: set[str]
) -> dict[str, Rule]:
    """By table.

    Args:
        closed: Accounts that go, with their credentials.
        held: Accounts of which all stays.
        held_days: Days whose rows of proxies' logs stay.
    """

    def outdated(batch: pa.RecordBatch) -> Mask:
        old = is_before(batch.column("superseded_at"), before)
        old |= is_in(batch.column("account_id"), closed)
        return old & ~is_in(batch.column("account_id"), held)

    def logged(batch: pa.RecordBatch) -> Mask:
        started = batch.column("started_at")
        days = pc.cast(started.cast(pa.date32()), pa.string())
        return is_before(started, before) & ~is_in(days, frozenset(held_days))

    row = Rule(("account_id",), lambda batch: is_in(batch.column("account_id"), closed))
    return {
        **dict.fromkeys(_OF_ACCOUNTS, row),
        **dict.fromkeys(HISTORIES.values(), Rule(("superseded_at", "account_id"), outdated)),
        NETWORK: Rule(("started_at",), logged),
        "quarantine": Rule(
            ("quarantined_at",), lambda batch: is_before(batch.column("quarantined_at"), before)
        ),
    }


def is_in(values: pa.Array, some: frozenset[str]) -> Mask:
    """Which of these texts are among them; a null is not."""
    return np.asarray(pc.is_in(values, pa.array(sorted(some), pa.string())), np.bool_)


def is_before(moments: pa.Array, moment: datetime) -> Mask:
    """Which of these lie before; a null does not."""
    earlier = pc.less(moments, pa.scalar(moment, TIMESTAMP))
    return np.asarray(earlier.fill_null(False), np.bool_)


def names_any(text: str, accounts: frozenset[str]) -> bool:
    """Whether a word of the text, or a part of a path in it, is one of these ids."""
    words = {text, *_WORDS.findall(text)}
    words |= {part for word in list(words) for part in re.split(r"[/\\]", word)}
    words |= {word.rstrip(".:!?") for word in list(words)}
    # A file may be named after an account.
    words |= {word.split(".")[0] for word in list(words)}
    return not accounts.isdisjoint(words)
