"""What each signal says of honest groups and of campaigns, on simulated worlds.

    python tools/measure_signals.py [--ties] WORLD [WORLD ...]

Prints a Markdown row a signal: of the groups weighed, how many honest ones and how many campaigns reach
an e-value of 20 against the signal's own null. An honest group that belongs together for an honest
reason (a router's pooled keys) may: no signal convicts alone.

With `--ties`, for the signals that are shown only: what each would do if it tied accounts as well. Which
campaigns would be reported that are not, at a rate of 1 %; and of the honest groups that declare no
common owner, how many have an e-value as large as the median campaign that the signal tells (20 or
more), and how many would be tied.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from stillwatch.campaigns.looks import least_bound
from stillwatch.campaigns.reading import read_evidence
from stillwatch.campaigns.tells import TYING
from stillwatch.campaigns.weighing import Weighed, decide, weigh
from stillwatch.evaluation.world import log_of_world

LEVEL = float(np.log(20.0))
RATE = 0.01


@dataclass(frozen=True, slots=True)
class Told:
    """What one signal says of one group.

    Attributes:
        who: The kind of campaign, or the population, that most members are of.
        hostile: More than half of the members are a campaign's.
        declared: The members declare a common owner, as far as clause 2 can tell.
        log_e: Log of the e-value against the signal's null.
        needed: What that must reach to tie the accounts if no other signal did.
        gained: It is not reported, and would be if this signal tied accounts as well.
    """

    signal: str
    who: str
    hostile: bool
    declared: bool
    log_e: float
    needed: float
    gained: bool


def told(world: Path) -> list[Told]:
    """What every signal says of every group of one world."""
    log = log_of_world(world)
    evidence = read_evidence(log)
    weighed = weigh(evidence)
    columns = ["account_id", "population", "campaign"]
    truth = pq.read_table(world / "truth_accounts.parquet", columns=columns).to_pylist()
    campaign = {row["account_id"]: row["campaign"] for row in truth}
    population = {row["account_id"]: row["population"] for row in truth}
    logs = {tell.signal: tell.log_e for tell in weighed.tells}
    logs["synchrony"] = np.array([g.acts.log_e_synchrony for g in weighed.groups])
    gained = {name: _gained(weighed, logs, name) for name in logs}
    needed = least_bound(len(weighed.groups), RATE) + float(np.log(len(TYING) + 1))
    found = []
    for number, group in enumerate(weighed.groups):
        names = [str(n) for n in evidence.traffic.account_names[group.group.accounts]]
        hostile = sum(campaign[n] is not None for n in names) * 2 > len(names)
        who = Counter((campaign[n] or population[n]).split(":")[0] for n in names)
        for name, log_e in logs.items():
            found.append(
                Told(
                    signal=name,
                    who=who.most_common(1)[0][0],
                    hostile=hostile,
                    declared=group.togetherness.log_e <= 0,
                    log_e=float(log_e[number]),
                    needed=needed,
                    gained=bool(gained[name][number]),
                )
            )
    return found


def _gained(
    weighed: Weighed, logs: dict[str, npt.NDArray[np.float64]], name: str
) -> npt.NDArray[np.bool_]:
    """Groups that are reported only if this signal ties accounts beside those that do."""
    if name in TYING:
        return np.zeros(len(weighed.groups), np.bool_)
    merged = np.logaddexp.reduce(np.stack([logs[s] for s in sorted({*TYING, name})]), axis=0)
    merged -= np.log(len(TYING) + 1)
    groups = [replace(g, log_e_tied=float(e)) for g, e in zip(weighed.groups, merged, strict=True)]
    with_it = decide(replace(weighed, groups=groups), RATE).reported
    return np.asarray(with_it & ~decide(weighed, RATE).reported)


def reach_rows(signal: str, groups: Sequence[Told]) -> list[str]:
    """Honest groups and campaigns that reach `LEVEL`."""
    row = [signal]
    for side in (False, True):
        mine = [g for g in groups if g.hostile is side]
        reached = [g for g in mine if g.log_e >= LEVEL]
        row += [str(len(mine)), str(len(reached)), _which(reached)]
    return row


def tie_rows(signal: str, groups: Sequence[Told]) -> list[str]:
    """What the signal would gain as a tie, and whom it would tie wrongly."""
    campaigns = [g for g in groups if g.hostile]
    honest = [g for g in groups if not g.hostile and not g.declared]
    telling = [g.log_e for g in campaigns if g.log_e >= LEVEL]
    middle = float(np.median(telling)) if telling else np.inf
    return [
        signal,
        f"{len(telling)} of {len(campaigns)}",
        f"{middle:.1f}" if telling else "–",
        _which(g for g in campaigns if g.gained),
        str(len(honest)),
        str(sum(g.log_e >= middle for g in honest)),
        str(sum(g.log_e >= g.needed for g in honest)),
        f"{max((g.log_e for g in honest), default=0.0):.1f}",
        _which(g for g in honest if g.log_e >= LEVEL),
    ]


def _which(groups: Iterable[Told]) -> str:
    named = Counter(g.who for g in groups).most_common()
    return ", ".join(f"{name} {count}" for name, count in named) or "–"


REACH = ["signal", "honest groups", "reach 20", "which", "campaigns", "reach 20", "which"]
TIES = [
    "signal",
    "campaigns that reach 20",
    "their median, log",
    "reported besides",
    "honest groups",
    "as large",
    "would be tied",
    "highest, log",
    "reach 20",
]


def main(words: list[str]) -> int:
    ties = "--ties" in words
    rows: dict[str, list[Told]] = defaultdict(list)
    for world in words:
        if world != "--ties":
            for one in told(Path(world)):
                rows[one.signal].append(one)
    headings = TIES if ties else REACH
    print("| " + " | ".join(headings) + " |")
    print("|---" * len(headings) + "|")
    for signal, groups in sorted(rows.items()):
        if not ties or signal not in TYING:
            print("| " + " | ".join((tie_rows if ties else reach_rows)(signal, groups)) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
