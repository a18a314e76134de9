"""The families of cells: each a grid over seeds and one thing that is varied."""

from __future__ import annotations

from collections.abc import Sequence

from stillwatch.evaluation.suite.cells import Cell, ScanOf, WorldOf
from stillwatch.evaluation.suite.measuring import EACH_SIGNAL
from stillwatch.simulation import CAMPAIGNS, POPULATIONS

__all__ = [
    "DIALS",
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
    "until",
    "without_each_signal",
    "worlds",
]

HALVES = {"build": "build", "held-out": "held-out"}
"""The two halves of the simulator's variety, and the world with each one's campaigns."""

_EMPTY = {"build": "empty-build", "held-out": "empty"}
DIALS = ("identity", "wording", "timing", "cover")
_ROBUST = ("no_text", "no_network", "no_identity", "metadata_only", "some_without_text")
_OF_ONE_KIND = {"build": "synchronised", "held-out": "pivot"}


def worlds(
    names: Sequence[str],
    seeds: Sequence[int],
    *,
    accounts: int | None = None,
    days: int | None = None,
    exchanges: int | None = None,
) -> list[Cell]:
    """Everyone together, with the baselines beside and every midnight replayed."""
    return [
        Cell(
            family="worlds",
            name=f"{name}-s{seed}",
            world=WorldOf(world=name, seed=seed, accounts=accounts, days=days, exchanges=exchanges),
            scans=(ScanOf(timeline=True, baselines=True),),
            about={"world": name},
        )
        for name in names
        for seed in seeds
    ]


def evasion(
    seeds: Sequence[int], *, accounts: int, days: int, levels: Sequence[int] = (0, 2, 3)
) -> list[Cell]:
    """One dial at a time, the others at 1; and all four together."""
    settings = [("all", 1, "1")]
    settings += [(dial, level, f"{dial}={level}") for dial in DIALS for level in levels]
    settings += [("all", level, str(level)) for level in levels]
    return [
        Cell(
            family="evasion",
            name=f"{half}-{dial}-{level}-s{seed}",
            world=WorldOf(world=world, seed=seed, accounts=accounts, days=days, evasion=words),
            about={"half": half, "dial": dial, "level": level},
        )
        for half, world in HALVES.items()
        for dial, level, words in settings
        for seed in seeds
    ]


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
        for members in accounts:
            everyone = max(least_others, 12 * members)
            for each in exchanges:
                total = members * each + 12 * (everyone - members)
                cells += [
                    Cell(
                        family="size",
                        name=f"{half}-{members}x{each}-s{seed}",
                        world=WorldOf(
                            world=HALVES[half],
                            seed=seed,
                            accounts=everyone,
                            days=10,
                            exchanges=total,
                            campaigns=(kind,),
                            campaign_accounts=members,
                            campaign_exchanges=each,
                        ),
                        about={"half": half, "accounts": members, "exchanges": each},
                    )
                    for seed in seeds
                    if total <= most
                ]
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
    return [
        Cell(
            family="alone",
            name=f"{half}-{name}-s{seed}",
            world=WorldOf(
                world=_EMPTY[half],
                seed=seed,
                accounts=accounts,
                days=10,
                exchanges=exchanges,
                only=(name,),
            ),
            scans=(ScanOf(fdr=0.05),),
            about={"half": half, "population": name},
        )
        for half in halves
        for name in populations
        for seed in seeds
    ]


def empty(
    seeds: Sequence[int], *, accounts: int = 1500, exchanges: int = 20_000, days: int = 10
) -> list[Cell]:
    """Worlds without a campaign, the two halves in turn.

    One scan at 5 % serves all rates: the `fdr_q` of a finding is the smallest at which it stands.
    """
    return [
        Cell(
            family="empty",
            name=f"{half}-s{seed}",
            world=WorldOf(
                world=_EMPTY[half], seed=seed, accounts=accounts, days=days, exchanges=exchanges
            ),
            scans=(ScanOf(fdr=0.05),),
            about={"half": half},
        )
        for number, seed in enumerate(seeds)
        for half in [list(_EMPTY)[number % 2]]
    ]


