"""How well it is told what an exchange is wanted for: simulated worlds against their truth.

tools/measure_purpose.py WORLD...   prints the tables of docs/signals/purpose.md.

*Right* is over all exchanges, so that an abstention counts as wrong. *In its campaign* names the
exchanges of each campaign together, as a scan does, with the campaign's exchanges taken from the
truth. *Length-matched* weighs the exchanges of each target so that all targets have the same
lengths; *length only* is the best that a rule on the number of words alone could do there.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from stillwatch.lake.log import open_log
from stillwatch.records import Target
from stillwatch.signals.naming import purposes_read_again
from stillwatch.signals.targets import (
    asks_for_training_material,
    sought_targets,
    targets_of_campaign,
)
from stillwatch.signals.templates import mine_fragments
from stillwatch.signals.traffic import read_traffic

NAMES = [target.value for target in Target]
BINS = np.geomspace(4, 1024, 17)
SCRIPTS = {
    "Arabic": (0x0600, 0x0700),
    "Devanagari": (0x0900, 0x0980),
    "Thai": (0x0E00, 0x0E80),
    "kana": (0x3040, 0x3100),
    "Han": (0x4E00, 0xA000),
}
IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


def read(world: Path) -> dict[str, npt.NDArray[Any]]:
    """For each exchange with words: truth (-1 for honest), what was told, words, script."""
    log = open_log(exchanges=world / "exchanges", accounts=world / "accounts.parquet")
    traffic = read_traffic(log)
    fragments = mine_fragments(traffic)
    ids = traffic.exchange_ids.to_pylist()
    wanted = pq.read_table(world / "truth_exchanges.parquet").to_pylist()
    targets = {row["exchange_id"]: row["target"] for row in wanted if row["distill"]}
    truth = np.array([NAMES.index(targets[i]) if i in targets else -1 for i in ids])
    accounts = pq.read_table(world / "truth_accounts.parquet").to_pylist()
    campaign_of = {row["account_id"]: row["campaign"] or "" for row in accounts}
    campaigns = np.array([campaign_of[name] for name in traffic.account_names.tolist()])
    together = np.full(len(truth), -1)
    for campaign in np.unique(campaigns[campaigns != ""]):
        rows = np.flatnonzero((campaigns[traffic.accounts] == campaign) & (truth >= 0))
        shares = purposes_read_again(log, traffic, rows)
        together[rows] = targets_of_campaign(shares, rows, fragments)
    writing: dict[str, str] = {}
    for path in sorted((world / "exchanges").glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(columns=["exchange_id", "input_text"]):
            names, texts = (batch.column(k).to_pylist() for k in range(2))
            writing |= {n: script(t) for n, t in zip(names, texts, strict=True) if n in targets}
    words = traffic.system_words + traffic.input_words
    columns = {
        "truth": truth,
        "alone": sought_targets(traffic.purpose),
        "together": together,
        "asked": asks_for_training_material(traffic.purpose),
        "words": words,
        "script": np.array([writing.get(i, "") for i in ids]),
    }
    return {name: column[words > 0] for name, column in columns.items()}


def script(text: str | None) -> str:
    """The first writing of `SCRIPTS` that a tenth of the letters are in, else Latin."""
    points = [ord(letter) for letter in (text or "")[:400] if letter.isalpha()]
    for name, (low, high) in SCRIPTS.items():
        if points and sum(low <= point < high for point in points) >= 0.1 * len(points):
            return name
    return "Latin"


def matched(truth: IntArray, words: IntArray) -> FloatArray:
    """Weights under which the targets have the same lengths, where at least half of them occur."""
    bins = np.searchsorted(BINS, words)
    table = np.zeros((len(NAMES), len(BINS) + 1))
    np.add.at(table, (truth, bins), 1)
    shared = (table > 0).sum(axis=0) * 2 >= (table.sum(axis=1) > 0).sum()
    weights = np.where(shared, table.sum(axis=0), 0) / np.maximum(table, 1)
    return np.asarray(weights[truth, bins])


def length_only(truth: IntArray, words: IntArray, weights: FloatArray) -> float:
    """The share that the commonest target of each length is right for, under these weights."""
    table = np.zeros((len(NAMES), len(BINS) + 1))
    np.add.at(table, (truth, np.searchsorted(BINS, words)), weights)
    return float(table.max(axis=0).sum() / table.sum())


def row(name: str, these: IntArray, data: dict[str, npt.NDArray[Any]], weights: FloatArray) -> str:
    truth, alone, together = (data[n][these] for n in ("truth", "alone", "together"))
    right, unsure = (alone == truth).mean(), (alone < 0).mean()
    even = [np.average(t == truth, weights=weights[these] + 1e-12) for t in (alone, together)]
    figures = [
        right,
        unsure,
        1 - right - unsure,
        right / max(1 - unsure, 1e-9),
        even[0],
        (together == truth).mean(),
        even[1],
    ]
    return f"| {name} | {len(these):,} | " + " | ".join(f"{f:.3f}" for f in figures) + " |"


def main(worlds: list[str]) -> int:
    parts = [read(Path(world)) for world in worlds]
    data = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    collected = np.flatnonzero(data["truth"] >= 0)
    weights = np.zeros(len(data["truth"]))
    truth, words = data["truth"][collected], data["words"][collected]
    weights[collected] = matched(truth, words)
    print(
        "| wanted for | exchanges | right | unsure | wrong | right where sure | length-matched "
        "| in its campaign | length-matched |\n|---|" + "---:|" * 8
    )
    groups: list[tuple[str, IntArray]] = [
        (name, collected[truth == number]) for number, name in enumerate(NAMES)
    ]
    groups += [
        (f"in {name} script", collected[data["script"][collected] == name])
        for name in ("Latin", *SCRIPTS)
    ]
    for name, rows in [*groups, ("all", collected)]:
        if len(rows):
            print(row(name, rows, data, weights))
    honest = data["alone"][data["truth"] < 0] < 0
    print(f"\nHonest: {len(honest):,} exchanges, {1 - honest.mean():.3f} named a target.")
    even = length_only(truth, words, weights[collected])
    print(
        f"Length only: {length_only(truth, words, np.ones(len(truth))):.3f} as they come, "
        f"{even:.3f} length-matched."
    )
    print(
        f"Mean probability of any target: {data['asked'][collected].mean():.3f} where collected, "
        f"{data['asked'][data['truth'] < 0].mean():.3f} where honest."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
