"""People whom a place or a program brings together under one wording: nobody is accused for it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planted_logs import VOCABULARY, LogBook, members_of

STEPWISE = "Think step by step and write out your reasoning before you answer this one: {}"
SEATS = 14

Rows = Callable[[int], dict[str, Any]]


def shows(*kinds: str, each: int = SEATS) -> Rows:
    """Every so many people show one value of each of these columns."""
    return lambda seat: {kind: f"{kind} {seat // each}" for kind in kinds}


def take_turns(column: str, values: int) -> Rows:
    """Every exchange shows one of so many values, all of them in turn."""
    turn = itertools.count()
    return lambda _: {column: f"{column} {next(turn) % values}"}


def numbered(column: str, values: int, **also: Any) -> Rows:
    """Everybody's exchanges show the same values, one after the other."""
    turns = [itertools.count() for _ in range(SEATS)]
    return lambda seat: {column: f"{column} {next(turns[seat]) % values}"} | also


HONEST: dict[str, tuple[Rows, Rows]] = {
    "seminar on a campus": (shows("signup_net_token"), shows("client_net_token")),
    "seminar on campus and roaming network": (
        shows("signup_net_token"),
        take_turns("client_net_token", 2),
    ),
    "office with two lines, one each floor": (
        shows("signup_net_token", each=7),
        shows("client_net_token", each=7),
    ),
    "firm behind the exits of one VPN": (
        take_turns("signup_net_token", 5),
        take_turns("client_net_token", 5),
    ),
    "class that signed up at the machines of a rented lab": (
        shows("signup_net_token", "device_token", each=2),
        shows("client_net_token"),
    ),
    "course with a notebook that names its cache and its user": (
        shows("signup_net_token"),
        shows("client_net_token", "cache_key", "end_user_token"),
    ),
    "course whose exercises name their conversations, after three examples each": (
        shows(),
        numbered("conversation_id", 36, turn_index=3),
    ),
    "readers of a tutorial who present its block": (
        shows(),
        lambda _: {"reasoning_signatures_presented": ["published"]},
    ),
    "hackathon with sponsored mail": (
        shows("signup_net_token", "email_domain"),
        shows("client_net_token", "user_agent"),
    ),
}
"""What the people of each have in common: in their accounts, in their exchanges."""


def town(seed: int, crowd: str) -> tuple[LogBook, list[str]]:
    """Strangers and a firm on networks of their own, and one crowd at broad work."""
    of_account, of_exchange = HONEST[crowd]
    book = LogBook(seed)
    book.people(160)
    book.people(40, name="q", prompts=40)
    book.firm()
    for number, row in enumerate(book.exchanges):
        row["client_net_token"] = f"line {number // 20}"
    names = [f"s{seat:02}" for seat in range(SEATS)]
    for seat, name in enumerate(names):
        book.account(name, payment_token=f"card of {name}", **of_account(seat))
    for day, _, (seat, name) in itertools.product(range(6), range(6), enumerate(names)):
        text = STEPWISE.format(" ".join(book.rng.sample(VOCABULARY, 14)))
        book.exchange(name, text, book.moment(day), **of_exchange(seat))
    return book, names


@pytest.mark.parametrize("crowd", HONEST)
def test_what_one_honest_cause_explains_accuses_nobody(tmp_path: Path, crowd: str) -> None:
    """Broad work under one wording passes every clause, so all hangs on what ties the accounts."""
    book, names = town(61, crowd)
    findings = book.scan(tmp_path)

    assert findings.campaigns.num_rows == 0
    (why,) = [
        r["why_not_reported"] for r in findings.tested.to_pylist() if r["account_ids"] == names
    ]
    assert why.startswith("Wording alone ties it: 0%")


def test_the_same_people_on_one_card_are_found(tmp_path: Path) -> None:
    """The place hides nobody whom something else ties: the crowds above would be reported."""
    book, names = town(61, "seminar on a campus")
    for row in book.accounts[-SEATS:]:
        row["payment_token"] = "one card"

    assert members_of(book.scan(tmp_path)) == set(names)


def test_the_same_people_on_devices_at_many_places_are_found(tmp_path: Path) -> None:
    """A machine of a lab stands in one place; one behind a proxy for each account does not."""
    book, names = town(61, "class that signed up at the machines of a rented lab")
    for number, row in enumerate(book.accounts[-SEATS:]):
        row["signup_net_token"] = f"proxy {number}"
    for row in book.exchanges:
        if row["account_id"] in names:
            row["client_net_token"] = f"proxy {row['account_id']}"

    assert members_of(book.scan(tmp_path)) == set(names)
