"""Facts that accounts share, against the same counted by hand in Python."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planted_logs import DAY, START, LogBook, planted
from stillwatch.lake.queries import load_query
from stillwatch.records import FINDINGS_TABLES, Findings
from stillwatch.signals.shared_facts import Facts, read_sightings
from stillwatch.signals.traffic import microseconds


def crowded_log(seed: int) -> LogBook:
    """Eight accounts that share all that can be shared, and some who share nothing."""
    book = LogBook(seed)
    rng = random.Random(seed)

    def some(kind: str, number: int = 4) -> str | None:
        return rng.choice([None, *(f"{kind}{n}" for n in range(number))])

    for number in range(12):
        book.account(
            f"a{number}",
            created_at=rng.choice([None, START - DAY * rng.randrange(60)]),
            payment_token=some("card"),
            device_token=some("device", 30),
            phone_token=some("phone"),
            email_token=some("mail", 30),
            signup_net_token=some("net"),
        )
    for _ in range(90):
        book.exchange(
            f"a{rng.randrange(12)}",
            "hello",
            book.moment(rng.randrange(3)),
            credential_id=some("key", 9),
            client_net_token=some("net"),
            client_metadata=rng.choice([None, "{}", '{"user":"u1"}', '{"user":"u2"}']),
            end_user_token=some("end"),
            cache_key=some("cache", 9),
            conversation_id=some("talk", 20),
            reasoning_signature_issued=some("block", 20),
            reasoning_signatures_presented=rng.choice([None, [], ["block1"], ["block2", "block3"]]),
            output_digest=some("digest", 20),
            prefix_digests=rng.choice([None, ["digest1"], ["digest2", "digest4"]]),
            user_agent=some("agent", 2),
            tls_fingerprint=some("ja4", 2),
            temperature=rng.choice([None, 0.0, 0.5]),
            max_output_tokens=rng.choice([None, 64]),
            settings=rng.choice([None, {"n": 1, "top_p": 0.5, "seed": 7}]),
        )
    return book


def used_facts(row: dict[str, Any]) -> list[tuple[str, Any]]:
    settings = row["settings"] or {}
    client = tuple(
        value
        for value in (
            row["user_agent"],
            row["tls_fingerprint"],
            row["temperature"],
            row["max_output_tokens"],
            *(settings.get(k) for k in ("top_p", "seed", "n", "reasoning_effort")),
        )
        if value is not None
    )
    metadata = row["client_metadata"]
    return [
        ("network", row["client_net_token"]),
        ("client", client if row["user_agent"] or row["tls_fingerprint"] else None),
        ("metadata", metadata if metadata != "{}" else None),
        ("credential", row["credential_id"]),
        ("end_user", row["end_user_token"]),
        ("cache_key", row["cache_key"]),
        ("conversation", row["conversation_id"]),
        ("reasoning_block", row["reasoning_signature_issued"]),
        *(("reasoning_block", b) for b in row["reasoning_signatures_presented"] or ()),
        ("continuation", row["output_digest"]),
        *(("continuation", d) for d in row["prefix_digests"] or ()),
    ]


SIGN_UP = {
    "payment": "payment_token",
    "device": "device_token",
    "phone": "phone_token",
    "email": "email_token",
    "signup_network": "signup_net_token",
}


def by_hand(book: LogBook) -> Counter[Any]:
    """(account, kind, who else holds it, exchanges of the day, first moment of the day)."""
    seen: dict[tuple[str, Any, str, Any], list[datetime | None]] = defaultdict(list)
    for row in book.accounts:
        for kind, column in SIGN_UP.items():
            seen[kind, row[column], row["account_id"], None].append(row["created_at"])
    for row in book.exchanges:
        for kind, fact in used_facts(row):
            seen[kind, fact, row["account_id"], row["started_at"].date()].append(row["started_at"])
    holders = defaultdict(set)
    for kind, fact, account, _ in seen:
        holders[kind, fact].add(account)
    return Counter(
        (
            account,
            kind,
            frozenset(holders[kind, fact]),
            len(moments),
            min(microseconds(m) if m else 0 for m in moments),
        )
        for (kind, fact, account, _), moments in seen.items()
        if fact is not None and len(holders[kind, fact]) > 1
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_query_counts_what_python_counts(tmp_path: Path, seed: int) -> None:
    """Each account, value and day, with its exchanges and its first moment."""
    book = crowded_log(seed)
    query = load_query("shared_facts")
    connection = book.open(tmp_path).connection
    found = connection.sql(query, params={"hours": 24}).to_arrow_table().to_pylist()
    holders = defaultdict(set)
    for row in found:
        holders[row["value"]].add(row["account_id"])

    assert Counter(
        (
            r["account_id"],
            r["kind"],
            frozenset(holders[r["value"]]),
            r["exchanges"],
            r["first_seen"],
        )
        for r in found
    ) == by_hand(book)


def as_rows(facts: Facts) -> set[tuple[str, int, int, int]]:
    return {
        (facts.kinds[k], int(v), int(a), int(n))
        for k, v, a, n in zip(facts.kind, facts.value, facts.accounts, facts.exchanges, strict=True)
    }


def test_days_are_added_up(tmp_path: Path) -> None:
    """One entry for each account and value, with the exchanges of all days."""
    book = LogBook(1)
    for account, days in (("a", (0, 0, 1)), ("b", (2,)), ("c", (2,))):
        for day in days:
            net = "lonely" if account == "c" else "net"
            book.exchange(account, "hi", book.moment(day), client_net_token=net)
    log = book.open(tmp_path)

    facts = read_sightings(log, np.array(["a", "b", "c"])).facts()

    assert as_rows(facts) == {("network", 0, 0, 3), ("network", 0, 1, 1)}


def test_accounts_without_exchanges_share_nothing(tmp_path: Path) -> None:
    """A card that only a silent account has too is nobody's link."""
    book = LogBook(1)
    for account in ("a", "silent"):
        book.account(account, payment_token="card")
    book.exchange("a", "hi", book.moment(0))

    facts = book.evidence(tmp_path).facts

    assert len(facts.value) == 0


