"""A cell of the suite: one world and the scans of it, as data.

A cell has no code of its own, so its definition and the hash of the package's source say all that
its result depends on (`cell_key`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from stillwatch.evaluation.suite.sources import sources_hash

__all__ = ["Cell", "ScanOf", "WorldOf", "cell_key", "with_tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldOf:
    """A world, in the words of `stillwatch simulate`.

    Attributes:
        only: Who lives in it, populations and campaigns alike; the world's own if empty.
        campaigns: Its campaigns, in place of its own; `("",)` for none.
        campaign_accounts: Accounts of each campaign.
        campaign_exchanges: Exchanges of each account of a campaign.
    """

    world: str
    seed: int = 0
    accounts: int | None = None
    days: int | None = None
    exchanges: int | None = None
    evasion: str | None = None
    only: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    campaign_accounts: int | None = None
    campaign_exchanges: int | None = None

    def words(self) -> list[str]:
        """The options of the command."""
        words = ["--world", self.world, "--seed", str(self.seed)]
        for name in (
            "accounts",
            "days",
            "exchanges",
            "evasion",
            "campaign_accounts",
            "campaign_exchanges",
        ):
            value = getattr(self, name)
            if value is not None:
                words += [f"--{name.replace('_', '-')}", str(value)]
        for name in ("only", "campaigns"):
            if names := getattr(self, name):
                words += [f"--{name}", ",".join(names)]
        return words


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOf:
    """A scan of the cell's world.

    Attributes:
        name: What tells it from the cell's other scans.
        altered: What is done to the log first (`altering.ALTERATIONS`, `framing.FRAMES`); nothing if
            empty.
        fdr: The false discovery rate.
        without: Signals that are not asked.
        timeline: Whether each midnight is replayed.
        baselines: Whether the baselines are scored beside it.
        tool: A command that takes the options of `stillwatch scan` and leaves the same tables, in
            its place.
    """

    name: str = "scan"
    altered: str = ""
    fdr: float = 0.01
    without: tuple[str, ...] = ()
    timeline: bool = False
    baselines: bool = False
    tool: str = ""

    def words(self) -> list[str]:
        """The options of the command, apart from its tables."""
        words = ["--fdr", f"{self.fdr:g}"]
        words += [] if self.timeline else ["--no-timeline"]
        words += ["--without", ",".join(self.without)] if self.without else []
        return words


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One world and what is measured on it.

    Attributes:
        family: Which table it belongs to.
        name: Unique within the family; with it the name of the result's file.
        how: `scans`: each scan is compared with the truth. `until`: besides, the moment of the
            first flag of each campaign is bisected with `scan --until`. `red_team`: an adaptive
            attacker plays against the scan. `stages`: each stage of the scan is replaced by the truth.
        about: What the tables group by: the half, the dial and its level, the size.
    """

    family: str
    name: str
    world: WorldOf
    scans: tuple[ScanOf, ...] = (ScanOf(),)
    how: str = "scans"
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return f"{self.family}--{self.name}.json"

    def as_json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return value


def with_tool(cells: Sequence[Cell], tool: str) -> list[Cell]:
    """The same cells, scanned by another tool than `stillwatch scan`."""
    return [
        replace(cell, scans=tuple(replace(scan, tool=tool) for scan in cell.scans))
        for cell in cells
    ]


def cell_key(cell: Cell) -> str:
    """Hash of the cell's definition and of the source that its result depends on."""
    definition = json.dumps(cell.as_json(), sort_keys=True)
    return hashlib.sha256(f"{sources_hash()}\n{definition}".encode()).hexdigest()[:16]
