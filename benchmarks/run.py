"""`make bench`: how fast each command is, beside the plainest program for the same bytes.

    benchmarks/run.py [--quick] [--out FILE] [--folder DIR]

The table goes to standard output, the figures to benchmarks/latest.json and the table also into
docs/benchmarks.md. With `--quick`, a small world only shows that everything runs; its figures mean
nothing and go to `--out` alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from commands import Run, plain, stillwatch
from daily import measure_daily_scan
from imports import measure_imports
from kernel import measure_kernel
from measured import Measurement, render_table
from receiving import measure_receiving

_ROOT = Path(__file__).resolve().parents[1]
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_SCAN = "DuckDB over the same columns"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        imported: Exchanges in each imported file but the largest, which have all of the world.
        received_seconds: For how long exchanges are sent to a receiver, in batches of each size.
    """

    world: str
    accounts: int
    days: int
    exchanges: int
    imported: int
    received_seconds: float
    received_batches: tuple[int, ...]


# Some more are asked for than a million: a world's volume is an expectation.
FULL = Size("full", 15_000, 14, 1_030_000, 100_000, 30.0, (500, 50, 1))
QUICK = Size("demo", 60, 2, 2_000, 500, 0.5, (50,))


def measure(size: Size, folder: Path) -> Iterator[Measurement]:
    """Everything, one after the other, each beside its baseline."""
    world, findings = folder / "world", folder / "findings"
    yield from _simulate(size, world, folder)
    yield from _scan(world, findings)
    yield from measure_daily_scan(world, folder)
    yield _evaluate(world, findings)
    yield from _dossier(world, findings)
    yield from measure_kernel(world, size.imported)
    yield from measure_imports(world, folder, few=size.imported, many=size.exchanges)
    yield from measure_receiving(
        world, folder, seconds=size.received_seconds, batches=size.received_batches
    )


def _simulate(size: Size, world: Path, folder: Path) -> Iterator[Measurement]:
    ran = stillwatch(
        *("simulate", "--world", size.world, "--seed", 1, "--accounts", size.accounts),
        *("--days", size.days, "--exchanges", size.exchanges, "--out", world),
    )
    rows = ran.report["exchanges"]
    copied = plain("rewrite", world / "exchanges", folder / "copy.parquet").report
    baseline = "reading and writing the same Parquet"
    yield Measurement(
        f"simulate {rows:,} exchanges",
        rows / ran.seconds,
        "exchanges/s",
        baseline,
        rows / copied["seconds"],
        "20,000",
    )


def _scan(world: Path, findings: Path) -> Iterator[Measurement]:
    plain("scan", world / "exchanges")  # so that nobody's first reading of the disk is measured
    read = plain("scan", world / "exchanges").report
    for name, options in (("scan", ()), ("scan --no-timeline", ("--no-timeline",))):
        ran = _one_scan(world, findings if not options else findings.with_name("without"), options)
        yield Measurement(name, ran.seconds, "s", _SCAN, read["seconds"], "" if options else "120")
        yield Measurement(
            f"{name}, peak memory",
            ran.report["peak_memory_bytes"] / 1e9,
            "GB",
            _SCAN,
            read["peak_memory_bytes"] / 1e9,
            "" if options else "3",
        )


def _one_scan(world: Path, out: Path, options: Sequence[str]) -> Run:
    return stillwatch(
        *("scan", "--exchanges", world / "exchanges", "--accounts", world / "accounts.parquet"),
        *("--credentials", world / "credentials.parquet"),
        *("--releases", world / "model_releases.parquet", "--out", out, *options),
    )


def _evaluate(world: Path, findings: Path) -> Measurement:
    ran = stillwatch("evaluate", world, findings)
    joined = plain("join-truth", world, findings).report["seconds"]
    baseline = "DuckDB joining truth and findings, and grouping prompts"
    return Measurement("evaluate, baselines included", ran.seconds, "s", baseline, joined)


def _dossier(world: Path, findings: Path) -> Iterator[Measurement]:
    """Of the largest campaign; nothing where none was found."""
    from stillwatch.dossier import write_dossiers
    from stillwatch.lake.log import open_log
    from stillwatch.records import read_findings

    found = read_findings(findings)
    campaigns = found.campaigns.sort_by([("exchanges", "descending")])
    if not campaigns.num_rows:
        return
    largest = campaigns.slice(0, 1)
    only = replace(found, campaigns=largest)
    log = open_log(
        exchanges=world / "exchanges",
        accounts=world / "accounts.parquet",
        credentials=world / "credentials.parquet",
        releases=world / "model_releases.parquet",
    )
    started = time.perf_counter()
    write_dossiers(only, log, findings.with_name("dossier"), command="benchmark")
    seconds = time.perf_counter() - started
    row = largest.to_pylist()[0]
    texts = plain("campaign-texts", world, findings, row["campaign_id"]).report["seconds"]
    name = f"dossier of {row['accounts']:,} accounts, {row['exchanges']:,} exchanges"
    yield Measurement(name, seconds, "s", "DuckDB reading the campaign's texts", texts)


def main(arguments: Sequence[str]) -> None:
    """Measure, print, and keep what was measured."""
    parser = argparse.ArgumentParser(description="Measure how fast each command is.")
    parser.add_argument("--quick", action="store_true", help="a small world, to see that it runs")
    parser.add_argument("--out", type=Path, help="where the figures go")
    parser.add_argument("--folder", type=Path, help="where the world lies; temporary if absent")
    options = parser.parse_args(arguments)
    busy = os.getloadavg()[1]  # of five minutes: before any work of ours
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        measured = []
        for measurement in measure(QUICK if options.quick else FULL, folder):
            print(
                f"{measurement.name}: {measurement.value:.4g} {measurement.unit}", file=sys.stderr
            )
            measured.append(measurement)
    table = render_table(measured)
    print(table)
    out = options.out or (None if options.quick else _ROOT / "benchmarks" / "latest.json")
    if out is not None:
        out.write_text(json.dumps([m.as_json() for m in measured], indent=2) + "\n")
    if not options.quick:
        _put_into_page(_ROOT / "docs" / "benchmarks.md", table, measured[0], busy=busy)


def _put_into_page(page: Path, table: str, first: Measurement, *, busy: float) -> None:
    before, _, rest = page.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    entry = first.as_json()
    stamp = (
        f"Measured on {entry['date']} on {entry['machine']}.\n"
        f"The load average in the five minutes before was {busy:.1f}: 0 is a quiet machine."
    )
    page.write_text(f"{before}{_BEGIN}\n{stamp}\n\n{table}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
