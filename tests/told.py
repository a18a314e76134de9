"""What the signals say of the group that some accounts are in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from planted_logs import LogBook
from stillwatch.campaigns.weighing import raise_groups, weigh_raised


@dataclass(frozen=True)
class Told:
    """One signal on one group; accounts and exchanges by name."""

    log_e: float
    largest: float
    observed: str
    usual: str
    members: set[str]
    exchanges: set[str]


def told(book: LogBook, accounts: Sequence[str], signal: str, folder: Path) -> Told:
    """Weigh the log, and look at the group that holds most of these accounts."""
    evidence = book.evidence(folder)
    weighed = weigh_raised(evidence, raise_groups(evidence), of_all=True)
    names = evidence.traffic.account_names
    number = max(
        range(len(weighed.groups)),
        key=lambda g: len(set(names[weighed.groups[g].group.accounts]) & set(accounts)),
    )
    tell = next(t for t in weighed.tells if t.signal == signal)
    ids = np.asarray(evidence.traffic.exchange_ids.to_pylist())
    return Told(
        float(tell.log_e[number]),
        float(tell.largest[number]),
        tell.observed[number],
        tell.usual[number],
        set(names[tell.members[number]].tolist()),
        set(ids[tell.rows[number]].tolist()),
    )
