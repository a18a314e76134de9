"""Environments of the real tools that are recorded: apart from the project's own, and pinned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

__all__ = ["ROOT", "make_environment"]

ROOT = Path(__file__).resolve().parents[1]


def make_environment(name: str) -> Path:
    """The Python of `.venv-NAME`, made and filled from its pinned requirements if need be."""
    environment = ROOT / f".venv-{name}"
    requirements = ROOT / "tools" / f"gateway_requirements_{name.replace('-', '_')}.txt"
    uv = str(ROOT / ".tools" / "bin" / "uv")
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(environment)], check=True)
    subprocess.run(
        [uv, "pip", "install", "-q", "--python", str(python), "-r", str(requirements)], check=True
    )
    return python
