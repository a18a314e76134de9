"""What the page says of the signals: which raise recall, and which decide nothing."""

from __future__ import annotations

from stillwatch.campaigns.tells import SIGNALS, TYING
from stillwatch.evaluation.suite.cells import Cell, WorldOf
from stillwatch.evaluation.suite.page.losses import ablation_section
from stillwatch.evaluation.suite.page.tables import Target
from stillwatch.evaluation.suite.running import Measured


def target(without: dict[str, float], *, flagged: dict[str, int] | None = None) -> Target:
    """The one target of a cell whose scan without each of these signals had this recall.

    Args:
        without: Recall by the signal left out; that of the whole scan, of one campaign, is 1.
        flagged: Honest accounts flagged, by scan; none where it is not named.
    """
    recalls = {"scan": 1.0, **{f"without {name}": recall for name, recall in without.items()}}
    scans = {
        name: {
            "campaigns": [{"account_recall": recall, "found": recall > 0}],
            "figures": {"honest_flagged": (flagged or {}).get(name, 0), "honest_accounts": 100},
        }
        for name, recall in recalls.items()
    }
    cell = Cell(
        family="ablation",
        name="build",
        world=WorldOf(world="build"),
        about={"half": "build", "level": "1"},
    )
    (only,) = ablation_section([Measured(cell, {"scans": scans}, current=True)]).targets
    return only


def test_a_signal_that_decides_and_raises_nothing_misses_the_target() -> None:
    """It is named; those that are shown only are no miss, and are named with their reasons."""
    missed = target({"replay": 1.0, "failover": 0.5, "clients": 1.0})

    assert missed.met is False
    assert "no gain here from: replay;" in missed.measured
    assert "(signals.md#taken-out-of-the-decision-and-why): clients" in missed.measured


def test_signals_that_decide_must_each_raise_recall() -> None:
    """All of them did, and the others are still listed."""
    met = target({name: 0.0 if name in TYING else 1.0 for name in SIGNALS})

    assert met.met is True
    assert met.measured.startswith(f"{len(TYING)} signals; ")
    assert all(name in met.measured for name in SIGNALS.keys() - TYING)


def test_recall_bought_with_honest_accounts_is_no_gain() -> None:
    """The error must not be larger with the signal than without it."""
    bought = target({"replay": 0.0}, flagged={"scan": 3})

    assert bought.met is False
