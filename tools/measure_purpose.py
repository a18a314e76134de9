"""How often the cues tell what an exchange is wanted for: simulated worlds against their truth.

tools/measure_purpose.py WORLD...   prints the rows of the table in docs/signals/purpose.md.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from stillwatch.lake.sketch import sketch_exchanges
from stillwatch.records import Target
from stillwatch.signals.collection import sought_targets

NAMES = [target.value for target in Target]
TEXTS = ["exchange_id", "system_text", "input_text", "output_text"]


def measure(world: Path) -> Counter[tuple[str, str]]:
    """How many exchanges of each true target ("" for honest ones) were told as what."""
    truth = pq.read_table(world / "truth_exchanges.parquet").to_pylist()
    wanted = {row["exchange_id"]: row["target"] for row in truth if row["distill"]}
    told: Counter[tuple[str, str]] = Counter()
    for path in sorted((world / "exchanges").glob("*.parquet")):
        for batch in pq.ParquetFile(path).iter_batches(columns=TEXTS):
            hits = np.array(sketch_exchanges(batch).column("cue_hits").to_pylist(), np.uint8)
            for name, target in zip(
                batch.column("exchange_id").to_pylist(), sought_targets(hits), strict=True
            ):
                told[wanted.get(name, ""), NAMES[target] if target >= 0 else "unsure"] += 1
    return told


def main(worlds: list[str]) -> int:
    told: Counter[tuple[str, str]] = Counter()
    for world in worlds:
        told += measure(Path(world))
    for target in [*NAMES, ""]:
        total = sum(count for (true, _), count in told.items() if true == target)
        if total:
            right, unsure = told[target, target], told[target, "unsure"]
            shares = [right / total, unsure / total, (total - right - unsure) / total]
            figures = " | ".join(f"{share:.3f}" for share in shares)
            print(f"| {target or 'nothing: honest'} | {total:,} | {figures} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
