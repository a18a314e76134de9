"""`make demo`: simulate a world, scan it, and say where the dossier lies.

The last line of standard output is the path of a dossier.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

STILLWATCH = [sys.executable, "-m", "stillwatch"]
ACCOUNTS, DAYS, SEED = 4_000, 10, 1


def main(folder: Path) -> int:
    world, findings = folder / "world", folder / "findings"
    print(f"Simulating a world of {ACCOUNTS:,} accounts in {world} ...", flush=True)
    arguments = ["--world", "demo", "--seed", SEED, "--accounts", ACCOUNTS, "--days", DAYS]
    made = _stillwatch("simulate", *arguments, "--out", world, "--json")
    print(f"  {made['exchanges']:,} exchanges; {made['campaign_accounts']} accounts collect.")
    print("Scanning it ...", flush=True)
    tables = ["--exchanges", world / "exchanges", "--accounts", world / "accounts.parquet"]
    more = [
        "--credentials",
        world / "credentials.parquet",
        "--releases",
        world / "model_releases.parquet",
    ]
    found = _stillwatch("scan", *tables, *more, "--out", findings, "--json")
    print(f"  {len(found['campaigns'])} campaigns in {found['seconds']:.0f} seconds.")
    print("Comparing with the truth, which the scan never saw:", flush=True)
    score = _stillwatch("evaluate", world, findings, "--json", "--no-baselines")
    print(f"  accounts: precision {score['account_precision']}, recall {score['account_recall']};")
    print(f"  honest accounts flagged: {score['honest_flagged']}.")
    for campaign in found["campaigns"]:
        print(folder / "findings" / "dossier" / f"{campaign['campaign_id']}.html")
    return 0 if found["campaigns"] else 1


def _stillwatch(*arguments: object) -> dict[str, Any]:
    """Run a command; its words go to standard error, its object comes back."""
    done = subprocess.run(
        [*STILLWATCH, *(str(a) for a in arguments)], stdout=subprocess.PIPE, check=False
    )
    if done.returncode not in (0, 3):
        sys.exit(done.returncode)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
