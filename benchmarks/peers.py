"""`make bench-peers`: stillwatch beside programs made for parts of its work, on the same worlds.

    benchmarks/peers.py [--quick] [--folder DIR] [--seeds 401,402,403] [--dials identity=3]
                        [--out FILE]

Worlds are simulated; the scan, its linking stage, Splink, coordination-network-toolkit, a script in
pandas and the baselines of `stillwatch evaluate` read each of them, every program in a process of its
own. What they cost and what they name goes into docs/benchmarks.md. The peers are installed from
benchmarks/peers-requirements.txt into an environment of their own, which is thrown away unless
`--folder` keeps it; a run that was stopped goes on there with the first world that was not measured
whole. With `--quick`, small worlds only show that everything runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from measured import machine
from peer_scores import (
    Edges,
    Score,
    TruthOfWorld,
    best_clusters,
    best_points,
    clusters_of,
    read_truth_of_world,
    score_accounts,
    score_groups,
)
from peer_tables import Row, page
from process_tree import Cost, cost_of

from stillwatch.evaluation.baselines import BASELINES

_ROOT = Path(__file__).resolve().parents[1]
_PROGRAMS = Path(__file__).with_name("peer_programs")
_BEGIN, _END = "<!-- peers: begin -->", "<!-- peers: end -->"
_FOUND = 3

_SPLINK_LEAST = 4.248  # bits: the match weight of its tutorial's probability of 0.95
_IN_COMMON_LEAST = 2.0  # messages: the least weight of an edge that the toolkit keeps by default
_POINTS_LEAST = 2.0  # of the three rules of the script

_NETWORKS = {
    "co_post": "any exchange",
    "co_tweet": "the same prompt",
    "co_similar_tweet": "a similar prompt",
}


@dataclass(frozen=True, slots=True)
class Worlds:
    """Which worlds are read.

    Attributes:
        dials: By what a table is called, the attacker's dials (`simulate --evasion`).
    """

    name: str
    accounts: int
    days: int
    exchanges: int
    dials: dict[str, str]


FULL = Worlds(
    "full",
    4_000,
    14,
    100_000,
    {
        "cards, devices and networks are shared in fives": "1",
        "nothing is shared": "identity=3",
    },
)
SEEDS = (401, 402, 403)
QUICK = Worlds("tiny", 300, 3, 4_000, {"a small world": "1"})


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Measure stillwatch beside its peers.")
    parser.add_argument("--quick", action="store_true", help="a small world, to see that it runs")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    parser.add_argument("--dials", help="only worlds of this setting of the attackers' dials")
    parser.add_argument("--folder", type=Path, help="where all of it lies; temporary if absent")
    parser.add_argument("--out", type=Path, help="where the tables go as well")
    asked = parser.parse_args(arguments)
    worlds = QUICK if asked.quick else FULL
    dials = {w: d for w, d in worlds.dials.items() if asked.dials in (None, d)}
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        python = _install_peers(folder / "peers-environment")
        measured = [
            _measured_world(worlds, seed, dial, folder, python)
            for seed in seeds
            for dial in dials.values()
        ]
    rows = [Row.from_json(row) for one in measured for row in one["rows"]]
    text = page(rows, dials, stamp=_stamp(measured, seeds))
    print(text)
    if asked.out is not None:
        asked.out.write_text(text + "\n", encoding="utf-8")
    if not asked.quick:
        docs = _ROOT / "docs" / "benchmarks.md"
        before, _, rest = docs.read_text(encoding="utf-8").partition(_BEGIN)
        after = rest.partition(_END)[2]
        docs.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", encoding="utf-8")


def _stamp(measured: Sequence[dict[str, Any]], seeds: Sequence[int]) -> str:
    dates, machines = (sorted({one[of] for one in measured}) for of in ("date", "machine"))
    loads = [one["load"] for one in measured]
    return (
        f"Measured on {' and '.join(dates)} on {' and '.join(machines)}, "
        f"in {len(measured)} of {len(SEEDS) * len(FULL.dials)} worlds "
        f"({'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}).\n"
        f"The load average of the five minutes at the end of each world was {min(loads):.1f} to "
        f"{max(loads):.1f}: 1 to 2 is a machine that does nothing else."
    )


def _install_peers(place: Path) -> str:
    """Make the peers' environment, and name its interpreter."""
    local = _ROOT / ".tools" / "bin" / "uv"
    uv = str(local) if local.is_file() else shutil.which("uv")
    if uv is None:
        raise SystemExit("uv is missing: run `make setup` first, which fetches it.")
    python = str(place / "bin" / "python")
    wanted = Path(__file__).with_name("peers-requirements.txt")
    made = [uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(place)]
    subprocess.run(made, check=True)
    # Compiled now, so that nobody's first start is measured.
    install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
    subprocess.run([*install, "-r", str(wanted)], check=True)
    return python


def _measured_world(
    worlds: Worlds, seed: int, dial: str, folder: Path, python: str
) -> dict[str, Any]:
    """All programs on one world, one after the other; a world that was measured whole is not again."""
    kept = folder / f"measured-{worlds.name}-{dial.replace('=', '-')}-{seed}.json"
    if not kept.is_file():
        rows = []
        for row in _measure_world(worlds, seed, dial, folder, python):
            print(f"{kept.stem}: {json.dumps(row.as_json())}", file=sys.stderr, flush=True)
            rows.append(row.as_json())
        measured = {
            "date": datetime.now(UTC).date().isoformat(),
            "machine": machine(),
            "load": os.getloadavg()[1],
            "rows": rows,
        }
        kept.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    told: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
    return told