def fairness(seeds: Sequence[int], *, accounts: int, days: int = 10) -> list[Cell]:
    """Labels of countries exchanged; and three hundred neighbours who are strangers."""
    cells = []
    for half in HALVES:
        for seed in seeds:
            cells.append(
                Cell(
                    family="fairness",
                    name=f"{half}-labels-s{seed}",
                    world=WorldOf(world=HALVES[half], seed=seed, accounts=accounts, days=days),
                    scans=(
                        ScanOf(),
                        ScanOf(name="renamed", altered="countries_renamed"),
                        ScanOf(name="shuffled", altered="countries_shuffled"),
                    ),
                    about={"half": half, "what": "labels"},
                )
            )
            cells.append(
                Cell(
                    family="fairness",
                    name=f"{half}-community-s{seed}",
                    world=WorldOf(world=_EMPTY[half], seed=seed, accounts=accounts, days=days),
                    scans=(ScanOf(name="community", altered="one_community", fdr=0.05),),
                    about={"half": half, "what": "community"},
                )
            )
    return cells


def robustness(seeds: Sequence[int], *, accounts: int, days: int = 10) -> list[Cell]:
    """The same log with columns taken away."""
    return [
        Cell(
            family="robustness",
            name=f"{half}-s{seed}",
            world=WorldOf(world=HALVES[half], seed=seed, accounts=accounts, days=days),
            scans=(ScanOf(), *(ScanOf(name=name, altered=name) for name in _ROBUST)),
            about={"half": half},
        )
        for half in HALVES
        for seed in seeds
    ]


def without_each_signal(
    seeds: Sequence[int], *, accounts: int, days: int = 10, levels: Sequence[int] = (1, 2)
) -> list[Cell]:
    """The same log, scanned without each signal in turn."""
    return [
        Cell(
            family="ablation",
            name=f"{half}-evasion-{level}-s{seed}",
            world=WorldOf(
                world=HALVES[half], seed=seed, accounts=accounts, days=days, evasion=str(level)
            ),
            scans=(ScanOf(), ScanOf(name=EACH_SIGNAL)),
            about={"half": half, "level": level},
        )
        for half in HALVES
        for level in levels
        for seed in seeds
    ]


def contamination(seeds: Sequence[int], *, accounts: int, days: int = 10) -> list[Cell]:
    """Nobody, one, three or all six campaigns, so that 0 to 10 % of the accounts are hostile."""
    cells = []
    for half in HALVES:
        kinds = [c.name for c in CAMPAIGNS.values() if c.half == half.replace("-", "_")]
        for share, few in ((0, 0), (1, 1), (5, 3), (10, 6)):
            cells += [
                Cell(
                    family="contamination",
                    name=f"{half}-{share}-s{seed}",
                    world=WorldOf(
                        world=HALVES[half] if few else _EMPTY[half],
                        seed=seed,
                        accounts=accounts,
                        days=days,
                        campaigns=tuple(kinds[:few]),
                        campaign_accounts=round(accounts * share / 100 / few) if few else None,
                    ),
                    about={"half": half, "share": share},
                )
                for seed in seeds
            ]
    return cells


def until(seeds: Sequence[int], *, accounts: int, members: int, each: int) -> list[Cell]:
    """When campaigns of ten thousand exchanges or more are first found."""
    return [
        Cell(
            family="time",
            name=f"{half}-s{seed}",
            world=WorldOf(
                world=HALVES[half],
                seed=seed,
                accounts=accounts,
                days=14,
                campaign_accounts=members,
                campaign_exchanges=each,
            ),
            how="until",
            about={"half": half},
        )
        for half in HALVES
        for seed in seeds
    ]


def red_team(seeds: Sequence[int], *, accounts: int, members: int, rounds: int) -> list[Cell]:
    """An attacker with one campaign, who reads the findings and may play so many rounds."""
    return [
        Cell(
            family="red-team",
            name=f"{half}-s{seed}",
            world=WorldOf(
                world=HALVES[half],
                seed=seed,
                accounts=accounts,
                days=10,
                campaigns=(kind,),
                campaign_accounts=members,
            ),
            how="red_team",
            about={"half": half, "rounds": rounds},
        )
        for half, kind in _OF_ONE_KIND.items()
        for seed in seeds
    ]


def framers(seeds: Sequence[int], *, accounts: int, days: int = 10) -> list[Cell]:
    """Honest groups that are copied, and a log that is poisoned, so that honest accounts look odd."""
    cells = []
    for half, kind in _OF_ONE_KIND.items():
        for seed in seeds:
            with_one = WorldOf(
                world=HALVES[half], seed=seed, accounts=accounts, days=days, campaigns=(kind,)
            )
            without = WorldOf(world=_EMPTY[half], seed=seed, accounts=accounts, days=days)
            cells += [
                Cell(
                    family="framers",
                    name=f"{half}-{name}-s{seed}",
                    world=world,
                    scans=(ScanOf(name=name, altered=name, fdr=0.05),),
                    about={"half": half, "what": name},
                )
                for name, world in (("copies", with_one), ("poison", without))
            ]
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
