"""A store to write into, on SQLite and, where it is asked for, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from made_actions import KEY
from postgresql_server import PostgresqlServer

from stillwatch.identity import Tokeniser
from stillwatch.policy.store import Principal, PrincipalRole, Store


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """One for all tests; each takes a database of its own."""
    with PostgresqlServer() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.stores)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    server = request.getfixturevalue("postgresql_server")
    return server.new_database()


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open store in which nobody is."""
    with Store.open(store_url, tokeniser=Tokeniser(KEY)) as opened:
        yield opened


@pytest.fixture
def ada() -> Principal:
    """An approver who proposes."""
    return Principal("ada", frozenset({PrincipalRole.APPROVER}))


@pytest.fixture
def ben() -> Principal:
    """Another approver."""
    return Principal("ben", frozenset({PrincipalRole.APPROVER}))
