"""A server of decisions on a store, a lake and an office."""

from __future__ import annotations

import sys
from pathlib import Path

# The office is that of the appeals' tests, and the authority that of the receiver's.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "appeals"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "receiver"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dossier"))

from served_fixtures import deployment, people

__all__ = ["deployment", "people"]
