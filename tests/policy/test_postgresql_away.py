"""A real PostgreSQL that dies: what was to be written was not, and the store comes back by itself."""

from __future__ import annotations

import threading

import pytest
from made_actions import KEY, NOW, action
from postgresql_server import PostgresqlServer

from stillwatch.identity import Tokeniser
from stillwatch.policy.store import Principal, Store, StoreAwayError
from stillwatch.policy.store.audit_check import check_store

pytestmark = pytest.mark.stores


def test_a_server_that_dies_is_away_and_comes_back(ada: Principal) -> None:
    """An open store survives it; the record has no gap."""
    with PostgresqlServer() as server:
        url = server.new_database()
        with Store.open(url, tokeniser=Tokeniser(KEY)) as store:
            store.actions.propose([action()], ada, now=NOW)
            server.stop()
            with pytest.raises(StoreAwayError, match="does not answer"):
                store.actions.propose([action()], ada, now=NOW)
            with pytest.raises(StoreAwayError):
                store.sequence()
            server.start()
            store.actions.propose([action()], ada, now=NOW)
            assert len(list(store.actions.every())) == 2
            checked = check_store(store)
            assert (checked.ok, checked.records) == (True, 2)


def test_many_writers_leave_no_gap(postgresql_server: PostgresqlServer, ada: Principal) -> None:
    """Each has a connection of its own, as several servers have."""
    url = postgresql_server.new_database()
    Store.open(url).close()
    failures: list[BaseException] = []

    def write() -> None:
        try:
            with Store.open(url, tokeniser=Tokeniser(KEY)) as store:
                for _ in range(20):
                    store.actions.propose([action()], ada, now=NOW)
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write) for _ in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failures == []
    with Store.open(url) as store:
        checked = check_store(store)
        assert (checked.ok, checked.records) == (True, 120)
