"""The suites by name. Their seeds were not looked at while the detector was written."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stillwatch.evaluation.suite import grids
from stillwatch.evaluation.suite.cells import Cell, ScanOf, WorldOf

__all__ = ["SUITES", "VERSION"]

VERSION = 2
"""Of the benchmark: raised when a cell's world changes, so that figures are compared like with like.

Version 1 is of 26 November 2026; in version 2 campaigns hold conversations and relay, and people
move to their firm's account. `tests/evaluation/test_version.py` holds it to the simulator.
"""


def _million(names: Sequence[str], seeds: Sequence[int], *, beside: bool = True) -> list[Cell]:
    return grids.worlds(names, seeds, accounts=15_000, days=14, exchanges=1_000_000, beside=beside)


def _small(evasion: str) -> WorldOf:
    return WorldOf(
        world="tiny",
        seed=907,
        accounts=900,
        days=5,
        exchanges=14_000,
        evasion=evasion,
        campaign_accounts=30,
        campaign_exchanges=60,
    )


def _smoke() -> list[Cell]:
    """Every kind of row once, on worlds of a few hundred accounts: a few minutes."""
    return [
        Cell(
            family="worlds",
            name="tiny-s907",
            world=_small("0"),
            scans=(ScanOf(timeline=True, baselines=True),),
            about={"world": "tiny"},
        ),
        *(
            Cell(
                family="evasion",
                name=f"build-{dial}-{level}-s907",
                world=_small(evasion),
                about={"half": "build", "dial": dial, "level": level},
            )
            for dial, level, evasion in (("all", 0, "0"), ("wording", 3, "wording=3"))
        ),
        Cell(
            family="stages",
            name="build-wording-3-s907",
            world=_small("wording=3"),
            scans=(),
            how="stages",
            about={"half": "build", "dial": "wording", "level": 3},
        ),
        Cell(
            family="robustness",
            name="build-s907",
            world=_small("0"),
            scans=(ScanOf(), ScanOf(name="metadata_only", altered="metadata_only")),
            about={"half": "build"},
        ),
        Cell(
            family="fairness",
            name="build-labels-s907",
            world=_small("0"),
            scans=(ScanOf(), ScanOf(name="renamed", altered="countries_renamed")),
            about={"half": "build", "what": "labels"},
        ),
        *grids.empty((907,), accounts=600, exchanges=6000),
        *grids.alone((907,), populations=("class",), accounts=200, exchanges=4000),
    ]


def _standard() -> list[Cell]:
    """Every family on worlds of a few thousand accounts, and ten worlds of a million exchanges.

    Two hours or so on two cores.
    """
    return [
        *grids.worlds(("build", "held-out"), (201, 202), accounts=4000, days=14),
        *_million(("full",), (201,)),
        *_million(("full",), range(202, 211), beside=False),
        *grids.evasion((211,), accounts=3000, days=10),
        *grids.stages((211,), accounts=3000, days=10),
        *grids.size(
            (221,), accounts=(8, 20, 50, 200), exchanges=(3, 10, 30, 100, 300), most=150_000
        ),
        *grids.alone((231,)),
        *grids.empty(range(1001, 1301)),
        *grids.fairness((241,), accounts=3000),
        *grids.robustness((251,), accounts=3000),
        *grids.without_each_signal((261,), accounts=3000),
        *grids.contamination((271,), accounts=3000),
        *grids.until((281,), accounts=3000, members=40, each=400),
        *grids.red_team((286,), accounts=2000, members=30, rounds=10),
        *grids.framers((288,), accounts=3000),
        *grids.cost(291, (100_000, 300_000, 1_000_000, 2_000_000)),
    ]


def _full() -> list[Cell]:
    """The same on larger worlds, more seeds and to the largest sizes. Days."""
    return [
        *_million(("full",), range(201, 211)),
        *_million(("build", "held-out"), range(201, 206)),
        *grids.evasion((211, 212, 213), accounts=8000, days=14),
        *grids.stages((211, 212, 213), accounts=8000, days=14),
        *grids.size(
            (221, 222),
            accounts=(8, 20, 50, 200, 1000, 5000, 20_000),
            exchanges=(3, 10, 30, 100, 300, 1000, 3000),
            most=4_000_000,
        ),
        *grids.alone((231, 232), halves=("build", "held-out")),
        *grids.empty(range(1001, 1301)),
        *grids.fairness((241, 242, 243), accounts=8000, days=14),
        *grids.robustness((251, 252, 253), accounts=8000, days=14),
        *grids.without_each_signal((261, 262), accounts=8000, levels=(0, 1, 2)),
        *grids.contamination((271, 272, 273), accounts=8000),
        *grids.until((281, 282), accounts=8000, members=50, each=600),
        *grids.red_team((286, 287), accounts=4000, members=40, rounds=14),
        *grids.framers((288, 289, 290), accounts=8000, days=14),
        *grids.cost(291, (100_000, 300_000, 1_000_000, 2_000_000, 4_000_000)),
    ]


SUITES: dict[str, Callable[[], list[Cell]]] = {
    "smoke": _smoke,
    "standard": _standard,
    "full": _full,
}
"""By name, what makes the list of its cells."""
