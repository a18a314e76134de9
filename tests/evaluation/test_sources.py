"""The hash of a result's source: it covers what decides a figure, and nothing besides."""

from __future__ import annotations

from pathlib import Path

import pytest

import stillwatch
from stillwatch.evaluation.suite import sources
from stillwatch.evaluation.suite.sources import deciding_files

ROOT = Path(stillwatch.__file__).parent


def covered() -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in deciding_files(ROOT)}


def test_what_makes_worlds_decides_and_scores_is_covered() -> None:
    """Every module of the rooms that decide, their tables and queries, and what scores."""
    for room in ("signals", "linking", "campaigns", "simulation"):
        modules = {p.relative_to(ROOT).as_posix() for p in (ROOT / room).rglob("*.py")}
        # The test of single windows is no part of a scan: it has a benchmark of its own.
        assert modules - covered() <= {"signals/distribution.py"}
    assert {
        "lake/log.py",
        "lake/purpose_weights.npz",
        "lake/naming_weights.npz",
        "evaluation/score.py",
        "evaluation/matching.py",
        "evaluation/suite/playing.py",
    } <= covered()
    assert any(name.endswith(".sql") for name in covered())


def test_commands_adapters_and_pages_are_not() -> None:
    """What reads other formats, keeps a lake, or shows a finding leaves every figure as it is."""
    for room in ("cli/", "sources/", "dossier/", "evaluation/suite/page/"):
        assert not [name for name in covered() if name.startswith(room)]
    kept = {"lake/store.py", "lake/writer.py", "lake/queries/import_day.sql"}
    assert not {*kept, "campaigns/calibration.json"} & covered()
    assert all((ROOT / name).is_file() for name in kept)


def test_an_import_of_an_import_is_covered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Followed through packages, modules named in `from`, and functions."""
    package = tmp_path / "stillwatch"
    for name, text in {
        "campaigns/scan.py": "from stillwatch.signals import one\n",
        "signals/__init__.py": "",
        "signals/one.py": "def late():\n    from stillwatch.records.two import thing\n",
        "records/two.py": "",
        "records/three.py": "",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    monkeypatch.setattr(sources, "_ENTRANCES", ("campaigns/scan.py",))

    found = {p.relative_to(package).as_posix() for p in deciding_files(package)}

    assert found == {"campaigns/scan.py", "signals/__init__.py", "signals/one.py", "records/two.py"}
