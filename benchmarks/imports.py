"""`stillwatch import` of each format, beside parsing the same bytes and doing nothing with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from commands import plain, stillwatch
from gateway_logs import (
    write_canonical,
    write_json_lines,
    write_litellm,
    write_otlp,
    write_otlp_protobuf,
)
from measured import Measurement

__all__ = ["measure_imports"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A file to import, and the plain program that parses it.

    Attributes:
        target: Exchanges a second that were promised, in words; "" where nothing was.
        is_measured_large: Whether it is also imported with all exchanges of the world, which
            shows that its memory does not grow.
    """

    log_format: str
    name: str
    write: Callable[[Path, Path, int], int]
    program: str
    baseline: str
    target: str = ""
    is_measured_large: bool = False


_KINDS = (
    Kind(
        *("canonical", "canonical.parquet", write_canonical, "read-rows", "reading the rows"),
        target="60,000",
        is_measured_large=True,
    ),
    Kind(
        *("canonical", "canonical.jsonl", write_json_lines, "read-lines", "decoding the lines"),
        target="20,000",
        is_measured_large=True,
    ),
    Kind("litellm", "litellm.ndjson", write_litellm, "read-lines", "decoding the lines", "20,000"),
    Kind("otlp", "otlp.jsonl", write_otlp, "read-lines", "decoding the lines"),
    Kind("otlp", "otlp.pb", write_otlp_protobuf, "read-messages", "parsing messages", "10,000"),
)


def measure_imports(world: Path, folder: Path, *, few: int, many: int) -> Iterator[Measurement]:
    """Each format with `few` exchanges, and the canonical ones with as many as `many` too."""
    key = folder / "key"
    stillwatch("keys", "init", "--key-file", key)
    for kind in _KINDS:
        yield from _measured(kind, world, folder, few)
        if kind.is_measured_large:
            yield from _measured(kind, world, folder, many)


def _measured(kind: Kind, world: Path, folder: Path, wanted: int) -> Iterator[Measurement]:
    path, lake = folder / kind.name, folder / f"lake-{kind.name}-{wanted}"
    rows = kind.write(world, path, wanted)
    ran = stillwatch(
        *("import", "--format", kind.log_format, path, "--lake", lake),
        *("--key-file", folder / "key"),
    )
    if ran.report["imported"] != rows:
        raise SystemExit(f"{kind.name}: {ran.report['imported']} of {rows} rows were imported.")
    read = plain(kind.program, path).report
    name = f"import {kind.name}, {rows:,} of {path.stat().st_size // rows:,} bytes"
    path.unlink()
    yield Measurement(
        *(name, rows / ran.seconds, "exchanges/s", kind.baseline, rows / read["seconds"]),
        kind.target,
    )
    yield Measurement(
        *(f"{name}, peak memory", ran.report["peak_memory_bytes"] / 1e9, "GB", kind.baseline),
        *(read["peak_memory_bytes"] / 1e9, "1"),
    )
