"""Credentials in other hands: stolen, resold, and neither."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np

from planted_logs import START, VOCABULARY, LogBook, planted
from stillwatch.signals.credentials import strangers_of
from told import told

DAY = timedelta(days=1)


def with_homes(seed: int) -> tuple[LogBook, list[str]]:
    """Everyone has a key, a client and a network, and a private life; some a template of their own."""
    book, workers = planted(seed)
    own: dict[str, str] = {}
    for row in book.exchanges:
        name = row["account_id"]
        row |= {
            "credential_id": f"key-{name}",
            "user_agent": f"client-{name}",
            "client_net_token": f"home-{name}",
        }
        row["started_at"] += 4 * DAY if name in workers else 0 * DAY
        if name.startswith("q") and book.rng.random() < 0.5:
            own.setdefault(name, " ".join(book.rng.sample(VOCABULARY, 30)))
            row["input_text"] = f"{own[name]} {row['input_text']}"
    for person in [*{r["account_id"] for r in book.exchanges}]:
        for number in range(8):
            book.exchange(
                person,
                " ".join(book.rng.sample(VOCABULARY, 12)),
                START + number * DAY,
                credential_id=f"key-{person}",
                user_agent=f"client-{person}",
                client_net_token=f"home-{person}",
            )
    return book, workers


def test_keys_that_turn_to_a_campaign_elsewhere_are_told(tmp_path: Path) -> None:
    """The owners' lives began before, on networks that the campaign never uses."""
    book, workers = with_homes(41)
    for row in book.exchanges:
        if row["account_id"] in workers and "impartial judge" in row["input_text"]:
            row["client_net_token"] = "rack"

    tell = told(book, workers, "credentials", tmp_path)

    assert 4.0 < tell.log_e <= tell.largest
    assert tell.members == set(workers)
    assert "had a life of their own before" in tell.observed
    assert "on one credential" not in tell.observed


def test_workers_who_live_where_they_work_are_not(tmp_path: Path) -> None:
    """A life before, from the same network: the owner's own."""
    book, workers = with_homes(42)
    tell = told(book, workers, "credentials", tmp_path)

    assert tell.log_e <= 0.0
    assert not tell.members


def test_keys_with_many_users_are_told(tmp_path: Path) -> None:
    """Strangers behind one credential, as a reseller has them."""
    book, workers = with_homes(43)
    for number, row in enumerate(book.exchanges):
        if row["account_id"] in workers:
            row["end_user_token"] = f"user-{number % 9}"

    tell = told(book, workers, "credentials", tmp_path)

    assert 4.0 < tell.log_e <= tell.largest
    assert tell.members == set(workers)
    assert "on one credential" in tell.observed
    assert "life of their own" not in tell.observed


def test_users_are_counted_for_each_credential(tmp_path: Path) -> None:
    """End users where they are named, clients where they are not, and unknown ones never."""
    book = LogBook()
    for key, user, client in (
        ("k1", "u1", "c1"),
        ("k1", "u2", "c1"),
        ("k1", "u2", "c1"),
        ("k2", None, "c1"),
        ("k2", None, "c2"),
        ("k2", None, "c3"),
        ("k2", None, None),
        (None, "u9", "c9"),
    ):
        book.exchange("a", "text", START, credential_id=key, end_user_token=user, user_agent=client)
    book.exchange("b", "text", START)

    np.testing.assert_array_equal(strangers_of(book.traffic(tmp_path)), [3, 0])
