"""A daily scan of a lake: what it costs when one more day has come in, beside scanning all of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from commands import Run, stillwatch
from measured import Measurement

__all__ = ["measure_daily_scan"]

_TABLES = ("accounts", "credentials", "model_releases")


def measure_daily_scan(world: Path, folder: Path) -> Iterator[Measurement]:
    """Import all days but the last and scan them; then the last day, and scan again."""
    lake, key = folder / "daily-lake", folder / "daily-key"
    stillwatch("keys", "init", "--key-file", key)
    *before, last = sorted((world / "exchanges").glob("*.parquet"))
    tables = [world / f"{name}.parquet" for name in _TABLES]
    _import(lake, key, [*before, *tables])
    first = _scan(lake)
    _import(lake, key, [last])
    second = _scan(lake)
    baseline = "the scan of the days before, which remembers nothing"
    yield Measurement(
        "scan --lake after one more day", second.seconds, "s", baseline, first.seconds
    )
    yield Measurement(
        "scan --lake after one more day, peak memory",
        second.report["peak_memory_bytes"] / 1e9,
        "GB",
        baseline,
        first.report["peak_memory_bytes"] / 1e9,
    )


def _import(lake: Path, key: Path, inputs: list[Path]) -> None:
    stillwatch("import", "--format", "canonical", *inputs, "--lake", lake, "--key-file", key)


def _scan(lake: Path) -> Run:
    return stillwatch("scan", "--lake", lake)