def _measure_world(
    worlds: Worlds, seed: int, dial: str, folder: Path, python: str
) -> Iterator[Row]:
    world = folder / f"world-{worlds.name}-{dial.replace('=', '-')}-{seed}"
    if not (world / "truth_accounts.parquet").is_file():
        made = [
            *("simulate", "--world", worlds.name, "--seed", str(seed), "--evasion", dial),
            *("--accounts", str(worlds.accounts), "--days", str(worlds.days)),
            *("--exchanges", str(worlds.exchanges), "--out", str(world)),
        ]
        _run(_stillwatch(*made))
    truth = read_truth_of_world(world)
    for file in sorted(world.rglob("*.parquet")):
        file.read_bytes()  # so that nobody's first reading of the disk is measured
    yield from _rows(world, truth, dial, python)


def _rows(world: Path, truth: TruthOfWorld, dial: str, python: str) -> Iterator[Row]:
    with tempfile.TemporaryDirectory(dir=world.parent) as temporary:
        out = Path(temporary)
        scans = (("stillwatch scan", ()), ("without its timeline", ("--no-timeline",)))
        for place, (name, options) in enumerate(scans):
            findings = out / f"findings-{place}"
            cost, _ = _run(_stillwatch("scan", *_tables(world), *options, "--out", str(findings)))
            groups = _groups(findings / "members.parquet", "campaign_id", "account_id")
            yield Row(dial, name, cost, score_groups(truth, groups), None, "")
        cost, _ = _run([sys.executable, str(_PROGRAMS / "linking_stage.py"), str(world), str(out)])
        groups = _groups(out / "groups.parquet", "group", "account")
        yield Row(dial, "its linking stage alone", cost, score_groups(truth, groups), None, "")

        cost = _peer(python, "splink_accounts.py", world, out)
        yield _from_edges(dial, "Splink on DuckDB", cost, truth, out, least=_SPLINK_LEAST)
        for network, words in _NETWORKS.items():
            cost = _peer(python, "coordination_networks.py", world, out, network)
            name = f"coordination-network-toolkit, {words}"
            yield _from_edges(dial, name, cost, truth, out, least=_IN_COMMON_LEAST)
        cost = _peer(python, "pandas_script.py", world, out)
        told = pq.read_table(out / "accounts.parquet").to_pydict()
        points = dict(zip(told["account"], told["score"], strict=True))
        own = score_accounts(truth, {a for a, had in points.items() if had >= _POINTS_LEAST})
        yield Row(dial, "a script in pandas", cost, own, *best_points(truth, points))
        yield from _baselines(world, out / "findings-0", dial, truth)


def _from_edges(
    dial: str, name: str, cost: Cost, truth: TruthOfWorld, out: Path, *, least: float
) -> Row:
    edges = Edges.read(out / "edges.parquet")
    own = score_groups(truth, clusters_of(edges, least=least))
    return Row(dial, name, cost, own, *best_clusters(truth, edges))


def _baselines(world: Path, findings: Path, dial: str, truth: TruthOfWorld) -> Iterator[Row]:
    """Their quality is that of `evaluate`, which chooses their setting by the truth as well."""
    _, printed = _run(_stillwatch("evaluate", str(world), str(findings)))
    evaluated: dict[str, Any] = json.loads(printed)
    told = {baseline["name"]: baseline for baseline in evaluated["baselines"]}
    for baseline in BASELINES:
        program = str(_PROGRAMS / "one_baseline.py")
        cost, _ = _run([sys.executable, program, str(world), baseline.name])
        one = told[baseline.name]
        right = round((one["ranked_precision"] or 0.0) * one["accused"])
        best = Score(one["accused"], right, len(truth.campaigns))
        yield Row(dial, f"baseline: {baseline.description}", cost, None, best, str(one["setting"]))


def _groups(path: Path, group: str, account: str) -> list[frozenset[str]]:
    members: dict[str, set[str]] = defaultdict(set)
    for row in pq.read_table(path, columns=[group, account]).to_pylist():
        members[row[group]].add(row[account])
    return [frozenset(members[name]) for name in sorted(members)]


def _peer(python: str, program: str, world: Path, out: Path, *words: str) -> Cost:
    """One run of a peer; what an earlier one left in `out` is removed first."""
    for left in (*out.glob("messages.*"), *out.glob("edges.parquet")):
        left.unlink()
    return _run([python, str(_PROGRAMS / program), str(world), str(out), *words])[0]


def _stillwatch(*words: str) -> list[str]:
    return [sys.executable, "-m", "stillwatch", *words, "--json"]


def _tables(world: Path) -> list[str]:
    return [
        *("--exchanges", str(world / "exchanges"), "--accounts", str(world / "accounts.parquet")),
        *("--credentials", str(world / "credentials.parquet")),
        *("--releases", str(world / "model_releases.parquet")),
    ]


def _run(command: list[str]) -> tuple[Cost, str]:
    # Settings of the one who measures are left out, and so is an order to compile at every start.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("STILLWATCH__") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return cost_of(command, environment=kept, statuses=(0, _FOUND))


if __name__ == "__main__":
    main(sys.argv[1:])
