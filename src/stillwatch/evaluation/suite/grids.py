"""The families of cells: each a grid over seeds and one thing that is varied."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from stillwatch.evaluation.framing import FRAMES
from stillwatch.evaluation.suite.cells import Cell, ScanOf, WorldOf
from stillwatch.evaluation.suite.measuring import EACH_SIGNAL
from stillwatch.simulation import CAMPAIGNS, POPULATIONS

__all__ = [
    "DIALS",
    "GENEROUS",
    "HALVES",
    "alone",
    "contamination",
    "cost",
    "empty",
    "evasion",
    "fairness",
    "framers",
    "red_team",
    "robustness",
    "size",
    "stages",
    "until",
    "without_each_signal",
    "worlds",
]

HALVES = {"build": "build", "held-out": "held-out"}
"""The two halves of the simulator's variety, and the world with each one's campaigns."""

_EMPTY = {"build": "empty-build", "held-out": "empty"}
GENEROUS = "generous"
"""The scan at five times the default rate, beside the one at the default rate."""

DIALS = ("identity", "wording", "timing", "cover")
_ROBUST = ("no_text", "no_network", "no_identity", "metadata_only", "some_without_text")
_HARD = (("all", 2), ("timing", 2), ("timing", 3), ("wording", 3), ("cover", 3))
_GENEROUS = (ScanOf(fdr=0.05),)
_OF_ONE_KIND = {"build": "synchronised", "held-out": "pivot"}


def _each_seed(seeds: Sequence[int], cell: Cell) -> list[Cell]:
    """The cell once for each seed, which its name ends with."""
    return [
        replace(cell, name=f"{cell.name}-s{seed}", world=replace(cell.world, seed=seed))
        for seed in seeds
    ]


def worlds(
    names: Sequence[str],
    seeds: Sequence[int],
    *,
    accounts: int | None = None,
    days: int | None = None,
    exchanges: int | None = None,
    beside: bool = True,
) -> list[Cell]:
    """Everyone together.

    Args:
        beside: Score the baselines, too, and replay every midnight.
    """
    cells = []
    for name in names:
        world = WorldOf(world=name, accounts=accounts, days=days, exchanges=exchanges)
        scans = (ScanOf(timeline=beside, baselines=beside),)
        cell = Cell(family="worlds", name=name, world=world, scans=scans, about={"world": name})
        cells += _each_seed(seeds, cell)
    return cells


def evasion(
    seeds: Sequence[int], *, accounts: int, days: int, levels: Sequence[int] = (0, 2, 3)
) -> list[Cell]:
    """One dial at a time, the others at 1; and all four together."""
    settings = [("all", 1, "1")]
    settings += [(dial, level, f"{dial}={level}") for dial in DIALS for level in levels]
    settings += [("all", level, str(level)) for level in levels]
    cells = []
    for half, name in HALVES.items():
        for dial, level, words in settings:
            world = WorldOf(world=name, accounts=accounts, days=days, evasion=words)
            about = {"half": half, "dial": dial, "level": level}
            cell = Cell(family="evasion", name=f"{half}-{dial}-{level}", world=world, about=about)
            cells += _each_seed(seeds, cell)
    return cells


def stages(seeds: Sequence[int], *, accounts: int, days: int) -> list[Cell]:
    """The settings of `evasion` that lose most, with each stage of the scan replaced by the truth."""
    hard = [
        cell
        for cell in evasion(seeds, accounts=accounts, days=days)
        if (cell.about["dial"], cell.about["level"]) in _HARD
    ]
    return [replace(cell, family="stages", scans=(), how="stages") for cell in hard]


def size(
    seeds: Sequence[int],
    *,
    accounts: Sequence[int],
    exchanges: Sequence[int],
    most: int,
    least_others: int = 3000,
) -> list[Cell]:
    """One campaign of a given size among eleven times as many others, who send twelve each.

    Cells of more than `most` exchanges are left out.
    """
    cells = []
    for half, kind in _OF_ONE_KIND.items():
        for members, each in itertools.product(accounts, exchanges):
            everyone = max(least_others, 12 * members)
            total = members * each + 12 * (everyone - members)
            if total > most:
                continue
            world = WorldOf(
                world=HALVES[half],
                accounts=everyone,
                days=10,
                exchanges=total,
                campaigns=(kind,),
                campaign_accounts=members,
                campaign_exchanges=each,
            )
            about = {"half": half, "accounts": members, "exchanges": each}
            cell = Cell(family="size", name=f"{half}-{members}x{each}", world=world, about=about)
            cells += _each_seed(seeds, cell)
    return cells


def alone(
    seeds: Sequence[int],
    *,
    halves: Sequence[str] = ("held-out",),
    populations: Sequence[str] = tuple(POPULATIONS),
    accounts: int = 400,
    exchanges: int = 20_000,
) -> list[Cell]:
    """Each honest population with nobody beside it, at the most generous rate."""
    cells = []
    for half, name in itertools.product(halves, populations):
        world = WorldOf(
            world=_EMPTY[half], accounts=accounts, days=10, exchanges=exchanges, only=(name,)
        )
        about = {"half": half, "population": name}
        cell = Cell(
            family="alone", name=f"{half}-{name}", world=world, scans=_GENEROUS, about=about
        )
        cells += _each_seed(seeds, cell)
    return cells


def empty(
    seeds: Sequence[int], *, accounts: int = 1500, exchanges: int = 20_000, days: int = 10
) -> list[Cell]:
    """Worlds without a campaign, the two halves in turn.

    One scan at 5 % serves all rates: the `fdr_q` of a finding is the smallest at which it stands.
    """
    cells = []
    for half, seed in zip(itertools.cycle(_EMPTY), seeds, strict=False):
        world = WorldOf(world=_EMPTY[half], accounts=accounts, days=days, exchanges=exchanges)
        cell = Cell(family="empty", name=half, world=world, scans=_GENEROUS, about={"half": half})
        cells += _each_seed((seed,), cell)
    return cells


def fairness(seeds: Sequence[int], *, accounts: int, days: int = 10) -> list[Cell]:
    """Labels of countries exchanged; and three hundred neighbours who are strangers."""
    labels = (
        ScanOf(),
        ScanOf(name="renamed", altered="countries_renamed"),
        ScanOf(name="shuffled", altered="countries_shuffled"),
    )
    community = (ScanOf(name="community", altered="one_community", fdr=0.05),)
    cells = []
    for half in HALVES:
        for what, name, scans in (
            ("labels", HALVES[half], labels),
            ("community", _EMPTY[half], community),
        ):
            world = WorldOf(world=name, accounts=accounts, days=days)
            about = {"half": half, "what": what}
            cell = Cell(
                family="fairness", name=f"{half}-{what}", world=world, scans=scans, about=about
            )
            cells += _each_seed(seeds, cell)
    return cells


def robustness(seeds: Sequence[int], *, accounts: int, days: int = 10) -> list[Cell]:
    """The same log with columns taken away."""
    scans = (ScanOf(), *(ScanOf(name=name, altered=name) for name in _ROBUST))
    cells = []
    for half, name in HALVES.items():
        world = WorldOf(world=name, accounts=accounts, days=days)
        cell = Cell(family="robustness", name=half, world=world, scans=scans, about={"half": half})
        cells += _each_seed(seeds, cell)
    return cells


def without_each_signal(
    seeds: Sequence[int], *, accounts: int, days: int = 10, levels: Sequence[int] = (1, 2)
) -> list[Cell]:
    """The same log, scanned without each signal in turn.

    Beside both halves stand worlds of those who hide who they are: the build half's campaigns that
    share no identity, and the same where each account asks little, so that none is limited or
    closed and only the order of the queue is left; conversations that pass between accounts that
    take turns; the same where each account has waking hours of its own, so that no clock tells
    them, with 36 accounts and with 300 (the campaign it is made after had over 1,500); and signed
    reasoning, and nothing else, that passes at hours of each account's own.
    """
    scans = (ScanOf(), ScanOf(name=EACH_SIGNAL))
    of_its_own = None, None
    settings = [
        *(
            (half, half, str(level), of_its_own)
            for half, level in itertools.product(HALVES, levels)
        ),
        ("build", "build", "identity=3", of_its_own),
        ("build", "build", "identity=3,timing=0", (40, 60)),
        ("relayed", "relayed", "1", of_its_own),
        ("relayed", "relayed", "timing=2", of_its_own),
        ("relayed", "relayed", "timing=2", (300, 80)),
        ("replayed", "replayed", "wording=0", of_its_own),
    ]
    cells = []
    for half, kind, level, (members, each) in settings:
        world = WorldOf(
            world=HALVES.get(kind, kind),
            accounts=accounts,
            days=days,
            evasion=level,
            campaign_accounts=members,
            campaign_exchanges=each,
        )
        name, about = f"{half}-evasion-{level}", {"half": half, "level": level}
        if members is not None:
            name, about["level"] = f"{name}-{members}x{each}", f"{level}, {members} × {each}"
        cell = Cell(family="ablation", name=name, world=world, scans=scans, about=about)
        cells += _each_seed(seeds, cell)
    return cells


def contamination(seeds: Sequence[int], *, accounts: int, days: int = 10) -> list[Cell]:
    """Nobody, one, three or all six campaigns, so that 0 to 10 % of the accounts are hostile."""
    cells = []
    for half in HALVES:
        kinds = [c.name for c in CAMPAIGNS.values() if c.half == half.replace("-", "_")]
        for share, few in ((0, 0), (1, 1), (5, 3), (10, 6)):
            world = WorldOf(
                world=HALVES[half] if few else _EMPTY[half],
                accounts=accounts,
                days=days,
                campaigns=tuple(kinds[:few]),
                campaign_accounts=round(accounts * share / 100 / few) if few else None,
            )
            about = {"half": half, "share": share}
            cell = Cell(family="contamination", name=f"{half}-{share}", world=world, about=about)
            cells += _each_seed(seeds, cell)
    return cells


def until(seeds: Sequence[int], *, accounts: int, members: int, each: int) -> list[Cell]:
    """When campaigns of ten thousand exchanges or more are first found."""
    cells = []
    for half, name in HALVES.items():
        world = WorldOf(
            world=name,
            accounts=accounts,
            days=14,
            campaign_accounts=members,
            campaign_exchanges=each,
        )
        cell = Cell(family="time", name=half, world=world, how="until", about={"half": half})
        cells += _each_seed(seeds, cell)
    return cells


def red_team(seeds: Sequence[int], *, accounts: int, members: int, rounds: int) -> list[Cell]:
    """An attacker with one campaign, who reads the findings and may play so many rounds."""
    cells = []
    for half, kind in _OF_ONE_KIND.items():
        world = WorldOf(
            world=HALVES[half],
            accounts=accounts,
            days=10,
            campaigns=(kind,),
            campaign_accounts=members,
        )
        about = {"half": half, "rounds": rounds}
        cell = Cell(family="red-team", name=half, world=world, how="red_team", about=about)
        cells += _each_seed(seeds, cell)
    return cells


def framers(seeds: Sequence[int], *, accounts: int, days: int = 10) -> list[Cell]:
    """Honest groups that are copied, and a log that is poisoned, so that honest accounts look odd.

    Beside them stands the world that nobody framed; all are scanned at the default rate and at 5 %.
    """
    cells = []
    for half, kind in _OF_ONE_KIND.items():
        with_one = WorldOf(world=HALVES[half], accounts=accounts, days=days, campaigns=(kind,))
        without = WorldOf(world=_EMPTY[half], accounts=accounts, days=days)
        for name in ("", *FRAMES):
            cell = Cell(
                family="framers",
                name=f"{half}-{name or 'nobody'}",
                world=without if name == "poison" else with_one,
                scans=(ScanOf(altered=name), ScanOf(name=GENEROUS, altered=name, fdr=0.05)),
                about={"half": half, "what": name or "nobody"},
            )
            cells += _each_seed(seeds, cell)
    return cells


def cost(seed: int, exchanges: Sequence[int]) -> list[Cell]:
    """Seconds and memory by size: twelve thousand accounts for each million exchanges."""
    return [
        Cell(
            family="cost",
            name=f"{total}",
            world=WorldOf(
                world="full",
                seed=seed,
                accounts=max(1500, round(0.012 * total)),
                days=14,
                exchanges=total,
            ),
            scans=(ScanOf(timeline=True),),
            about={"exchanges": total},
        )
        for total in exchanges
    ]
