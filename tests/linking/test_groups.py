"""Groups: planted ones come back exactly, and nothing common glues strangers."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from planted_logs import JUDGE, TUTOR, VOCABULARY, LogBook, rows_of
from stillwatch.campaigns.reading import Evidence
from stillwatch.linking.agreement import worth_of_agreeing
from stillwatch.linking.groups import Group, group_accounts
from stillwatch.linking.links import ALL_PAIRS, links_within
from stillwatch.records import Link
from stillwatch.signals.shared_facts import FAMILIES
from stillwatch.signals.templates import mine_fragments

WRAPPERS = (
    JUDGE,
    TUTOR,
    "Compose a patient walkthrough in seven numbered stages about the following matter: {}",
    "From the archive of the northern observatory, resolve the entry completely: {}",
)


def grouped(evidence: Evidence) -> list[Group]:
    traffic = evidence.traffic
    return group_accounts(traffic, mine_fragments(traffic), evidence.facts)


def names_of(evidence: Evidence, groups: list[Group]) -> set[frozenset[str]]:
    return {frozenset(evidence.traffic.account_names[g.accounts].tolist()) for g in groups}


def planted_groups(seed: int) -> tuple[LogBook, set[frozenset[str]]]:
    """Strangers and four groups, each with a wrapper of its own."""
    book = LogBook(seed)
    book.people(80)
    found = {
        frozenset(book.campaign(size, wrapper=wrapper, name=f"g{i}-", days=[0, 1, 2]))
        for i, (size, wrapper) in enumerate(zip((6, 9, 14, 25), WRAPPERS, strict=True))
    }
    return book, found


def by_brute_force(book: LogBook, accounts: int = 5) -> set[frozenset[str]]:
    """Components of accounts of which each two wrote the same eight words in a row, twice."""
    runs: dict[str, dict[tuple[str, ...], int]] = defaultdict(lambda: defaultdict(int))
    for row in book.exchanges:
        words = row["input_text"].split()
        for run in {tuple(words[i : i + 8]) for i in range(len(words) - 7)}:
            runs[row["account_id"]][run] += 1
    often = {a: {r for r, n in counts.items() if n > 1} for a, counts in runs.items()}
    component = {a: a for a in often}
    for a, b in combinations(often, 2):
        if component[a] != component[b] and often[a] & often[b]:
            old, new = component[b], component[a]
            component = {k: new if v == old else v for k, v in component.items()}
    members = defaultdict(set)
    for account, name in component.items():
        members[name].add(account)
    return {frozenset(m) for m in members.values() if len(m) >= accounts}


@pytest.mark.parametrize("seed", range(4))
def test_planted_groups_come_back_exactly(tmp_path: Path, seed: int) -> None:
    """Four wrappers, four groups, nobody missing and nobody added."""
    book, planted = planted_groups(seed)
    evidence = book.evidence(tmp_path)

    assert names_of(evidence, grouped(evidence)) == planted


def test_groups_are_those_that_comparing_all_pairs_finds(tmp_path: Path) -> None:
    """Without comparing pairs, the same groups as by comparing them all."""
    book, _ = planted_groups(11)
    evidence = book.evidence(tmp_path)

    assert names_of(evidence, grouped(evidence)) == by_brute_force(book)


def with_hubs(book: LogBook) -> LogBook:
    """Nearly everybody uses one client, one network and one conversation's fixed answer."""
    for number, row in enumerate(book.exchanges):
        if number % 20:
            row |= {"client_net_token": "carrier", "user_agent": "sdk/1", "output_digest": "ok"}
    for number, row in enumerate(book.accounts):
        row |= {"payment_token": "virtual" if number % 10 else None, "signup_net_token": "campus"}
    return book


def test_a_hub_glues_nobody(tmp_path: Path) -> None:
    """Values that most accounts hold change no group and raise none."""
    plain, planted = planted_groups(5)
    crowded = with_hubs(planted_groups(5)[0])
    for book in (plain, crowded):
        evidence = book.evidence(tmp_path / ("crowded" if book is crowded else "plain"))
        assert names_of(evidence, grouped(evidence)) == planted


def test_a_hub_alone_makes_no_group(tmp_path: Path) -> None:
    """Strangers behind one carrier, with one card issuer, stay strangers."""
    book = with_hubs(LogBook(6))
    book.people(60)
    evidence = with_hubs(book).evidence(tmp_path)

    assert grouped(evidence) == []


