"""Identity cohorts: what operators leave at sign-up, and what honest crowds share for one cause."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest

from planted_logs import DAY, START, LogBook, members_of, planted, scene_of
from stillwatch.campaigns.scan import ScanSettings, scan
from stillwatch.signals import cohorts
from stillwatch.signals.repeats import UNKNOWN, population
from stillwatch.signals.tell import Tell

COUNTRIES = ("CA", "DE", "NG", "TH")
FAR = np.log(1e5)  # beyond what a hundred groups need at a rate of one per cent


def strangers(book: LogBook, number: int, *, name: str = "p", **facts: object) -> list[str]:
    """Paying customers of four countries, each with its banks, carriers and mail providers."""
    names = [f"{name}{i:03}" for i in range(number)]
    for account in names:
        country = book.rng.choice(COUNTRIES)
        own = {
            "country": country,
            "plan": book.rng.choice(["individual", "pay_as_you_go"]),
            "payment_bin": f"{country}-bank-{book.rng.randrange(5)}",
            "signup_asn": COUNTRIES.index(country) * 10 + book.rng.randrange(3),
            "signup_net_token": f"{country}-{book.rng.randrange(90)}",
            "email_domain": f"mail-{book.rng.randrange(4)}.example",
            "created_at": START - DAY * book.rng.randrange(2, 700),
        }
        book.account(account, **own | facts)
        book.exchange(account, "hello there", book.moment(1))
    return names


def told(book: LogBook, folder: Path, *groups: Sequence[str]) -> Tell:
    return cohorts.measure(scene_of(book.evidence(folder), *groups))


def test_one_issuer_and_one_host_are_told(tmp_path: Path) -> None:
    """What is left of an operator who gives each account a card, a device and an address."""
    book = LogBook(3)
    strangers(book, 300)
    ring = strangers(book, 14, name="w", payment_bin="990017", signup_asn=77)

    tell = told(book, tmp_path, ring)

    assert tell.log_e[0] > FAR
    assert tell.log_e[0] <= tell.largest[0] + 1e-9
    assert "14 of 14 accounts of the group share an issuer of cards" in tell.observed[0]
    assert len(tell.members[0]) == len(tell.rows[0]) == 14


def test_a_common_issuer_and_host_weigh_little(tmp_path: Path) -> None:
    """A virtual-card issuer and a notebook service that a third of all customers use."""
    book = LogBook(4)
    strangers(book, 200)
    users = strangers(book, 100, name="v", payment_bin="990017", signup_asn=77)

    assert told(book, tmp_path, users[:8]).log_e[0] < FAR


def test_a_whole_community_is_not_rare_for_being_small(tmp_path: Path) -> None:
    """300 customers of one country, bank, network, mail and hour: all of them, half, or a dozen."""
    book = LogBook(5)
    strangers(book, 600)
    strangers(book, 60, name="d", country="EE")
    alike = {
        "country": "EE",
        "payment_bin": "EE-bank",
        "signup_asn": 99,
        "signup_net_token": "EE-1",
        "email_domain": "mail.ee.example",
        "created_at": START - DAY * 30,
    }
    community = strangers(book, 300, name="c", **alike)

    tell = told(book, tmp_path, community[:12], community[::25])

    assert (tell.log_e < np.log(20)).all()


def test_a_country_that_is_the_group_says_nothing(tmp_path: Path) -> None:
    """All 300 customers of a country: there is nobody to be unlike."""
    book = LogBook(9)
    strangers(book, 300)
    alike = {"payment_bin": "EE-bank", "signup_asn": 99, "email_domain": "mail.ee.example"}
    community = strangers(book, 300, name="c", country="EE", **alike)

    assert told(book, tmp_path, community).log_e[0] <= 0.0


@pytest.mark.parametrize(
    "cause",
    [
        pytest.param({"payment_bin": "990017"}, id="customers of one bank"),
        pytest.param({"signup_asn": 77, "signup_net_token": "hall"}, id="one carrier"),
        pytest.param(
            {
                "signup_asn": 77,
                "signup_net_token": "campus",
                "email_domain": "college.example",
                "verification": "edu",
                "created_at": START - DAY,
            },
            id="a class",
        ),
    ],
)
def test_one_honest_cause_ties_nobody(tmp_path: Path, cause: dict[str, object]) -> None:
    book = LogBook(6)
    strangers(book, 300)
    crowd = strangers(book, 40, name="s", **cause)

    tell = told(book, tmp_path, crowd)

    assert tell.log_e[0] < 0.0
    assert tell.observed[0]  # it is seen and said; it does not tie


def test_strangers_who_share_nothing_are_not_told(tmp_path: Path) -> None:
    book = LogBook(7)
    names = strangers(book, 400)

    tell = told(book, tmp_path, *(names[i::20] for i in range(20)))

    assert (tell.log_e < np.log(20)).all()
    assert tell.observed == [""] * 20


def test_without_countries_nothing_is_said(tmp_path: Path) -> None:
    """Else customers of one country would look like a cohort of its bank and its carrier."""
    book = LogBook(10)
    names = strangers(book, 400)
    of_one_country = [
        n for n, row in zip(names, book.accounts, strict=True) if row["country"] == "NG"
    ]
    for row in book.accounts:
        row["country"] = None

    tell = told(book, tmp_path, of_one_country[:30])

    assert tell.log_e.tolist() == tell.largest.tolist() == [0.0]
    assert tell.observed == [""]


def test_a_log_without_these_columns_says_nothing(tmp_path: Path) -> None:
    book = LogBook(8)
    names = book.people(30)

    tell = told(book, tmp_path, names[:8])

    assert tell.log_e.tolist() == tell.largest.tolist() == [0.0]


def scanned(folder: Path, without: frozenset[str] = frozenset(), **ties: object) -> set[str]:
    """Who is reported, where a judge's list is dealt to accounts that share only these ties."""
    book, workers = planted(4, payment_token=None, **ties)
    for number, row in enumerate(r for r in book.accounts if r["account_id"] not in workers):
        row |= {"payment_bin": f"bank-{number % 9}", "signup_asn": number % 5}
        row["email_domain"] = row["email_domain"] or f"mail-{number % 4}.example"
    for number, row in enumerate(book.accounts):
        row["country"] = COUNTRIES[number % 2]
    settings = ScanSettings(with_timeline=False, without=without)
    found = members_of(scan(book.open(folder), settings, notes={}))
    assert found <= set(workers)
    return found


