"""The desk at which import tests work."""

from __future__ import annotations

from pathlib import Path

import pytest
from import_builders import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
