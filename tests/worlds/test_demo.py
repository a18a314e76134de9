"""The README shows what `make demo` and the explanation of its last campaign print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tools"))
from record_pages import agree  # noqa: E402

pytestmark = pytest.mark.slow


def test_the_readme_shows_the_demo_of_today(tmp_path: Path) -> None:
    """Its findings, its words and its figures; how long it took may differ."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    demo, explained = (
        block.splitlines()
        for block in re.findall(r"^```text\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
        if "demo/" in block
    )

    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "demo.py", "demo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert agree(demo, done.stdout.splitlines()), done.stdout + done.stderr

    command, *shown = explained
    words = command.removeprefix("$ .venv/bin/stillwatch ").split()
    why = subprocess.run(
        [sys.executable, "-m", "stillwatch", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert agree(shown, why.stderr.splitlines()), why.stderr
