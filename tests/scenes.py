"""What a signal is shown, made from a small log with a story."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from planted_logs import LogBook
from stillwatch.signals.owners import read_wording
from stillwatch.signals.tell import Scene, Suspects

BOUND = float(np.log(100 / (0.01 * 0.05 / 2)))
"""What clauses 1 and 2 must reach at the default rate among a hundred groups."""


def scene_of(book: LogBook, folder: Path, *groups: Sequence[str]) -> Scene:
    """The log with these groups under test, each with all exchanges of its accounts."""
    evidence = book.evidence(folder)
    traffic = evidence.traffic
    suspects = []
    reference = np.ones(len(traffic.account_names), np.bool_)
    for names in groups:
        accounts = np.flatnonzero(np.isin(traffic.account_names, list(names)))
        reference[accounts] = False
        rows = np.flatnonzero(np.isin(traffic.accounts, accounts))
        suspects.append(Suspects(accounts, rows, openly=False))
    return Scene(
        traffic,
        read_wording(traffic),
        evidence.attributes,
        evidence.facts,
        evidence.sightings,
        suspects,
        reference,
    )
