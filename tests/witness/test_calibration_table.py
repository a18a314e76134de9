"""The table of realised rates: what it counts, what it calls too high, and that a run goes on."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from stillwatch.campaigns import calibration
from stillwatch.campaigns.explanations import assumptions

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    path = ROOT / "tools" / "measure_calibration.py"
    spec = importlib.util.spec_from_file_location("measure_calibration", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def null_group(acts: float, collects: float, kind: str = "random") -> dict[str, object]:
    return {"kind": kind, "share": 0.0, "acts": acts, "collects": collects, "undeclared": 9.0} | {
        "acts_max": 9.0,
        "collects_max": 6.0,
        "beside_owners": collects,
    }


def test_a_finding_needs_all_clauses(tool: ModuleType) -> None:
    """Three of a hundred act as one, four look like a harvest, one does both."""
    rows = [null_group(0.0, 0.0)] * 94
    rows += [null_group(5.0, 0.0)] * 2 + [null_group(0.0, 5.0)] * 3 + [null_group(5.0, 5.0)]

    lines = tool.table(tool.summarised(rows)).splitlines()

    assert [line.split("|")[5].split()[0] for line in lines[2:]] == [
        "3.00%",
        "4.00%",
        "4.00%",
        "1.00%",
    ]
    assert [line.split("|")[8].strip() for line in lines[2:]] == ["100%", "0%", "0%", "0%"]


@pytest.mark.parametrize(("count", "above"), [(5, False), (8, False), (10, True)])
def test_a_rate_above_nominal_is_called_so(tool: ModuleType, count: int, above: bool) -> None:
    """At a nominal 5 % of a hundred, nine are within chance at level 0.05 and ten are not."""
    assert ("above" in tool._cell(count, 100, 0.05)) is above


def test_hostile_accounts_are_cut_to_the_share(tool: ModuleType) -> None:
    hostile = np.arange(1_000) < 200

    for share in tool.SHARES:
        kept = tool._kept(hostile, share, np.random.default_rng(1))
        assert kept[200:].all()
        assert kept[:200].sum() / kept.sum() == pytest.approx(share, abs=0.002)


def test_what_was_measured_is_not_measured_again(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """A seed whose file is there is read; the page gets the table between its markers."""
    (tmp_path / "7.json").write_text(json.dumps([null_group(5.0, 5.0, "raised")]))
    page, data = tmp_path / "page.md", tmp_path / "data.json"
    page.write_text("before\n<!-- calibration: begin -->\nold\n<!-- calibration: end -->\nafter\n")
    monkeypatch.setattr(tool, "simulate", None)
    monkeypatch.setattr(
        sys,
        "argv",
        ["tool", "--out", str(tmp_path), "--seeds", "7", "--page", str(page), "--data", str(data)],
    )

    tool.main()

    assert "seed 7: 1 rows" in capsys.readouterr().out
    written = page.read_text()
    assert "| raised | 0% | 1 | the finding | 100.00%" in written
    assert "old" not in written
    assert written.startswith("before")
    assert written.endswith("after\n")
    assert json.loads(data.read_text())["worlds"]["seeds"] == [7]


def test_the_page_shows_the_numbers_that_dossiers_read(tool: ModuleType) -> None:
    """Written together and shipped together: no dossier can say another rate than the page."""
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    shipped = json.loads(
        (ROOT / "src" / "stillwatch" / "campaigns" / "calibration.json").read_text()
    )

    shown = page.split("<!-- calibration: begin -->")[1].split("<!-- calibration: end -->")[0]
    assert shown.strip() == tool.table(shipped["lines"])


def test_a_dossier_says_the_measured_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was measured is read where it is printed, not written there by hand."""
    line = {"null_groups": "raised", "hostile": 0.0, "groups": 50}
    lines = [
        line | {"e_value": name, "reached": {"0.01": count}, "at_most": {"0.01": 0.25}}
        for name, count in (("the finding", 4), ("acts as one", 11), ("collects", 7))
    ]
    measured = {"worlds": {"seeds": [1, 2, 3]}, "lines": lines}
    monkeypatch.setattr(calibration, "_measured", lambda: measured)

    said = assumptions(0.01, 100, 5)[-1]

    assert "on 3 simulated worlds" in said
    assert "8.0% (at most 25.0%, with 95% confidence)" in said
    assert "Claim 1 alone reached it in 22.0% of them, claim 3 alone in 14.0%" in said
