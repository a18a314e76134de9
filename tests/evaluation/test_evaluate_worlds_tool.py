"""The tool that measures several seeds, with commands that stand in for the real ones."""

from __future__ import annotations

import json
import runpy
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hand_made_worlds import perfect_findings, two_rings_and_a_class

from stillwatch.evaluation.score import evaluate_findings
from stillwatch.evaluation.world import open_world_log, read_truth

_TOOL = Path(__file__).parents[2] / "tools" / "evaluate_worlds.py"

# Writes what the real commands would leave and print, and counts how often it was asked.
_STAND_IN = """\
#!{python}
import json, pathlib, sys
ready = pathlib.Path({ready!r})
words = sys.argv[1:]
with open(ready / "calls", "a") as calls:
    calls.write(words[0] + "\\n")
if words[0] == "evaluate":
    print((ready / "evaluation.json").read_text())
    sys.exit(0)
out = pathlib.Path(words[words.index("--out") + 1])
out.mkdir()
if words[0] == "simulate":
    seed = words[words.index("--seed") + 1]
    (out / "world.json").write_text(json.dumps({{"world": "hand-made", "seed": seed}}))
    print(json.dumps({{"accounts": 27, "exchanges": 84, "campaign_accounts": 12}}))
else:
    print(json.dumps({{"seconds": 0.5, "campaigns": []}}))
    sys.exit(3)
"""


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    world = two_rings_and_a_class()
    folder = world.write(tmp_path / "ready" / "world")
    with open_world_log(folder) as log:
        result = evaluate_findings(read_truth(folder), log, perfect_findings(world))
    (tmp_path / "ready" / "evaluation.json").write_text(json.dumps(result.as_json()))
    stand_in = tmp_path / "bin" / "stillwatch"
    stand_in.parent.mkdir()
    stand_in.write_text(_STAND_IN.format(python=sys.executable, ready=str(tmp_path / "ready")))
    stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(stand_in.with_name("python")))
    return tmp_path


def measure(*arguments: str) -> Result:
    main = runpy.run_path(str(_TOOL))["main"]
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_finished_seeds_are_not_run_again(ready: Path) -> None:
    """A second run adds the missing seed only, and keeps the results of the first."""
    out = str(ready / "out.json")
    measure("--world", "hand-made", "--seeds", "1", "--out", out)

    measure("--world", "hand-made", "--seeds", "1,2", "--out", out)

    calls = (ready / "ready" / "calls").read_text().split()
    assert calls == ["simulate", "scan", "evaluate"] * 2
    assert [run["world"]["seed"] for run in json.loads(Path(out).read_text())] == ["1", "2"]


def test_the_page_keeps_what_people_wrote_around_the_figures(ready: Path) -> None:
    """Only what lies between the markers is replaced, however often it is rendered."""
    page = ready / "evaluation.md"
    page.write_text(
        "Before.\n<!-- measured: begin -->\nstale figures\n<!-- measured: end -->\nAfter.\n"
    )
    arguments = ["--out", str(ready / "out.json"), "--markdown", str(page)]
    measure("--world", "hand-made", "--seeds", "1", *arguments)
    once = page.read_text()

    measure(*arguments)

    assert page.read_text() == once
    assert once.startswith("Before.\n")
    assert once.endswith("After.\n")
    assert "stale figures" not in once
    assert "2 of 2" in once


def test_the_page_does_not_say_where_the_corpus_lies(ready: Path) -> None:
    """A path on somebody's machine is replaced by a word."""
    (ready / "secret-place").mkdir()
    page = ready / "evaluation.md"

    measure(
        *("--world", "hand-made", "--seeds", "1", "--corpus", str(ready / "secret-place")),
        *("--out", str(ready / "out.json"), "--markdown", str(page)),
    )

    assert "--corpus CORPUS" in page.read_text()
    assert "secret-place" not in page.read_text()
