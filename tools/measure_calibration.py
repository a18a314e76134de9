"""Realised against nominal error rates at the level of e-values, on null groups of simulated worlds.

    tools/measure_calibration.py --out FOLDER [--seeds 1-12] [--accounts N] [--exchanges N] [--groups N] [--page FILE --data FILE]

For each seed a `build` world is made, scanned, and thrown away; what was measured stays in
FOLDER/SEED.json, so that a run goes on where it was stopped. Null groups are the honest groups that
the linking raised, and random sets of honest accounts in no group. Hostile accounts are left out at
random until they are the wanted part of all. With `--page` and `--data`, the table is written between
the markers of that page, and its numbers into the file that dossiers read.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from scipy.stats import beta, binom

from stillwatch.campaigns.clauses import (
    STRICT,
    ActsAsOne,
    Scores,
    acts_as_one,
    all_act_as_one,
    own_work,
    score_accounts,
)
from stillwatch.campaigns.crowds import DRAWS, log_e_of_crowds
from stillwatch.campaigns.reading import read_evidence
from stillwatch.campaigns.weighing import Owners, Weighed, weigh
from stillwatch.lake.log import open_log
from stillwatch.signals.collection import describe_owners, harvest_score, score_of_lesser_half
from stillwatch.signals.division import own_subjects
from stillwatch.simulation import WORLDS, order_world, simulate

SHARES = (0.0, 0.01, 0.05, 0.10)
RATES = (0.05, 0.01, 0.001)
RANDOM_SIZES = (8, 12, 24)
_BEGIN, _END = "<!-- calibration: begin -->", "<!-- calibration: end -->"


def measure(world: Path, seed: int, groups: int) -> list[dict[str, Any]]:
    """One row a null group and hostile share: logs of the e-values of the clauses, and their largest."""
    log = open_log(
        exchanges=world / "exchanges",
        accounts=world / "accounts.parquet",
        credentials=world / "credentials.parquet",
    )
    evidence = read_evidence(log)
    weighed = weigh(evidence, only_deciding=True)
    names = weighed.traffic.account_names
    truth = pq.read_table(world / "truth_accounts.parquet").to_pylist()
    bad_names = {row["account_id"] for row in truth if row["campaign"] is not None}
    hostile = np.array([str(name) in bad_names for name in names])
    rng = np.random.default_rng(seed)
    work = own_work(weighed.traffic, weighed.wording)
    raised = [g.group for g in weighed.groups]
    scores = score_accounts(weighed.traffic, work, raised)
    own = describe_owners(weighed.traffic, weighed.wording, work.rows, work.starts)
    harvests = harvest_score(own)
    drawn = list(_random_groups(weighed, scores, hostile, rng, groups))
    rows: list[dict[str, Any]] = []
    for share in SHARES:
        kept = _kept(hostile, share, rng)
        of_scores = kept[scores.accounts]
        present = _only(scores, of_scores)
        acts = all_act_as_one(present, len(raised))
        bound = np.log(max(len(raised), 1) / STRICT)
        shown = np.flatnonzero([a.log_e >= bound for a in acts])
        owners = _only_owners(weighed, kept)
        exchanges = np.where(kept, np.diff(work.starts), 0)
        for number, group in enumerate(weighed.groups):
            if group.togetherness.openly or hostile[group.group.accounts].any():
                continue
            crowds = log_e_of_crowds([group.group.accounts], harvests, exchanges)[0]
            row = _row(acts[number], group.score, owners, group.group.accounts, crowds)
            rows.append({"kind": "raised", "share": share, **row})
            rows[-1]["undeclared"] = float(group.togetherness.log_e)
        for group_scores, score in drawn:
            apart = ~np.isin(present.accounts, group_scores.accounts)
            together = _joined(_only(present, apart), group_scores)
            reference = ~np.isin(together.group, shown)
            act = acts_as_one(together, len(raised), reference)
            crowds = log_e_of_crowds([group_scores.accounts], harvests, exchanges)[0]
            row = _row(act, score, owners, group_scores.accounts, crowds)
            rows.append({"kind": "random", "share": share, **row})
    return rows


def _random_groups(
    weighed: Weighed, scores: Scores, hostile: np.ndarray, rng: np.random.Generator, groups: int
) -> Iterator[tuple[Scores, float]]:
    """Random sets of honest accounts of nobody's group, scored among each other, with clause 3's score."""
    traffic = weighed.traffic
    order = np.argsort(traffic.accounts, kind="stable")
    starts = np.searchsorted(traffic.accounts[order], np.arange(len(traffic.account_names) + 1))
    free = scores.accounts[(scores.group < 0) & ~hostile[scores.accounts]]
    number = int(scores.group.max(initial=-1)) + 1
    number = max(number, len(weighed.groups))
    for _ in range(groups):
        members = np.sort(rng.choice(free, int(rng.choice(RANDOM_SIZES)), replace=False))
        pool = [order[starts[a] : starts[a + 1]] for a in members]
        divided, prompts = own_subjects(traffic.prompts, pool)
        unknown = np.full(len(members), np.nan)
        own = Scores(
            members,
            np.full(len(members), number),
            divided,
            prompts,
            unknown,
            np.zeros_like(prompts),
        )
        rows = np.sort(np.concatenate(pool))
        yield own, score_of_lesser_half(traffic, weighed.wording, rows)


def _row(
    act: ActsAsOne, score: float, owners: Owners, accounts: np.ndarray, crowds: float
) -> dict[str, float]:
    """Logs of the e-values of clauses 1 and 3 for one group, tested alone, and their largest."""
    others = owners.scores[~np.isin(owners.accounts, accounts)]
    log_e = float(np.log((len(others) + 1.0) / (1.0 + (others >= score).sum())))
    return {
        "accounts": len(accounts),
        "acts": float(max(act.log_e, -700.0)),
        "acts_max": float(act.largest),
        "undeclared": 0.0,
        "collects": float(max(min(log_e, crowds), -700.0)),
        "beside_owners": log_e,
        "collects_max": float(np.log(min(len(others), DRAWS) + 1.0)),
    }


def _only_owners(weighed: Weighed, kept: np.ndarray) -> Owners:
    """Declared organisations and the accounts that are kept, less the members of the former."""
    openly = [g.group.accounts for g in weighed.groups if g.togetherness.openly]
    inside = np.concatenate(openly) if openly else np.zeros(0, np.int64)
    accounts = weighed.owners.accounts
    here = (accounts < 0) | (kept[np.maximum(accounts, 0)] & ~np.isin(accounts, inside))
    return Owners(accounts[here], weighed.owners.scores[here])


def _joined(a: Scores, b: Scores) -> Scores:
    columns = (np.concatenate([getattr(a, f.name), getattr(b, f.name)]) for f in fields(Scores))
    return Scores(*columns)


def _kept(hostile: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Which accounts stay, so that hostile ones are at most this share of those that do."""
    bad = rng.permutation(np.flatnonzero(hostile))
    wanted = int(share / (1.0 - share) * (~hostile).sum())
    kept = ~hostile
    kept[bad[:wanted]] = True
    return kept


