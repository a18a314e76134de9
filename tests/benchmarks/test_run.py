"""The benchmarks: they run, and what they write is what others read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"name", "value", "unit", "baseline", "baseline_value", "ratio", "machine", "date"}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The table of a quick run, and the file of its figures."""
    out = tmp_path_factory.mktemp("benchmark") / "figures.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), "--quick", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, out


def test_figures_have_the_agreed_keys_and_a_ratio_of_one_run(measured: tuple[str, Path]) -> None:
    """Each figure stands beside that of a plain program, and the ratio is theirs."""
    figures = json.loads(measured[1].read_text())

    assert all(figure.keys() == KEYS for figure in figures)
    for figure in figures:
        assert figure["value"] > 0
        assert figure["ratio"] == pytest.approx(
            figure["value"] / figure["baseline_value"], rel=2e-3
        )


def test_every_stage_is_measured_once(measured: tuple[str, Path]) -> None:
    """Simulating, scanning, evaluating, sketching, receiving and every format of import have figures."""
    names = [figure["name"] for figure in json.loads(measured[1].read_text())]

    for stage in ("simulate", "scan", "evaluate", "sketching", "receive"):
        assert any(name.startswith(stage) for name in names)
    imported = [n for n in names if n.startswith("import")]
    formats = Counter(n.removeprefix("import ").partition(",")[0] for n in imported)
    assert formats == {
        "canonical.parquet": 4,
        "canonical.jsonl": 4,
        "litellm.ndjson": 2,
        "otlp.jsonl": 2,
        "otlp.pb": 2,
    }
    assert sum(n.endswith(", peak memory") for n in imported) == len(imported) / 2
    assert len(names) == len(set(names))


def test_table_has_a_row_for_each_figure(measured: tuple[str, Path]) -> None:
    """What people read is what the file holds."""
    table, out = measured

    assert len(table.splitlines()) == 2 + len(json.loads(out.read_text()))


def test_machine_is_described_without_its_name(measured: tuple[str, Path]) -> None:
    """Published figures name processors, and no host."""
    import platform

    machines = {figure["machine"] for figure in json.loads(measured[1].read_text())}

    assert len(machines) == 1
    assert not platform.node() or platform.node() not in machines.pop()
