"""The smoke suite, from the command line to the page, with the real simulator and scan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from stillwatch.cli.main import run

pytestmark = pytest.mark.slow


def test_every_row_of_the_smoke_suite_is_filled(tmp_path: Path) -> None:
    """Nothing fails, the campaign of the small world is found, and nobody honest is accused."""
    words = ["evaluate", "--suite", "smoke", "--out", str(tmp_path), "--jobs", "2", "--json"]

    done = CliRunner().invoke(run, words, catch_exceptions=False)

    told = json.loads(done.stdout)
    assert told["failed"] == {}
    assert told["there"] == told["cells"] == told["run"]
    page = Path(told["page"]).read_text()
    assert "not run yet |" not in page.split("### Targets")[1].split("### Everyone")[1]
    results = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    # A cell that replaces stages by the truth scans nothing by itself.
    scans = [s for r in results for s in r["result"].get("scans", {}).values()]
    assert sum(bool(r["result"].get("stages")) for r in results) == 1
    assert sum(scan["figures"]["honest_flagged"] for scan in scans) == 0
    assert sum(scan["figures"]["campaigns_found"] for scan in scans) >= 4

    again = json.loads(CliRunner().invoke(run, words, catch_exceptions=False).stdout)
    assert (again["run"], again["reused"]) == (0, told["cells"])
