"""The tables of `benchmarks/peers.py`: cost and quality beside each other, over several seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median
from typing import Any

from peer_scores import Score
from process_tree import Cost

__all__ = ["Row", "page"]


@dataclass(frozen=True, slots=True)
class Row:
    """One program on one world.

    Attributes:
        dial: The attacker's dials in that world.
        own: What it names at its own setting; None if it has none.
        best: What it names where the truth chooses; None if there is nothing to choose.
        setting: What the truth chose, in words.
    """

    dial: str
    name: str
    cost: Cost
    own: Score | None
    best: Score | None
    setting: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Row:
        own, best = (Score(**s) if (s := told[name]) else None for name in ("own", "best"))
        cost = Cost(**told["cost"])
        return cls(told["dial"], told["name"], cost, own, best, told["setting"])


def page(rows: Sequence[Row], dials: Mapping[str, str], *, stamp: str) -> str:
    """Two tables for each setting of the attackers' dials; ratios are to the first program.

    Args:
        rows: Of all worlds.
        dials: By the words for it, each setting.
        stamp: When and on what it was measured.
    """
    parts = [stamp]
    for words, dial in dials.items():
        by_name: dict[str, list[Row]] = {}
        for row in rows:
            if row.dial == dial:
                by_name.setdefault(row.name, []).append(row)
        parts += [f"Where {words} (`--evasion {dial}`):", _accounts(by_name), _pairs(by_name)]
    return "\n\n".join(parts)


def _accounts(by_name: Mapping[str, Sequence[Row]]) -> str:
    lines = [
        "| program | s | processor, s | × scan | peak, GB "
        "| at its own setting: precision | recall | F1 | honest named "
        "| truth chooses: F1 | honest named |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    compared = _middle(next(iter(by_name.values())), lambda row: row.cost.processor_seconds)
    for name, rows in by_name.items():
        processor = _middle(rows, lambda row: row.cost.processor_seconds)
        own, best = [row.own for row in rows], [row.best for row in rows]
        cells = [
            name,
            f"{_middle(rows, lambda row: row.cost.seconds):.0f}",
            f"{processor:.1f}",
            f"{processor / compared:.2f}",
            f"{_middle(rows, lambda row: row.cost.peak_bytes) / 1e9:.2f}",
            spread(own, lambda score: score.precision),
            spread(own, lambda score: score.recall),
            spread(own, lambda score: score.f1),
            spread(own, lambda score: float(score.honest), digits=0),
            spread(best, lambda score: score.f1),
            spread(best, lambda score: float(score.honest), digits=0),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _pairs(by_name: Mapping[str, Sequence[Row]]) -> str:
    lines = [
        "| program | pairs put together | of these, belong together | of the campaigns' pairs, put together |",
        "|---|---|---|---|",
    ]
    for name, rows in by_name.items():
        own = [row.own for row in rows]
        if any(score is None or score.linked is None for score in own):
            continue
        cells = [
            name,
            spread(own, lambda score: float(score.linked or 0), digits=0),
            spread(own, lambda score: score.pair_precision),
            spread(own, lambda score: score.pair_recall),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _middle(rows: Sequence[Row], figure: Callable[[Row], float]) -> float:
    return median(figure(row) for row in rows)


def spread(
    scores: Sequence[Score | None], figure: Callable[[Score], float | None], *, digits: int = 2
) -> str:
    """The mean over the worlds, with the least and the most in brackets where they differ.

    Empty where a program has no such figure in any world; worlds without it are left out.
    """
    values = [v for score in scores if score is not None and (v := figure(score)) is not None]
    if not values:
        return ""
    mean, least, most = (f"{v:,.{digits}f}" for v in (fmean(values), min(values), max(values)))
    return mean if least == most else f"{mean} ({least}–{most})"
