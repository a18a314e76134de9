"""Running a command as its user does, with a clock."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Run", "plain", "stillwatch"]

_FOUND = 3


@dataclass(frozen=True, slots=True)
class Run:
    """What a command printed, and its wall clock from start to end, interpreter included."""

    report: dict[str, Any]
    seconds: float


def stillwatch(*words: object) -> Run:
    """`stillwatch WORDS --json`; settings of the one who measures are left out."""
    return _run([sys.executable, "-m", "stillwatch", *map(str, words), "--json"])


def plain(program: str, *words: object) -> Run:
    """A plain program of `baselines.py`, in a process of its own so that its memory is its own."""
    file = Path(__file__).with_name("baselines.py")
    return _run([sys.executable, str(file), program, *map(str, words)])


def _run(command: list[str]) -> Run:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("STILLWATCH__")}
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=kept)
    seconds = time.perf_counter() - started
    if done.returncode not in (0, _FOUND):
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return Run(json.loads(done.stdout), seconds)
