"""A server of decisions on a store, a lake and an office."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The office is that of the appeals' tests, and the authority that of the receiver's.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "appeals"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "receiver"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dossier"))

from appeals_server import Office
from served_decisions import Deployment


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office as it is on its first day: hashing passwords takes long, on purpose."""
    opened = Office.opened(tmp_path_factory.mktemp("people"))
    opened.store.close()
    return opened


@pytest.fixture
def deployment(people: Office, tmp_path: Path) -> Iterator[Deployment]:
    """A lake with two customers, and a store beside it."""
    made = Deployment.made(people, tmp_path / "lake")
    yield made
    made.office.store.close()
