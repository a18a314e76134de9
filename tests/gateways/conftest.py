"""The recorders' tools are the gateway tests' tools too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
# And those who decide and are appealed to are those of the server's tests.
for name in ("serving", "appeals", "receiver", "dossier"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / name))

from appeals_server import Office  # noqa: E402
from served_decisions import Deployment  # noqa: E402


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office as it is on its first day."""
    opened = Office.opened(tmp_path_factory.mktemp("people"))
    opened.store.close()
    return opened


@pytest.fixture
def deployment(people: Office, tmp_path: Path) -> Iterator[Deployment]:
    """A lake with two customers, and a store beside it."""
    made = Deployment.made(people, tmp_path / "lake")
    yield made
    made.office.store.close()
