"""An office that decides appeals."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The authority of the certificates is that of the receiver's tests, findings those of the dossier's.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "receiver"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dossier"))

from appeals_server import Office


@pytest.fixture(scope="session")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office as it is on its first day: hashing passwords takes long, on purpose."""
    opened = Office.opened(tmp_path_factory.mktemp("office"))
    opened.store.close()
    return opened


@pytest.fixture
def office(first_day: Office, tmp_path: Path) -> Iterator[Office]:
    """An office of one's own."""
    folder = tmp_path / "lake"
    folder.mkdir()
    opened = first_day.moved_to(folder)
    yield opened
    opened.store.close()
