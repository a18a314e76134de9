"""One measured figure, the machine it was measured on, and the table for people."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["Measurement", "machine", "render_table"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """A figure beside that of the plainest program that touches the same bytes, in one run.

    Attributes:
        target: What was promised, in words; "" where nothing was.
    """

    name: str
    value: float
    unit: str
    baseline: str
    baseline_value: float
    target: str = ""

    def as_json(self) -> dict[str, Any]:
        """The figure with its ratio, machine and date."""
        entry = asdict(self)
        del entry["target"]
        entry["value"], entry["baseline_value"] = (
            _rounded(self.value),
            _rounded(self.baseline_value),
        )
        return entry | {
            "ratio": _rounded(self.value / self.baseline_value),
            "machine": machine(),
            "date": datetime.now(UTC).date().isoformat(),
        }


def machine() -> str:
    """Number and model of the processors; never a name of the host."""
    model = platform.machine()
    described = Path("/proc/cpuinfo")
    if described.is_file():
        lines = described.read_text(encoding="utf-8", errors="replace").splitlines()
        named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = named[0] if named else model
    return f"{len(os.sched_getaffinity(0))} cores, {model}"


def render_table(measurements: Sequence[Measurement]) -> str:
    """The figures as a Markdown table, which is legible in a terminal too."""
    head = ("what", "measured", "target", "plain program", "its figure", "ratio")
    rows = [
        (
            m.name,
            f"{_shown(m.value)} {m.unit}",
            m.target,
            m.baseline,
            f"{_shown(m.baseline_value)} {m.unit}",
            _shown(m.value / m.baseline_value),
        )
        for m in measurements
    ]
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [_line(head, widths), "|" + "|".join("-" * (w + 2) for w in widths) + "|"]
    return "\n".join([*lines, *(_line(row, widths) for row in rows)])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
    return f"| {' | '.join(cells)} |"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
