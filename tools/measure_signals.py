"""What each signal says of honest groups and of campaigns, on simulated worlds.

    python tools/measure_signals.py WORLD [WORLD ...]

Prints a Markdown row a signal: of the groups weighed, how many honest ones and how many campaigns reach
an e-value of 20 against the signal's own null. An honest group that belongs together for an honest
reason (a router's pooled keys) may: no signal convicts alone.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stillwatch.campaigns.reading import read_evidence
from stillwatch.campaigns.weighing import weigh
from stillwatch.lake.log import open_log

LEVEL = float(np.log(20.0))


def told(world: Path) -> list[tuple[str, str, bool, float]]:
    """(signal, who, hostile, log of the e-value) of every group and signal of one world."""
    log = open_log(
        exchanges=world / "exchanges",
        accounts=world / "accounts.parquet",
        credentials=world / "credentials.parquet",
        releases=world / "model_releases.parquet",
    )
    evidence = read_evidence(log)
    weighed = weigh(evidence)
    columns = ["account_id", "population", "campaign"]
    truth = pq.read_table(world / "truth_accounts.parquet", columns=columns).to_pylist()
    campaign = {row["account_id"]: row["campaign"] for row in truth}
    population = {row["account_id"]: row["population"] for row in truth}
    found = []
    for number, group in enumerate(weighed.groups):
        names = [str(n) for n in evidence.traffic.account_names[group.group.accounts]]
        hostile = sum(campaign[n] is not None for n in names) * 2 > len(names)
        kinds = Counter(campaign[n] or population[n] for n in names)
        who = kinds.most_common(1)[0][0]
        found += [(t.signal, who, hostile, float(t.log_e[number])) for t in weighed.tells]
    return found


def main(worlds: list[str]) -> int:
    rows: dict[str, list[tuple[str, bool, float]]] = defaultdict(list)
    for world in worlds:
        for signal, who, hostile, log_e in told(Path(world)):
            rows[signal].append((who, hostile, log_e))
    print("| signal | honest groups | reach 20 | which | campaigns | reach 20 | which |")
    print("|---|---:|---:|---|---:|---:|---|")
    for signal, outcomes in sorted(rows.items()):
        parts = [signal]
        for side in (False, True):
            mine = [(who, e) for who, hostile, e in outcomes if hostile is side]
            reached = Counter(who.split(":")[0] for who, e in mine if e >= LEVEL)
            which = ", ".join(f"{name} {count}" for name, count in reached.most_common())
            parts += [str(len(mine)), str(sum(reached.values())), which or "–"]
        print("| " + " | ".join(parts) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
