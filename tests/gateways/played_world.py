"""A small simulated world, and the requests that its accounts send to a gateway."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from log_receiver import Received

from stillwatch.lake.store import Lake
from stillwatch.records import Findings, read_findings

__all__ = [
    "SimulatedWorld",
    "accounts_found",
    "answered",
    "import_into",
    "imported",
    "litellm_payloads",
    "make_key",
    "nanoseconds",
    "scanned",
    "simulated_world",
]

STILLWATCH = str(Path(sys.executable).with_name("stillwatch"))
_THREADS = 8
_SETTLING_SECONDS = 120


@dataclass(frozen=True, slots=True)
class SimulatedWorld:
    """The world's folder, its exchanges in the order of their start, and its truth."""

    folder: Path
    exchanges: list[dict[str, Any]]
    campaign_accounts: frozenset[str]

    def play(self, send: Callable[[dict[str, Any]], str]) -> dict[str, dict[str, Any]]:
        """Send every exchange; the gateway's id of each call, and the exchange it was.

        The answer is the side table from which the world's times are restored.
        """
        with ThreadPoolExecutor(_THREADS) as pool:
            return dict(zip(pool.map(send, self.exchanges), self.exchanges, strict=True))

    def lake_of(self, log: Path, log_format: str, *, folder: Path) -> Path:
        """A lake of the gateway's log and the provider's own facts of its accounts."""
        lake = folder / "lake"
        make_key(folder)
        import_into(lake, log_format, log)
        facts = (self.folder / name for name in ("accounts.parquet", "model_releases.parquet"))
        import_into(lake, "canonical", *facts)
        return lake

    def spoken(self) -> Counter[tuple[Any, ...]]:
        """Who said what when, and what was answered, as the world has it."""
        return Counter(
            (
                row["account_id"],
                row["started_at"],
                row["system_text"] or None,
                row["input_text"],
                row["output_text"] if answered(row) else None,
            )
            for row in self.exchanges
        )


def make_key(folder: Path) -> None:
    """The key of the lakes in a folder."""
    run("keys", "init", "--key-file", str(folder / "key"))


def import_into(lake: Path, log_format: str, *inputs: Path) -> dict[str, Any]:
    """What `stillwatch import` says of files of which it must be able to read every row."""
    done = run(
        *("import", "--format", log_format, *map(str, inputs), "--lake", str(lake)),
        *("--key-file", str(lake.parent / "key"), "--json"),
    )
    told: dict[str, Any] = json.loads(done)
    assert told["quarantined"] == 0, done
    return told


def litellm_payloads(received: Received, *, wanted: int) -> list[str]:
    """The lines that the callback posted, one for each call, once all are there."""
    deadline = time.monotonic() + _SETTLING_SECONDS
    lines: dict[str, str] = {}
    while len(lines) < wanted and time.monotonic() < deadline:
        time.sleep(1)
        posted = [line for body in received.bodies() for line in body.decode().splitlines()]
        lines = {json.loads(line)["litellm_call_id"]: f"{line}\n" for line in posted}
    assert len(lines) == wanted
    return list(lines.values())


def answered(row: dict[str, Any]) -> bool:
    """Whether a gateway can play the exchange to an answer; else it is played as a failure."""
    return bool(row["output_text"])


def simulated_world(folder: Path, *, exchanges: int) -> SimulatedWorld:
    """Twenty accounts of one campaign among two hundred honest ones, about so many exchanges."""
    run(
        *("simulate", "--world", "tiny", "--seed", "1", "--evasion", "1"),
        *("--accounts", "220", "--days", "7", "--exchanges", str(exchanges), "--out", str(folder)),
    )
    table = ds.dataset(folder / "exchanges").to_table().sort_by("started_at")
    truth = pq.read_table(folder / "truth_accounts.parquet")
    hostile = truth.filter(pc.is_valid(truth["campaign"]))["account_id"].to_pylist()
    world = SimulatedWorld(folder, table.to_pylist(), frozenset(hostile))
    honest = set(truth["account_id"].to_pylist()) - world.campaign_accounts
    assert (len(world.campaign_accounts), len(honest)) == (20, 200)
    return world


def accounts_found(lake: Path) -> frozenset[str]:
    """The accounts of the one campaign that a scan must find."""
    return frozenset(scanned(lake, campaigns=1).members["account_id"].to_pylist())


def scanned(lake: Path, *, campaigns: int) -> Findings:
    """What a scan finds, which must be so many campaigns."""
    told = json.loads(run("scan", "--lake", str(lake), "--json", status=3 if campaigns else 0))
    assert len(told["campaigns"]) == campaigns, told
    return read_findings(Lake.open(lake).findings_directory)


def imported(lake: Path) -> Counter[tuple[Any, ...]]:
    """Who said what when, and what was answered, as the lake has it."""
    columns = ["account_id", "started_at", "system_text", "input_text", "output_text"]
    rows = ds.dataset(Lake.open(lake).files("exchanges")).to_table(columns=columns).to_pylist()
    return Counter(tuple(row[name] for name in columns) for row in rows)


def nanoseconds(moment: datetime) -> int:
    """Nanoseconds since 1970, as OTLP writes a time, exact where a float would not be."""
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1_000


def run(*arguments: str, status: int = 0) -> str:
    """Standard output of a stillwatch command that must end with `status`."""
    done = subprocess.run([STILLWATCH, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout
