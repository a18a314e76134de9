"""Which signals are asked, and what each may do for a finding.

Clause 1 rests on the division of the work, and needs besides something that ties the accounts
together other than wording. A rare fact on half of them does (`weighing.TIED`); so does a signal of
`TYING`, whose null holds for strangers who came to the same wording for honest reasons.
The other signals are measured, shown as reasons, and convict nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from stillwatch.signals import (
    after_closure,
    clients,
    cohorts,
    continuation,
    credentials,
    failover,
    foreign_history,
    given_name,
    level_volumes,
    no_person,
    probing,
    queue_clock,
    release_pivot,
    repeated_checks,
    replay,
    round_the_clock,
)
from stillwatch.signals.tell import Scene, Tell, spread

__all__ = ["SIGNALS", "TYING", "measure_tells", "tying_evidence"]

SIGNALS: dict[str, Callable[[Scene], Tell]] = {
    cohorts.NAME: cohorts.measure,
    queue_clock.NAME: queue_clock.measure,
    failover.NAME: failover.measure,
    continuation.NAME: continuation.measure,
    credentials.NAME: credentials.measure,
    foreign_history.NAME: foreign_history.measure,
    given_name.NAME: given_name.measure,
    replay.NAME: replay.measure,
    round_the_clock.NAME: round_the_clock.measure,
    no_person.NAME: no_person.measure,
    release_pivot.NAME: release_pivot.measure,
    probing.NAME: probing.measure,
    repeated_checks.NAME: repeated_checks.measure,
    clients.NAME: clients.measure,
    level_volumes.NAME: level_volumes.measure,
    after_closure.NAME: after_closure.measure,
}
"""Every signal by its name; a new one is a file, a card and a line here."""

TYING: frozenset[str] = frozenset(
    {cohorts.NAME, queue_clock.NAME, failover.NAME, replay.NAME, continuation.NAME}
)
"""Signals whose null strangers with a wording in common fulfil, shown on look-alikes."""


def measure_tells(
    scene: Scene,
    without: frozenset[str] = frozenset(),
    shown: npt.NDArray[np.int64] | None = None,
) -> list[Tell]:
    """Ask every signal but those in `without`.

    Args:
        shown: The groups that a report may be about, of which alone the signals are asked that tie
            nobody; all groups if absent.
    """
    if shown is None:
        shown = np.arange(len(scene.groups))
    few = replace(scene, groups=[scene.groups[i] for i in shown])
    return [
        measure(scene) if name in TYING else spread(measure(few), shown, len(scene.groups))
        for name, measure in SIGNALS.items()
        if name not in without
    ]


def tying_evidence(tells: Sequence[Tell], groups: int) -> npt.NDArray[np.float64]:
    """Log e-value of each group against "strangers": the mean over `TYING`, a valid merger.

    The weights are fixed, one part for each signal of `TYING` whether it could speak or not (Vovk
    and Wang 2021, section 3: the arithmetic mean of e-values is one under any dependence).
    """
    if not TYING:
        return np.zeros(groups)
    logs = [tell.log_e for tell in tells if tell.signal in TYING]
    logs += [np.zeros(groups)] * (len(TYING) - len(logs))
    merged = np.logaddexp.reduce(np.stack(logs), axis=0) - np.log(len(TYING))
    return np.asarray(merged)
