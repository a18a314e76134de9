"""People, and a deployment of their own for each test: for this folder and that of the gateways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
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
