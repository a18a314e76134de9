"""The station at which the receiver's tests receive."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The builders of logs are those of the imports' tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "sources"))

from stations import Station


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    opened = Station(tmp_path)
    yield opened
    opened.close()
