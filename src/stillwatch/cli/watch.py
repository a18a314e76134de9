"""`stillwatch watch`: look at a lake again whenever it has changed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from stillwatch.cli.output import FAILED, FOUND, amount, emit_json, reports_errors, say

if TYPE_CHECKING:
    from stillwatch.records import Findings

__all__ = ["command"]

_LOOKED_AT = ("exchanges", "accounts", "credentials", "model_releases")


@click.command(name="watch")
@click.option(
    "--lake",
    required=True,
    type=click.Path(path_type=Path),
    help="The lake's folder; findings are written into it.",
)
@click.option(
    "--every",
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    help="How long to wait between looks whether anything has changed.",
)
@click.option("--once", is_flag=True, help="Look once, and end as `scan` does.")
@click.option(
    "--fdr", type=float, metavar="RATE", help="The false discovery rate; that of `scan` if absent."
)
@click.option(
    "--joint", is_flag=True, help="Hold the rate over all daily looks together, not at each."
)
@reports_errors
def command(lake: Path, every: float, once: bool, fdr: float | None, joint: bool) -> None:
    """Scan a lake whenever something was added to it.

    Each look prints one JSON object on a line of standard output: what was new, which campaigns
    have accounts that no earlier look had flagged, and how long after the campaign's last exchange
    that was. Midnights weighed before are not weighed again. SIGTERM and Ctrl-C end it with 0.
    """
    options = [*(["--fdr", f"{fdr:g}"] if fdr is not None else []), *(["--joint"] if joint else [])]
    watch = _Watch(lake, options)
    signal.signal(signal.SIGTERM, watch.stop)
    signal.signal(signal.SIGINT, watch.stop)
    watch.status = watch.look()
    if not once:
        say(f"Watching {lake}. Stop with SIGTERM or Ctrl-C.")
        while watch.wait(every):
            watch.look()
    sys.exit(watch.status if once else 0)


@dataclass(slots=True)
class _Watch:
    """What is known of the lake, and of what was found in it."""

    lake: Path
    options: list[str]
    status: int = 0
    _seen: dict[str, list[str]] = field(default_factory=dict)
    _rows: int = 0
    _flagged: set[str] = field(default_factory=set)
    _stopped: bool = False
    _scan: subprocess.Popen[str] | None = None

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """End as soon as nothing is half-done; a scan that runs leaves the findings as they were."""
        self._stopped = True
        if self._scan is not None:
            self._scan.terminate()

    def wait(self, seconds: float) -> bool:
        """Wait for so long; False when asked to stop meanwhile."""
        end = time.monotonic() + seconds
        while not self._stopped and time.monotonic() < end:
            time.sleep(min(0.2, max(end - time.monotonic(), 0.0)))
        return not self._stopped

    def look(self) -> int:
        """Scan if anything has changed, and tell what is new; returns the scan's exit status."""
        from stillwatch.lake.manifest import Manifest

        manifest = Manifest.read(self.lake)
        seen = {table: [part.path for part in manifest.parts(table)] for table in _LOOKED_AT}
        rows = sum(part.rows for part in manifest.parts("exchanges"))
        if seen == self._seen or not rows:
            return 0
        before = _findings(self.lake)
        status, report = self._run()
        if self._stopped or status not in (0, FOUND):
            return status  # the next look tries again
        if before is not None:
            self._flagged |= set(before.members["account_id"].to_pylist())
        after = _findings(self.lake)
        assert after is not None  # the scan has written them
        told = _compared(before, after, self._flagged)
        told |= {"exchanges": rows, "new_exchanges": rows - self._rows}
        told |= {name: report[name] for name in ("seconds", "peak_memory_bytes")}
        fresh = sum(one["new_accounts"] for one in told["found"])
        say(
            f"{amount(told['new_exchanges'], 'new exchange')}; "
            f"{amount(told['campaigns'], 'campaign')}, "
            f"{amount(fresh, 'account')} flagged for the first time."
        )
        emit_json(told)
        sys.stdout.flush()
        self._seen, self._rows = seen, rows
        return status

    def _run(self) -> tuple[int, dict[str, Any]]:
        """One scan in a process of its own, whose memory is given back at its end."""
        words = ["scan", "--lake", str(self.lake), *self.options, "--json"]
        self._scan = subprocess.Popen(
            [sys.executable, "-m", "stillwatch", *words],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        output, _ = self._scan.communicate()
        status = self._scan.returncode
        self._scan = None
        if status in (0, FOUND):
            return status, json.loads(output)
        return (status if status > 0 else FAILED), {}


def _findings(lake: Path) -> Findings | None:
    """The lake's latest findings, if it has any."""
    from stillwatch.lake.store import Lake
    from stillwatch.records import read_findings

    folder = Lake.open(lake).findings_directory
    return read_findings(folder) if folder.is_dir() else None


def _compared(before: Findings | None, after: Findings, flagged: set[str]) -> dict[str, Any]:
    """What a look found that was not known.

    Args:
        flagged: Accounts that an earlier look had flagged.
    """
    now = datetime.now(UTC)
    members = after.members.select(["campaign_id", "account_id"]).to_pylist()
    found = []
    for campaign in after.campaigns.to_pylist():
        name, lag = campaign["campaign_id"], now - campaign["last_seen"]
        accounts = [member["account_id"] for member in members if member["campaign_id"] == name]
        found.append(
            {
                "campaign_id": name,
                "accounts": len(accounts),
                "new_accounts": sum(account not in flagged for account in accounts),
                "seconds_since_last_exchange": round(lag.total_seconds(), 3),
            }
        )
    names = {one["campaign_id"] for one in found}
    earlier = set(before.campaigns["campaign_id"].to_pylist()) if before is not None else set()
    return {
        "looked_at": now.isoformat(timespec="seconds"),
        "campaigns": len(found),
        "found": [one for one in found if one["new_accounts"]],
        "gone": sorted(earlier - names),
    }
