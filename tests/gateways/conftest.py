"""The recorders' tools are the gateway tests' tools too."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from played_world import SimulatedWorld, simulated_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimulatedWorld:
    """One world, played through every gateway."""
    return simulated_world(tmp_path_factory.mktemp("world") / "world")