def test_an_issuer_and_a_host_lift_the_hold_back(tmp_path: Path) -> None:
    """No card, device or address in common: wording alone would not do."""
    ties = {"payment_bin": "990017", "signup_asn": 77}

    assert len(scanned(tmp_path, **ties)) == 12
    assert not scanned(tmp_path, frozenset({cohorts.NAME}), **ties)


@pytest.mark.parametrize(
    "cause",
    [
        {"payment_bin": "990017"},
        {"signup_asn": 77},
        {"signup_asn": 77, "email_domain": "college.example", "created_at": START - DAY},
    ],
)
def test_one_honest_cause_lifts_nothing(tmp_path: Path, cause: dict[str, object]) -> None:
    """A crowd that divides broad work on a judge's prompt, of one bank, carrier or college."""
    assert not scanned(tmp_path, **cause)


def e_values(values: Sequence[int], strata: Sequence[int], members: int) -> list[float]:
    """Of every way in which the values may be permuted within their strata, all alike likely."""
    places = [[i for i, s in enumerate(strata) if s == stratum] for stratum in sorted(set(strata))]
    found = []
    for orders in product(*(permutations(place) for place in places)):
        dealt = np.array(values)
        for place, order in zip(places, orders, strict=True):
            dealt[place] = np.array(values)[list(order)]
        whole = population(dealt, np.array(strata))
        found.append(float(np.exp(whole.log_e(np.arange(members)))))
    return found


@pytest.mark.parametrize(
    ("values", "strata", "members"),
    [
        ([1, 1, 1, 2, 3, 4, 1], [0, 0, 0, 0, 0, 0, 0], 3),
        ([1, 1, 2, 2, 3, 3, 3], [0, 0, 0, 0, 0, 0, 0], 4),
        ([1, 1, 1, 1, 2, 3, 4, 5], [0, 1, 0, 1, 0, 1, 0, 1], 4),
        ([1, 1, UNKNOWN, 2, 1, 2, 5], [0, 0, 0, 0, 0, 0, 0], 3),
    ],
)
def test_the_mean_over_all_permutations_is_one_at_most(
    values: list[int], strata: list[int], members: int
) -> None:
    """The null, enumerated: an independent witness of the proof."""
    if UNKNOWN in values:  # who is known is given
        known = [i for i, v in enumerate(values) if v != UNKNOWN]
        inside = sum(i < members for i in known)
        values, strata, members = [values[i] for i in known], [strata[i] for i in known], inside
    found = e_values(values, strata, members)

    assert np.mean(found) <= 1 + 1e-9
    assert max(found) > 1.5  # and it can speak


def test_nothing_exceeds_the_largest() -> None:
    """Every assignment of three values to four members in two strata."""
    strata = np.array([0, 0, 1, 1, 0, 0, 0, 1, 1])
    others = [5, 6, 7, 5, 6]
    largest = population(np.array([9, 9, 9, 9, *others]), strata).largest(np.arange(4))

    seen = [
        population(np.array([*own, *others]), strata).log_e(np.arange(4))
        for own in product((5, 8, 9, UNKNOWN), repeat=4)
    ]

    assert max(seen) == pytest.approx(largest)