def test_what_many_hold_ties_nobody(tmp_path: Path) -> None:
    """A card of two ties them; one that half of the log has, or a network, does not."""
    book = LogBook(1)
    for number in range(40):
        card = "common" if number < 20 else f"card-{number // 2}"
        book.account(f"a{number:02}", payment_token=card)
        book.exchange(f"a{number:02}", "hi", book.moment(0), client_net_token=f"n{number // 2}")
    facts = book.evidence(tmp_path).facts

    assert facts.tie(np.array([20]), np.array([21]), 40)
    assert not facts.tie(np.array([20]), np.array([22]), 40)
    assert not facts.tie(np.array([0]), np.array([1]), 40)


def with_other_countries(book: LogBook, seed: int) -> LogBook:
    rng = random.Random(seed)
    for row in book.exchanges:
        row["client_country"] = rng.choice([None, "AA", "BB", "CC"])
    for row in book.accounts:
        row["country"] = rng.choice([None, "AA", "BB"])
        row["billing_country"] = rng.choice(["AA", "DD"])
    return book


def renamed(book: LogBook) -> LogBook:
    """Each country takes the label of the next."""
    labels = {"AA": "BB", "BB": "ZZ", "CC": "AA", "DD": "CC", None: None}
    for row in book.exchanges:
        row["client_country"] = labels[row["client_country"]]
    for row in book.accounts:
        row |= {name: labels[row[name]] for name in ("country", "billing_country")}
    return book


def assert_same_findings(one: Findings, other: Findings, *, but: str = "") -> None:
    for schema in FINDINGS_TABLES:
        if schema.name != but:
            assert one.table(schema.name).equals(other.table(schema.name)), schema.name


def test_countries_change_no_finding(tmp_path: Path) -> None:
    """Whatever the country columns say, or if they are silent, the findings are the same.

    What a link is worth depends on who lives with whom (chance is counted within country and
    plan), and not on what the country is called.
    """
    without = planted(3)[0].scan(tmp_path / "without")
    other = with_other_countries(planted(3)[0], 1).scan(tmp_path / "other")
    names = renamed(with_other_countries(planted(3)[0], 1)).scan(tmp_path / "renamed")

    assert without.campaigns.num_rows == 1
    assert_same_findings(without, other, but="links")
    assert_same_findings(other, names)


def test_countries_stand_in_no_query() -> None:
    """Neither the linking nor the roles read them."""
    for name in ("shared_facts", "account_facts", "member_traffic"):
        sql = "\n".join(
            line for line in load_query(name).splitlines() if not line.strip().startswith("--")
        )
        assert "country" not in sql.lower()