def test_networks_and_clients_alone_glue_nobody(tmp_path: Path) -> None:
    """Rare or not, strangers meet there: six accounts behind one router are no group."""
    book = LogBook(7)
    people = book.people(60)
    for row in book.exchanges:
        if row["account_id"] in people[:6]:
            row |= {"client_net_token": "router", "user_agent": "client", "tls_fingerprint": "ja4"}
    evidence = book.evidence(tmp_path)

    assert grouped(evidence) == []


def test_a_rare_card_makes_a_group_without_wording(tmp_path: Path) -> None:
    """Six accounts with one card among sixty belong together; all their work is the group's."""
    book = LogBook(8)
    people = book.people(60)
    for row in book.accounts[:6]:
        row["payment_token"] = "card"
    evidence = book.evidence(tmp_path)
    (group,) = grouped(evidence)

    assert names_of(evidence, [group]) == {frozenset(people[:6])}
    assert not group.by_wording
    assert len(group.rows) == 6 * 9


def test_fewer_than_five_are_not_raised(tmp_path: Path) -> None:
    """A handful can always be a family."""
    book = LogBook(9)
    book.people(60)
    book.campaign(4)
    evidence = book.evidence(tmp_path)

    assert grouped(evidence) == []


def by_ids(evidence: Evidence, groups: list[Group]) -> set[tuple[frozenset[str], frozenset[str]]]:
    ids = np.asarray(evidence.traffic.exchange_ids.to_pylist())
    names = evidence.traffic.account_names
    return {
        (frozenset(names[g.accounts].tolist()), frozenset(ids[g.rows].tolist())) for g in groups
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_rows_in_another_order_are_the_same_log(tmp_path: Path, seed: int) -> None:
    """Shuffled rows and files, and rows shipped twice, give the same groups and exchanges."""
    book, _ = planted_groups(seed)
    for row in book.exchanges:
        row["client_net_token"] = f"net{int(row['exchange_id'][1:]) % 7}"
    one = book.evidence(tmp_path / "one")
    book.rng.shuffle(book.exchanges)
    book.exchanges += book.exchanges[:200]
    book.rng.shuffle(book.accounts)
    other = book.evidence(tmp_path / "other")

    assert by_ids(one, grouped(one)) == by_ids(other, grouped(other))


@pytest.mark.parametrize("seed", [1, 2])
def test_accounts_by_other_names_are_the_same_groups(tmp_path: Path, seed: int) -> None:
    """Who somebody is called decides nothing."""
    book, planted = planted_groups(3)
    names = sorted(r["account_id"] for r in book.accounts)
    shuffled = names.copy()
    random.Random(seed).shuffle(shuffled)
    other = {n: f"account-{s}" for n, s in zip(names, shuffled, strict=True)}
    for row in (*book.accounts, *book.exchanges):
        row["account_id"] = other[row["account_id"]]
    evidence = book.evidence(tmp_path)

    assert names_of(evidence, grouped(evidence)) == {
        frozenset(other[a] for a in group) for group in planted
    }


def test_pieces_of_one_campaign_are_reunited(tmp_path: Path) -> None:
    """Sub-pools with cards of their own, which alone would be groups, are one by their wording."""
    book = LogBook(10)
    book.people(60)
    workers = [
        w for i in range(4) for w in book.campaign(8, name=f"pool{i}-", payment_token=f"card{i}")
    ]
    evidence = book.evidence(tmp_path)

    assert names_of(evidence, grouped(evidence)) == {frozenset(workers)}


def test_who_quotes_now_and_then_is_no_member(tmp_path: Path) -> None:
    """Two of forty prompts with the wrapper make a reader, not a worker; nor are readers a group."""
    book = LogBook(12)
    book.people(40)
    readers = book.people(6, prompts=40, name="reader")
    workers = book.campaign(10)
    for reader in readers:
        for _ in range(2):
            item = " ".join(book.rng.sample(VOCABULARY, 14))
            book.exchange(reader, JUDGE.format(item), book.moment(2))
    evidence = book.evidence(tmp_path)

    assert names_of(evidence, grouped(evidence)) == {frozenset(workers)}


def test_a_worker_with_a_cover_is_a_member_by_its_own_exchanges(tmp_path: Path) -> None:
    """Half of its traffic is its own; only what carries the wording is the group's."""
    book = LogBook(13)
    book.people(40)
    workers = book.campaign(10)
    for worker in workers[:3]:
        for _ in range(36):
            book.exchange(worker, " ".join(book.rng.sample(VOCABULARY, 12)), book.moment(3))
    evidence = book.evidence(tmp_path)
    (group,) = grouped(evidence)

    assert names_of(evidence, [group]) == {frozenset(workers)}
    assert len(group.rows) == 10 * 36


def test_what_busy_workers_chat_about_is_not_their_work(tmp_path: Path) -> None:
    """They ask twenty times as much as others, and so are most users of phrases anybody uses."""
    book = LogBook(16)
    strangers = book.people(40, prompts=2)
    workers = book.campaign(10)
    phrases = [" ".join(book.rng.sample(VOCABULARY, 9)) for _ in range(30)]
    for account, chats in [(w, 120) for w in workers] + [(s, 6) for s in strangers]:
        for _ in range(chats):
            words = [book.rng.choice(phrases), *book.rng.sample(VOCABULARY, 6)]
            book.exchange(account, " ".join(words), book.moment(3))
    evidence = book.evidence(tmp_path)
    (group,) = grouped(evidence)

    assert names_of(evidence, [group]) == {frozenset(workers)}
    assert len(group.rows) == 10 * 36


def test_the_part_of_a_group_keeps_its_own_exchanges_only(tmp_path: Path) -> None:
    """`only` cuts accounts and exchanges alike."""
    book = LogBook(14)
    book.people(20)
    book.campaign(8)
    evidence = book.evidence(tmp_path)
    (group,) = grouped(evidence)
    part = group.only(group.accounts[:3], evidence.traffic)

    assert part.accounts.tolist() == group.accounts[:3].tolist()
    assert set(evidence.traffic.accounts[part.rows].tolist()) == set(part.accounts.tolist())
    assert len(part.rows) == 3 * 36


def links_of(book: LogBook, folder: Path) -> tuple[list, Evidence, Group]:
    evidence = book.evidence(folder)
    fragments = mine_fragments(evidence.traffic)
    (group,) = group_accounts(evidence.traffic, fragments, evidence.facts)
    names = evidence.traffic.account_names
    worth = worth_of_agreeing(evidence.facts, evidence.attributes.strata)
    links = links_within(group, evidence.facts, worth, fragments, names)
    return [Link(**row) for row in links.to_pylist()], evidence, group


def test_a_link_is_worth_the_rarity_of_what_is_shared(tmp_path: Path) -> None:
    """log(N / k) for a value that k of N accounts have."""
    book = LogBook(15)
    book.people(90)
    book.campaign(10, payment_token=None)
    for row in book.accounts[-10:-7] + book.accounts[:1]:
        row["payment_token"] = "card"
    links, _, _ = links_of(book, tmp_path)

    cards = [link for link in links if link.kind == "payment"]
    assert len(cards) == 3
    assert [link.log_lr for link in cards] == pytest.approx([np.log(100 / 4)] * 3)


def test_each_family_is_credited_once_a_pair_with_its_rarest(tmp_path: Path) -> None:
    """One machine has one address: device and client do not count twice."""
    book = LogBook(16)
    book.people(90)
    workers = book.campaign(10, device_token="one-device")
    for row in book.exchanges:
        if row["account_id"] in workers[:5]:
            row["user_agent"] = "rare-client"
    links, _, _ = links_of(book, tmp_path)

    families = [(k.account_a, k.account_b, FAMILIES.get(k.kind, k.kind)) for k in links]
    assert len(families) == len(set(families))
    of_first = {k.kind for k in links if {k.account_a, k.account_b} == set(workers[:2])}
    assert "client" in of_first
    assert "device" not in of_first


@pytest.mark.parametrize(("workers", "pairs"), [(ALL_PAIRS, 66), (ALL_PAIRS + 1, 13)])
def test_many_holders_are_a_ring(tmp_path: Path, workers: int, pairs: int) -> None:
    """Up to a dozen all pairs are written; beyond, as many links as accounts."""
    book = LogBook(17)
    book.people(90)
    book.campaign(workers, days=[0, 1], payment_token="card")
    links, _, _ = links_of(book, tmp_path)

    assert len([k for k in links if k.kind == "payment"]) == pairs
    assert all(k.account_a < k.account_b for k in links)


def test_a_group_is_judged_on_rows_of_its_members(tmp_path: Path) -> None:
    """Rows are in order of time, each once, each of a member."""
    book, _ = planted_groups(2)
    evidence = book.evidence(tmp_path)
    for group in grouped(evidence):
        assert (np.diff(group.rows) > 0).all()
        own = rows_of(evidence.traffic, evidence.traffic.account_names[group.accounts].tolist())
        assert set(group.rows.tolist()) <= set(np.concatenate(own).tolist())
