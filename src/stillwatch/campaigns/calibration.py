"""The error rates that were measured on simulated worlds, as the table of `docs/statistics.md` has them.

`calibration.json` and that table are written together, by `tools/measure_calibration.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

__all__ = ["MeasuredRate", "measured_rate", "measured_worlds"]


@dataclass(frozen=True, slots=True)
class MeasuredRate:
    """How often a null group's e-value reached what a nominal rate asks for.

    Attributes:
        rate: Part of the groups.
        at_most: Upper end of its one-sided exact 95 % interval.
    """

    rate: float
    at_most: float


def measured_rate(null_groups: str, e_value: str, nominal: float) -> MeasuredRate:
    """On worlds without a hostile account.

    Args:
        null_groups: `random` or `raised`.
        e_value: `acts as one`, `collects`, `beside owners alone` or `the finding`.
        nominal: 0.05, 0.01 or 0.001.
    """
    line = next(
        line
        for line in _measured()["lines"]
        if (line["null_groups"], line["hostile"], line["e_value"]) == (null_groups, 0.0, e_value)
    )
    rate = f"{nominal:g}"
    return MeasuredRate(line["reached"][rate] / line["groups"], line["at_most"][rate])


def measured_worlds() -> int:
    """The number of worlds it was measured on."""
    return len(_measured()["worlds"]["seeds"])


@cache
def _measured() -> dict[str, Any]:
    text = (files("stillwatch.campaigns") / "calibration.json").read_text(encoding="utf-8")
    measured: dict[str, Any] = json.loads(text)
    return measured
