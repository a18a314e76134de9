"""Shared wording, against a dictionary of who used which shingle."""

from __future__ import annotations

import itertools
import random
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from planted_logs import JUDGE, TUTOR, VOCABULARY, LogBook
from stillwatch.signals.templates import Fragments, TemplateParameters, mine_fragments
from stillwatch.signals.traffic import Traffic

Mined = dict[int, tuple[int, Counter[int]]]


def small_corpus(seed: int, folder: Path) -> Traffic:
    """Few words, many wrappers and quotations: agreements of every size."""
    book = LogBook(seed)
    rng = random.Random(seed)
    words = VOCABULARY[:12]
    wrappers = [" ".join(rng.choices(words, k=rng.randrange(6, 30))) for _ in range(8)]
    for _ in range(160):
        parts = [" ".join(rng.choices(words, k=rng.randrange(12)))]
        parts += rng.sample(wrappers, k=rng.randrange(3))
        rng.shuffle(parts)
        system = rng.choice([None, wrappers[0], wrappers[1]])
        book.exchange(f"a{rng.randrange(14)}", " ".join(parts), book.moment(0), system_text=system)
    for number in range(14):
        book.account(f"a{number}")
    return book.traffic(folder)


def by_brute_force(traffic: Traffic, parameters: TemplateParameters) -> Mined:
    """For each fragment, by its least shingle: its size, and its uses as counts of rows."""
    starts = traffic.shingles.starts
    of_row = [[int(v) for v in traffic.shingles.values[a:b]] for a, b in itertools.pairwise(starts)]
    users = defaultdict(set)
    for row, shingles in enumerate(of_row):
        for shingle in shingles:
            users[shingle].add(int(traffic.accounts[row]))
    shared = {s for s, who in users.items() if len(who) >= parameters.minimum_accounts}
    kept = [[s for s in shingles if s in shared] for shingles in of_row]
    occurrences = Counter(s for shingles in kept for s in shingles)
    together = Counter(
        tuple(sorted(pair)) for shingles in kept for pair in itertools.pairwise(shingles)
    )
    fragment_of = {s: s for s in shared}
    for (a, b), times in together.items():
        if times >= parameters.together * max(occurrences[a], occurrences[b]):
            one, other = fragment_of[a], fragment_of[b]
            for shingle, name in fragment_of.items():
                if name == other:
                    fragment_of[shingle] = one
    sizes = Counter(fragment_of.values())
    least = {name: min(s for s, f in fragment_of.items() if f == name) for name in sizes}
    uses = defaultdict(Counter)
    for row, shingles in enumerate(kept):
        for name, held in Counter(fragment_of[s] for s in shingles).items():
            if held >= parameters.present * min(sizes[name], len(of_row[row])):
                uses[name][row] += 1
    return {least[name]: (size, uses[name]) for name, size in sizes.items()}


def as_mined(fragments: Fragments) -> Mined:
    uses = defaultdict(Counter)
    for row, fragment in zip(fragments.use_rows, fragments.use_fragments, strict=True):
        uses[int(fragment)][int(row)] += 1
    return {
        int(fragments.keys[f]): (int(fragments.shingles[f]), uses[f])
        for f in range(fragments.count)
    }


@pytest.mark.parametrize("seed", range(6))
def test_fragments_are_those_of_brute_force(tmp_path: Path, seed: int) -> None:
    """Size and uses of each fragment agree with a dictionary of shingles."""
    traffic = small_corpus(seed, tmp_path)
    fragments = mine_fragments(traffic)

    assert fragments.count > 3
    assert as_mined(fragments) == by_brute_force(traffic, TemplateParameters())


@pytest.mark.parametrize("seed", range(3))
def test_the_counts_beside_the_uses_are_those_of_the_uses(tmp_path: Path, seed: int) -> None:
    """Exchanges by account and fragment, and accounts by fragment, are sums over the uses."""
    traffic = small_corpus(seed, tmp_path)
    fragments = mine_fragments(traffic)

    pairs = Counter(
        zip(
            traffic.accounts[fragments.use_rows].tolist(),
            fragments.use_fragments.tolist(),
            strict=True,
        )
    )
    assert dict(pairs) == {
        (int(a), int(f)): int(n)
        for a, f, n in zip(
            fragments.pair_accounts,
            fragments.pair_fragments,
            fragments.pair_exchanges,
            strict=True,
        )
    }
    users = Counter(f for _, f in pairs)
    assert fragments.accounts.tolist() == [users[f] for f in range(fragments.count)]


def test_private_wording_is_found_and_private(tmp_path: Path) -> None:
    """Every exchange of the workers carries the wrapper, and nobody else's does."""
    book = LogBook(1)
    book.people(40)
    workers = book.campaign(8, days=[0, 1])
    traffic = book.traffic(tmp_path)
    fragments = mine_fragments(traffic)

    carrying = np.unique(fragments.use_rows)
    wrapped = np.flatnonzero(np.isin(traffic.account_names[traffic.accounts], workers))
    assert carrying.tolist() == wrapped.tolist()


def test_what_fills_the_slots_is_never_a_fragment(tmp_path: Path) -> None:
    """Strangers with subjects of their own share no wording, however much they write."""
    book = LogBook(2)
    book.people(60, prompts=20)

    assert mine_fragments(book.traffic(tmp_path)).count == 0


@pytest.mark.parametrize(("accounts", "shared"), [(2, False), (3, True)])
def test_wording_is_shared_by_three_accounts_or_more(
    tmp_path: Path, accounts: int, shared: bool
) -> None:
    """Two accounts can quote each other; three share a source."""
    book = LogBook(3)
    book.people(accounts, wrapper=JUDGE)

    assert (mine_fragments(book.traffic(tmp_path)).count > 0) is shared


def test_two_wrappers_are_different_fragments(tmp_path: Path) -> None:
    """No fragment is used by the users of both."""
    book = LogBook(4)
    book.people(6, wrapper=JUDGE, name="j")
    book.people(6, wrapper=TUTOR, name="t")
    traffic = book.traffic(tmp_path)
    fragments = mine_fragments(traffic)

    letters = defaultdict(set)
    for account, fragment in zip(fragments.pair_accounts, fragments.pair_fragments, strict=True):
        letters[int(fragment)].add(str(traffic.account_names[account])[0])
    assert sorted(map(sorted, letters.values())) == sorted(
        [["j"]] * sum(w == {"j"} for w in letters.values())
        + [["t"]] * sum(w == {"t"} for w in letters.values())
    )
    assert {"j"} in letters.values()
    assert {"t"} in letters.values()


def test_the_order_of_the_log_does_not_matter(tmp_path: Path) -> None:
    """The same exchanges in other files and rows give the same fragments."""
    book = LogBook(5)
    book.people(12, wrapper=TUTOR)
    book.campaign(6, days=[0, 1])
    one = mine_fragments(book.traffic(tmp_path / "one"))
    book.rng.shuffle(book.exchanges)
    other = mine_fragments(book.traffic(tmp_path / "other"))

    assert as_mined(one) == as_mined(other)


def test_a_log_of_nobody_has_no_fragments(tmp_path: Path) -> None:
    """No text is no error."""
    book = LogBook(6)
    book.account("a")
    book.exchange("a", None, book.moment(0))

    assert mine_fragments(book.traffic(tmp_path)).count == 0