def test_a_value_is_known_from_its_own_day_on(tmp_path: Path) -> None:
    """At a midnight, only the exchanges before it have shown anything."""
    book = LogBook(1)
    for day, account in ((0, "a"), (0, "b"), (2, "c")):
        book.exchange(account, "hi", START + DAY * day + timedelta(hours=3), client_net_token="net")
    sightings = read_sightings(book.open(tmp_path), np.array(["a", "b", "c"]))

    def holders(day: int, accounts: list[int]) -> int:
        midnight = microseconds(START + DAY * day)
        return len(sightings.until(midnight, np.array(accounts)).facts().accounts)

    assert [holders(0, []), holders(1, [0, 1]), holders(2, [0, 1]), holders(3, [0, 1, 2])] == [
        0,
        2,
        2,
        3,
    ]


def test_the_tied_part_is_of_those_who_share_a_rare_value_among_themselves(tmp_path: Path) -> None:
    """Not with others, not a common value: two of four."""
    book = LogBook(1)
    cards = ["rare", "rare", "outside", None, "outside", *["common"] * 20]
    for number, card in enumerate(cards):
        common = "campus" if number < 20 else None
        book.account(f"a{number:02}", payment_token=card, signup_net_token=common)
        book.exchange(f"a{number:02}", "hi", book.moment(0))
    facts = book.evidence(tmp_path).facts

    assert facts.tied_shares([np.arange(4)], len(cards)) == [0.5]
    assert facts.tied_shares([np.arange(5, 15)], len(cards)) == [0.0]


def test_groups_that_surely_act_as_one_are_tied_by_what_they_share_across(tmp_path: Path) -> None:
    """Cards dealt over a pool that wording has cut in two; who is no ally lends nothing."""
    book = LogBook(2)
    for number, card in enumerate(["a", "b", "c", "d", "a", "b", "c", "e", "d", "e"]):
        book.account(f"a{number:02}", payment_token=card)
        book.exchange(f"a{number:02}", "hi", book.moment(0))
    facts = book.evidence(tmp_path).facts
    groups = [np.arange(4), np.arange(4, 8), np.arange(8, 10)]

    assert facts.tied_shares(groups, 30 * 30) == [0.0, 0.0, 0.0]
    assert facts.tied_shares(groups, 30 * 30, [True, True, False]) == [0.75, 0.75, 0.0]


@pytest.mark.parametrize(
    ("networks", "tied"),
    [
        (["lab", "lab", "lab", "lab"], 0.0),  # a machine of one place
        (["lab", "home", "lab", "lab"], 0.5),  # the first is at two places, the second at one
        (["lab", "home", "cafe", "campus"], 1.0),  # each at places where the other never was
        ([None] * 4, 0.0),  # nobody can tell
    ],
)
def test_a_device_ties_those_whom_no_place_brings_together(
    tmp_path: Path, networks: list[str | None], tied: float
) -> None:
    """Two devices, each of two accounts, by the networks of these four."""
    book = LogBook(3)
    for number in range(40):
        device = f"device {number // 2}" if number < 4 else None
        network = networks[number] if number < 4 else networks[number % 4]
        book.account(f"a{number:02}", device_token=device)
        book.exchange(f"a{number:02}", "hi", book.moment(0), client_net_token=network)
    facts = book.evidence(tmp_path).facts

    assert facts.tied_shares([np.arange(4)], 40) == [tied]


@pytest.mark.parametrize("kind", ["cache_key", "end_user_token", "client_net_token"])
def test_what_a_program_or_a_place_brings_ties_nobody(tmp_path: Path, kind: str) -> None:
    """Two of forty show it, and no card."""
    book = LogBook(4)
    for number in range(40):
        book.account(f"a{number:02}")
        shown = {kind: "the same"} if number < 2 else {}
        book.exchange(f"a{number:02}", "hi", book.moment(0), **shown)
    facts = book.evidence(tmp_path).facts

    assert len(facts.value) > 0
    assert facts.tied_shares([np.arange(2)], 40) == [0.0]


def test_like_answers_to_like_questions_tie_nobody(tmp_path: Path) -> None:
    """Six programs behind one public prompt are answered with the same word; two share a card."""
    book = LogBook(2)
    for number in range(30):
        book.account(f"a{number:02}", payment_token="card" if number < 2 else None)
        word = "LGTM" if number < 6 else f"answer {number}"
        digest = {"output_text": word, "output_digest": f"digest of {word}"}
        book.exchange(f"a{number:02}", "review this change", book.moment(0), **digest)
    facts = book.evidence(tmp_path).facts

    assert "continuation" in [facts.kinds[k] for k in facts.kind]
    assert facts.tied_shares([np.arange(6)], 30 * 30) == [pytest.approx(2 / 6)]
