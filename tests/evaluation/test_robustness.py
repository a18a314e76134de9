"""The same log with columns taken away: the scan still runs, says what it lost, and accuses nobody.

The world is small but one in which the whole log gives a finding, so that silence means something.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from small_worlds import found_world
from stillwatch.campaigns.scan import ScanSettings, scan
from stillwatch.evaluation.accusations import wrongly_accused
from stillwatch.evaluation.score import accusations_of
from stillwatch.evaluation.suite.altering import alter
from stillwatch.evaluation.world import log_of_world, read_truth
from stillwatch.records import Findings

_LOST = {
    "no_text": "no prompt text",
    "no_network": "no client network",
    "no_identity": "no payment tokens",
    "metadata_only": "no prompt text",
    "some_without_text": "no prompt text of",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return found_world(tmp_path_factory.mktemp("robustness") / "world", seed=7)


def scanned(log: Path) -> Findings:
    notes = {"command": "scan", "version": "", "fdr": 0.01, "as_of": ""}
    return scan(log_of_world(log), ScanSettings(with_timeline=False), notes=notes)


def test_the_whole_log_gives_a_finding(world: Path) -> None:
    """The campaign is found, with nothing said to be missing of text, network or payment."""
    found = scanned(world)

    assert found.campaigns.num_rows == 1
    assert not [t for t in found.notes["missing_evidence"] for lost in _LOST.values() if lost in t]


@pytest.mark.parametrize("name", _LOST)
def test_a_log_with_less_still_runs(world: Path, tmp_path: Path, name: str) -> None:
    """It says what it had to do without, and accuses no honest account."""
    found = scanned(alter(world, tmp_path / "altered", name))

    assert any(text.startswith(_LOST[name]) for text in found.notes["missing_evidence"])
    assert wrongly_accused(read_truth(world), accusations_of(found)) == frozenset()


def test_a_log_without_text_gives_no_finding(world: Path, tmp_path: Path) -> None:
    """What is collected cannot be seen, so nothing may be said to be worth training on."""
    assert scanned(alter(world, tmp_path / "altered", "metadata_only")).campaigns.num_rows == 0


def test_the_campaign_is_found_without_its_cards(world: Path, tmp_path: Path) -> None:
    """Network and timing still tie it where payment, device and mail are gone."""
    found = scanned(alter(world, tmp_path / "altered", "no_identity"))

    assert found.campaigns.num_rows == 1
