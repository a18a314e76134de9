"""How often daily scans of worlds without a campaign report anybody, against the rate asked for.

    tools/daily_scans.py OUT.jsonl [--worlds N] [--days D] [--accounts N] [--exchanges N]

Each world is looked at on every one of its days, as daily scans would. One line a world goes to
OUT.jsonl; worlds that are there already are not made again. The table compares, for each rate, the
part of worlds in which any look reported anybody with the rate: over all looks together, and when
each look has the rate to itself.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stillwatch.campaigns.looks import one_look
from stillwatch.campaigns.reading import read_evidence
from stillwatch.campaigns.timeline import DAY, Replay
from stillwatch.campaigns.weighing import prepare
from stillwatch.evaluation.bounds import clopper_pearson_upper
from stillwatch.evaluation.world import log_of_world
from stillwatch.simulation import WORLDS, order_world, simulate

RATES = (0.1, 0.05, 0.01)


def scan_daily(seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One world, looked at after each of its days: at which rates was anybody reported?"""
    size = {"accounts": options.accounts, "days": options.days, "exchanges": options.exchanges}
    with tempfile.TemporaryDirectory() as temporary:
        world = Path(temporary) / "world"
        simulate(order_world(WORLDS[options.world], seed=seed, **size), world, processes=1)
        log = log_of_world(world)
        evidence = read_evidence(log)
        replay = Replay(evidence, prepare(evidence.traffic), RATES[0], joint=True)
        days = sorted(set((evidence.traffic.started // DAY).tolist()))
        together, apart = dict.fromkeys(RATES, 0), dict.fromkeys(RATES, 0)
        reached = 0
        for day in days:
            look = replay.look_at((day + 1) * DAY)
            for rate in RATES:
                outcome = replay.history.decide(look, rate)
                together[rate] += bool(outcome.reported.any())
                apart[rate] += bool(one_look(look, rate).reported.any())
            reached += bool(outcome.reached.any())
            replay.history.add(look)
    return {
        "seed": seed,
        "size": size | {"world": options.world},
        "looks": len(days),
        "looks_with_a_group_at_clause_3": reached,
        "together": {str(r): n for r, n in together.items()},
        "apart": {str(r): n for r, n in apart.items()},
    }


def render(lines: Sequence[dict[str, Any]]) -> str:
    """Realised against nominal, with exact bounds over worlds."""
    number = len(lines)
    reached = sum(line["looks_with_a_group_at_clause_3"] > 0 for line in lines)
    rows = [
        f"{number} worlds, {sum(line['looks'] for line in lines)} looks; in {reached} worlds a group "
        "came to clause 3.",
        "",
        "| rate | looks | worlds with a report | realised | 95 % upper bound |",
        "|---|---|---|---|---|",
    ]
    for rate in RATES:
        for looks, key in (("all together", "together"), ("each by itself", "apart")):
            wrong = sum(line[key][str(rate)] > 0 for line in lines)
            bound = clopper_pearson_upper(wrong, number) or 0.0
            rows.append(f"| {rate} | {looks} | {wrong} | {wrong / number:.3f} | {bound:.3f} |")
    return "\n".join(rows)


def main(arguments: Sequence[str]) -> None:
    """Make what is missing, one world after the other, then print the table."""
    parser = argparse.ArgumentParser(description="Daily scans of worlds without a campaign.")
    parser.add_argument("out", type=Path, help="one JSON line a world; worlds in it are kept")
    parser.add_argument("--world", default="empty-build", choices=sorted(WORLDS))
    parser.add_argument("--worlds", type=int, default=300)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--exchanges", type=int, default=20_000)
    options = parser.parse_args(arguments)
    lines = (
        [json.loads(t) for t in options.out.read_text().splitlines()]
        if options.out.exists()
        else []
    )
    done = {line["seed"] for line in lines}
    for seed in range(1, options.worlds + 1):
        if seed in done:
            continue
        lines.append(scan_daily(seed, options))
        with options.out.open("a", encoding="utf-8") as out:
            out.write(json.dumps(lines[-1]) + "\n")
        print(f"world {seed} of {options.worlds}", file=sys.stderr)
    print(render(lines))


if __name__ == "__main__":
    main(sys.argv[1:])
