"""Linking through an index of shared values, against all pairs of accounts compared by hand."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from planted_logs import LogBook
from stillwatch.campaigns.reading import Evidence, read_evidence
from stillwatch.lake.log import open_log
from stillwatch.linking.agreement import CAP, agreeing_pairs, worth_of_agreeing
from stillwatch.signals.shared_facts import FAMILIES
from stillwatch.simulation import WORLDS, order_world, simulate

Agreements = dict[tuple[int, int, str], float]


def small_log(folder: Path, seed: int) -> Evidence:
    """Sixty accounts of three countries and two plans, who share all that can be shared."""
    book = LogBook(seed)
    some = book.rng.randrange
    for number in range(60):
        book.account(
            f"a{number:02}",
            country=book.rng.choice(["DE", "NG", None]),
            plan=book.rng.choice(["free", "team"]),
            payment_token=f"card{some(25)}",
            device_token=f"device{some(40)}",
            phone_token=f"phone{some(40)}",
            signup_net_token=f"net{some(6)}",
        )
        for _ in range(4):
            book.exchange(
                f"a{number:02}",
                "hello",
                book.moment(some(3)),
                client_net_token=f"net{some(30)}",
                user_agent=f"agent{some(9)}",
                credential_id=f"key{some(99)}",
            )
    return book.evidence(folder)


def small_world(folder: Path, seed: int) -> Evidence:
    order = order_world(WORLDS["tiny"], seed=seed, accounts=300)
    simulate(order, folder / "world", processes=1)
    return read_evidence(
        open_log(
            exchanges=folder / "world" / "exchanges", accounts=folder / "world" / "accounts.parquet"
        )
    )


def by_hand(evidence: Evidence) -> Agreements:
    """Every two accounts, every value they both have, counted among accounts like each of them."""
    known, facts = evidence.attributes, evidence.facts
    like = list(zip(known.country.tolist(), known.plan.tolist(), strict=True))
    alike = Counter(like)
    holders: dict[tuple[str, int], set[int]] = defaultdict(set)
    values: dict[int, set[tuple[str, int]]] = defaultdict(set)
    for kind, account, value in zip(
        facts.kind.tolist(), facts.accounts.tolist(), facts.value.tolist(), strict=True
    ):
        holders[facts.kinds[kind], value].add(account)
        values[account].add((facts.kinds[kind], value))

    def surprise(value: tuple[str, int], account: int) -> float:
        of_kin = sum(like[h] == like[account] for h in holders[value]) / alike[like[account]]
        of_all = len(holders[value]) / len(like)
        return min(-math.log(max(of_kin, of_all)), CAP)

    found: Agreements = {}
    for one, other in combinations(range(len(like)), 2):
        for value in values[one] & values[other]:
            worth = min(surprise(value, one), surprise(value, other))
            key = (one, other, FAMILIES[value[0]])
            if worth > 0 and worth > found.get(key, 0.0):
                found[key] = worth
    return found


def indexed(evidence: Evidence) -> Agreements:
    worth = worth_of_agreeing(evidence.facts, evidence.attributes.strata)
    pairs = agreeing_pairs(evidence.facts, worth)
    keys = zip(
        pairs.first.tolist(),
        pairs.second.tolist(),
        (pairs.families[f] for f in pairs.family),
        strict=True,
    )
    found = dict(zip(keys, pairs.log_lr.tolist(), strict=True))
    assert len(found) == len(pairs.first)  # each pair and family once
    return found


@pytest.mark.parametrize("seed", range(4))
def test_the_index_finds_what_all_pairs_find(tmp_path: Path, seed: int) -> None:
    evidence = small_log(tmp_path, seed)
    expected = by_hand(evidence)

    assert indexed(evidence) == pytest.approx(expected)
    assert len(expected) > 100


def test_the_index_finds_what_all_pairs_find_in_a_world(tmp_path: Path) -> None:
    evidence = small_world(tmp_path, 3)
    expected = by_hand(evidence)

    assert indexed(evidence) == pytest.approx(expected)
    assert {family for _, _, family in expected} >= {"payment", "device", "network"}


def test_a_ring_is_part_of_all_pairs(tmp_path: Path) -> None:
    """What is left out for readers' sake invents nothing, and leaves nobody out."""
    evidence = small_log(tmp_path, 9)
    worth = worth_of_agreeing(evidence.facts, evidence.attributes.strata)
    whole, ring = (agreeing_pairs(evidence.facts, worth, all_pairs=n) for n in (None, 2))
    pairs = [set(zip(p.first.tolist(), p.second.tolist(), strict=True)) for p in (whole, ring)]

    assert pairs[1] < pairs[0]
    assert {a for pair in pairs[0] for a in pair} == {a for pair in pairs[1] for a in pair}


def test_a_small_country_is_not_rare_for_being_small(tmp_path: Path) -> None:
    """Nine in ten of a small country share a network; so do a few scattered over a large one."""
    book = LogBook(5)
    for number in range(400):
        at_home, scattered = number < 40, number >= 360
        shared = "home" if number < 36 else "rack" if scattered else f"n{number}"
        book.account(
            f"a{number:03}", country="EE" if at_home else "US", signup_net_token=shared, plan="free"
        )
        book.exchange(f"a{number:03}", "hello", book.moment(1))
    facts = (evidence := book.evidence(tmp_path)).facts
    worth = worth_of_agreeing(facts, evidence.attributes.strata)
    home, rack = worth[facts.accounts < 40], worth[facts.accounts >= 360]

    assert home == pytest.approx([math.log(40 / 36)] * 36)
    assert rack == pytest.approx([math.log(360 / 40)] * 40)
    assert np.unique(worth_of_agreeing(facts, np.zeros(400, np.int64))).tolist() == pytest.approx(
        [math.log(10), math.log(400 / 36)]
    )
