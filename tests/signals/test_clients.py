"""Clients: settings, software, limits and sleep that members share, and honest users who share some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planted_logs import LogBook, members_of, planted, scene_of
from stillwatch.campaigns.tells import SIGNALS, TYING
from stillwatch.signals import clients
from stillwatch.signals.tell import Tell

DAYS = 12
QUOTA = 10_000
SOFTWARE = (("sdk/1", "tls-a"), ("sdk/2", "tls-a"), ("browser/9", "tls-b"), ("tool/3", "tls-c"))
Changes = Callable[[int], dict[str, Any]]


def usual(_: int) -> dict[str, Any]:
    return {}


def customers(
    book: LogBook,
    number: int,
    name: str,
    changes: Changes = usual,
    *,
    active: Callable[[int], bool] = lambda _: True,
    often: int = 8,
) -> list[str]:
    """Customers with clients, settings, days and volumes of their own, but for the changes."""
    names = [f"{name}{i:03}" for i in range(number)]
    for i, account in enumerate(names):
        book.account(account, plan="individual", quota_tokens_day=QUOTA)
        agent, tls = book.rng.choice(SOFTWARE)
        own = {
            "user_agent": agent,
            "tls_fingerprint": tls,
            "temperature": book.rng.choice([None, 0.0, 0.5, 1.0]),
            "max_output_tokens": book.rng.choice([None, 512, 4096]),
            "output_tokens": book.rng.randrange(20, 2_500),
        }
        for day in sorted(book.rng.sample(range(DAYS), often)):
            if active(day):
                book.exchange(account, "hello", book.moment(day), **own | changes(i))
    return names


def told(book: LogBook, folder: Path, *groups: Sequence[str]) -> Tell:
    return clients.measure(scene_of(book.evidence(folder), *groups))


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        ("same settings", lambda _: {"temperature": 0.37, "max_output_tokens": 1234}),
        ("same client", lambda _: {"user_agent": "own/1", "tls_fingerprint": "tls-own"}),
        ("contradicts", lambda _: {"user_agent": "browser/9", "tls_fingerprint": "tls-a"}),
        ("nothing of itself", lambda _: {"user_agent": None, "tls_fingerprint": None}),
        ("plan's limit", lambda i: {"output_tokens": 9_200 + i}),
    ],
)
def test_what_the_workers_share_is_told(tmp_path: Path, words: str, changes: Changes) -> None:
    book = LogBook(1)
    customers(book, 240, "p")
    workers = customers(book, 14, "w", changes)

    tell = told(book, tmp_path, workers)

    assert tell.log_e[0] > np.log(1000)
    assert tell.log_e[0] <= tell.largest[0] + 1e-9
    assert words in tell.observed[0]
    assert len(tell.members[0]) == len(tell.rows[0]) == 14


def test_accounts_that_sleep_and_wake_together_are_told(tmp_path: Path) -> None:
    book = LogBook(2)
    customers(book, 240, "p")
    customers(book, 60, "d", often=DAYS)
    workers = customers(book, 14, "w", active=lambda day: day not in range(3, 7), often=DAYS)

    tell = told(book, tmp_path, workers)

    assert "sleep and waking" in tell.observed[0]


def test_a_break_that_everybody_takes_tells_nothing(tmp_path: Path) -> None:
    """An outage, or holidays."""
    book = LogBook(3)
    names = customers(book, 240, "p", active=lambda day: day not in range(3, 9))

    tell = told(book, tmp_path, names[:20], names[20:40])

    assert tell.observed == ["", ""]
    assert (tell.log_e < np.log(20)).all()


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param(lambda _: {"user_agent": "sdk/1", "tls_fingerprint": "tls-a"}, id="an SDK"),
        pytest.param(lambda _: {"temperature": None, "max_output_tokens": None}, id="defaults"),
        pytest.param(lambda i: {"output_tokens": 150 * i}, id="every volume"),
    ],
)
def test_what_many_share_tells_nothing(tmp_path: Path, changes: Changes) -> None:
    """Half of all customers show it, and a dozen of them are the group."""
    book = LogBook(4)
    customers(book, 120, "p")
    users = customers(book, 120, "u", changes)

    tell = told(book, tmp_path, users[::10])

    assert tell.observed == [""]


def test_strangers_are_not_told(tmp_path: Path) -> None:
    book = LogBook(5)
    names = customers(book, 240, "p")

    tell = told(book, tmp_path, *(names[i::12] for i in range(12)))

    assert tell.observed == [""] * 12
    assert (tell.log_e < np.log(12)).all()


def test_a_new_library_is_no_contradiction(tmp_path: Path) -> None:
    """A rare agent with a rare fingerprint was to be expected."""
    book = LogBook(6)
    customers(book, 240, "p")
    early = customers(book, 3, "e", lambda _: {"user_agent": "sdk/3", "tls_fingerprint": "tls-new"})

    assert "contradicts" not in told(book, tmp_path, early).observed[0]


def test_a_log_without_clients_says_nothing(tmp_path: Path) -> None:
    book = LogBook(7)
    names = book.people(40, prompts=3)

    tell = told(book, tmp_path, names[:10])

    assert tell.observed == [""]
    assert tell.log_e[0] <= 0.0


@pytest.mark.parametrize(("card", "reported"), [(None, False), ("one card", True)])
def test_an_apps_client_ties_no_more_than_its_wording(
    tmp_path: Path, card: str | None, reported: bool
) -> None:
    """Users of one app, by its client and its headers; whoever pays for all of them is tied."""
    book, users = planted(4, payment_token=card)
    for number, row in enumerate(book.exchanges):
        of_app = row["account_id"] in users
        row["user_agent"] = "judge-app/1" if of_app else f"agent-{number % 7}"
        row["client_metadata"] = '{"x-app":"judge"}' if of_app else None
        row["client_net_token"] = f"net-{row['account_id']}"

    assert bool(members_of(book.scan(tmp_path))) == reported


def test_it_ties_nobody() -> None:
    """The users of an app share its client, its settings and its wording for one reason."""
    assert clients.NAME in SIGNALS
    assert clients.NAME not in TYING
