"""What several cells say together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from stillwatch.evaluation.bounds import nested_upper
from stillwatch.evaluation.suite.page.tables import mean
from stillwatch.evaluation.suite.running import Measured

__all__ = [
    "CLASSES",
    "campaigns",
    "figures",
    "honest_bound",
    "honest_flags",
    "of_class",
    "of_family",
    "organisations_flagged",
    "populations",
    "recall",
    "scans",
    "where",
]

Scan = Mapping[str, Any]

CLASSES: dict[str, tuple[int, int]] = {
    "50 or more": (50, 10**9),
    "20–49": (20, 49),
    "8–19": (8, 19),
}
"""Sizes of campaigns, in accounts, that the targets tell apart."""


def of_family(measured: Iterable[Measured], family: str) -> list[Measured]:
    return [m for m in measured if m.cell.family == family]


def where(measured: Iterable[Measured], **about: object) -> list[Measured]:
    """Those whose cells are about these values."""
    return [m for m in measured if all(m.cell.about.get(k) == v for k, v in about.items())]


def scans(measured: Iterable[Measured], name: str = "scan") -> list[Scan]:
    """The scans of this name, of the cells that were run."""
    return [m.result["scans"][name] for m in measured if m.result and name in m.result["scans"]]


def figures(found: Iterable[Scan], key: str) -> list[float | None]:
    return [scan["figures"][key] for scan in found]


def campaigns(found: Iterable[Scan]) -> list[Mapping[str, Any]]:
    return [campaign for scan in found for campaign in scan["campaigns"]]


def of_class(found: Iterable[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    low, high = CLASSES[name]
    return [c for c in found if low <= c["accounts"] <= high]


def recall(found: Iterable[Mapping[str, Any]]) -> float | None:
    """Mean account recall, campaigns that were missed as 0."""
    return mean(c["account_recall"] if c["found"] else 0.0 for c in found)


def honest_flags(found: Sequence[Scan]) -> tuple[int, int]:
    """Honest accounts flagged, and all honest accounts."""
    return (
        sum(scan["figures"]["honest_flagged"] for scan in found),
        sum(scan["figures"]["honest_accounts"] for scan in found),
    )


def honest_bound(found: Sequence[Scan]) -> float | None:
    """Upper 95 % bound of the share flagged; worlds and honest groups are resampled."""
    return nested_upper([[(a, b, c) for a, b, c in scan["groups"]] for scan in found])


def organisations_flagged(found: Iterable[Scan]) -> int:
    """Honest groups of two accounts or more of which an account was flagged."""
    return sum(n for scan in found for size, hit, n in scan["groups"] if size > 1 and hit)


def populations(found: Iterable[Scan]) -> dict[str, list[int]]:
    """By population: accounts flagged, accounts, groups flagged, groups."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for scan in found:
        for name, values in scan["populations"].items():
            sums[name] = [a + b for a, b in zip(sums[name], values, strict=True)]
    return dict(sorted(sums.items()))
