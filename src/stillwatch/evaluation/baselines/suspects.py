"""The form in which a baseline names its suspects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import duckdb

__all__ = ["Baseline", "Proposal", "SuspectGroup"]


@dataclass(frozen=True, slots=True)
class SuspectGroup:
    """Accounts that a baseline would accuse together; the higher the score, the sooner."""

    accounts: tuple[str, ...]
    score: float


@dataclass(frozen=True, slots=True)
class Proposal:
    """All suspects under one setting of a baseline.

    Attributes:
        setting: The setting in words, for the report.
        groups: In no particular order. An account may lie in several.
    """

    setting: str
    groups: list[SuspectGroup]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A way of looking that takes an afternoon to write.

    Attributes:
        propose: From the log (views `exchanges` and `accounts`) to one proposal a setting. The
            evaluation chooses the setting and the cutoff that suit the truth best, which is
            more than its author could do.
    """

    name: str
    description: str
    propose: Callable[[duckdb.DuckDBPyConnection], Iterator[Proposal]]