def _only(scores: Scores, kept: np.ndarray) -> Scores:
    return Scores(*(getattr(scores, f.name)[kept] for f in fields(Scores)))


def summarised(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """How many null groups reach each rate's e-value, one entry a line of the table."""
    lines = []
    for kind in ("random", "raised"):
        for share in SHARES:
            chosen = [r for r in rows if r["kind"] == kind and r["share"] == share]
            if not chosen:
                continue
            acts, undeclared, collects = (
                np.array([r[c] for r in chosen]) for c in ("acts", "undeclared", "collects")
            )
            columns = {"acts as one": acts, "collects": collects}
            columns["beside owners alone"] = np.array([r["beside_owners"] for r in chosen])
            columns["the finding"] = np.minimum(acts, collects)
            most = {"acts as one": "acts_max", "collects": "collects_max"}
            reach = {
                name: np.array([r[c] for r in chosen]) >= -np.log(RATES[-1])
                for name, c in most.items()
            }
            reach["beside owners alone"] = reach["collects"]
            reach["the finding"] = reach["acts as one"] & reach["collects"]
            if kind == "raised":
                columns["the finding"] = np.minimum(columns["the finding"], undeclared)
            for name, logs in columns.items():
                counts = {f"{rate:g}": int((logs >= -np.log(rate)).sum()) for rate in RATES}
                lines.append(
                    {
                        "null_groups": kind,
                        "hostile": share,
                        "e_value": name,
                        "groups": len(logs),
                        "reached": counts,
                        "at_most": {r: round(_bound(k, len(logs)), 6) for r, k in counts.items()},
                        "can_reach": round(float(reach[name].mean()), 2),
                    }
                )
    return lines


def table(lines: Sequence[dict[str, Any]]) -> str:
    """Realised rates, with one-sided exact bounds, and whether a test at 0.05 finds them too high."""
    text = [
        "| null groups | hostile | groups | e-value | nominal 5 % | 1 % | 0.1 % | can reach 1,000 |",
        "|---|---:|---:|---|---:|---:|---:|---:|",
    ]
    for line in lines:
        cells = [_cell(line["reached"][f"{r:g}"], line["groups"], r) for r in RATES]
        text.append(
            f"| {line['null_groups']} | {line['hostile']:.0%} | {line['groups']:,} "
            f"| {line['e_value']} | {' | '.join(cells)} | {line['can_reach']:.0%} |"
        )
    return "\n".join(text)


def _bound(count: int, of: int) -> float:
    """The upper end of the one-sided exact 95 % interval of a rate."""
    return 1.0 if count == of else float(beta.ppf(0.95, count + 1, of - count))


def _cell(count: int, of: int, rate: float) -> str:
    above = binom.sf(count - 1, of, rate) < 0.05
    return f"{count / of:.2%} (≤ {_bound(count, of):.2%}){' **above**' if above else ''}"


def publish(
    lines: Sequence[dict[str, Any]], worlds: dict[str, Any], page: Path, data: Path
) -> None:
    """Write the table between the markers of the page, and its numbers for the dossiers."""
    text = page.read_text(encoding="utf-8")
    before, after = text.split(_BEGIN, 1)[0], text.split(_END, 1)[1]
    page.write_text(f"{before}{_BEGIN}\n\n{table(lines)}\n\n{_END}{after}", encoding="utf-8")
    numbers = ",\n".join(f"  {json.dumps(line)}" for line in lines)
    data.write_text(f'{{\n "worlds": {json.dumps(worlds)},\n "lines": [\n{numbers}\n ]\n}}\n')


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", default="1-12")
    parser.add_argument("--accounts", type=int, default=2_000)
    parser.add_argument("--exchanges", type=int, default=40_000)
    parser.add_argument("--groups", type=int, default=300, help="random groups a world")
    parser.add_argument("--page", type=Path, help="the page that holds the table")
    parser.add_argument("--data", type=Path, help="its numbers, as dossiers read them")
    arguments = parser.parse_args()
    if (arguments.page is None) != (arguments.data is None):
        parser.error("give --page and --data together: what a dossier says is what the page says")
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for seed in _seeds(arguments.seeds):
        done = arguments.out / f"{seed}.json"
        if not done.exists():
            with tempfile.TemporaryDirectory() as folder:
                order = order_world(
                    WORLDS["build"],
                    seed=seed,
                    accounts=arguments.accounts,
                    exchanges=arguments.exchanges,
                )
                simulate(order, Path(folder) / "world")
                found = measure(Path(folder) / "world", seed, arguments.groups)
            part = done.with_suffix(".part")
            part.write_text(json.dumps(found))
            part.rename(done)
        rows += json.loads(done.read_text())
        print(f"seed {seed}: {len(rows):,} rows so far", flush=True)
    lines = summarised(rows)
    print(table(lines))
    if arguments.page:
        worlds = {
            "seeds": _seeds(arguments.seeds),
            "accounts": arguments.accounts,
            "exchanges": arguments.exchanges,
        }
        publish(lines, worlds, arguments.page, arguments.data)


if __name__ == "__main__":
    main()
