"""Worth training on: figures that move the right way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted_logs import JUDGE, LogBook, rows_of
from stillwatch.signals.collection import (
    FIGURES,
    describe_owner,
    describe_owners,
    harvest_score,
    score_of_lesser_half,
)
from stillwatch.signals.owners import evenly, read_wording

SUPPORT_DESK = "Summarise this customer ticket for our invoice system and extract the order: {}"


@given(
    st.lists(st.floats(0, 1), min_size=len(FIGURES), max_size=len(FIGURES)),
    st.sampled_from(["unused_answers", "purpose", "harvest"]),
    st.floats(0, 1),
)
def test_more_harvest_never_scores_less(figures: list[float], name: str, more: float) -> None:
    """Raising what a harvest has more of cannot lower the score."""
    before = np.array(figures)
    after = before.copy()
    after[list(FIGURES).index(name)] += more

    assert harvest_score(after) >= harvest_score(before)


def test_purity_outweighs_volume() -> None:
    """A giant that asks now and then for training material stays below a small pure owner."""
    giant, small = np.zeros(len(FIGURES)), np.zeros(len(FIGURES))
    for figures, purpose, items in ((giant, 0.05, 100_000), (small, 1.0, 300)):
        figures[list(FIGURES).index("unused_answers")] = 1.0
        figures[list(FIGURES).index("purpose")] = purpose
        figures[list(FIGURES).index("harvest")] = np.log1p(items)

    assert harvest_score(small) > harvest_score(giant)


def test_answers_that_people_come_back_to_outweigh_volume() -> None:
    """As many unused answers are less of a harvest beside as many that were read and answered."""
    product, collector = np.zeros(len(FIGURES)), np.zeros(len(FIGURES))
    for figures, unused, items in ((product, 0.5, 2000), (collector, 1.0, 1000)):
        figures[list(FIGURES).index("unused_answers")] = unused
        figures[list(FIGURES).index("purpose")] = 0.9
        figures[list(FIGURES).index("harvest")] = np.log1p(items)

    assert harvest_score(collector) > harvest_score(product) + 0.6


@given(st.floats(0, 15), st.floats(0, 1))
def test_volume_alone_is_no_harvest(harvest: float, unused: float) -> None:
    """Where nothing asks for what trains a model, a million items weigh as much as none."""
    figures = np.zeros(len(FIGURES))
    nothing = harvest_score(figures)
    figures[list(FIGURES).index("harvest")] = harvest
    figures[list(FIGURES).index("unused_answers")] = unused

    assert harvest_score(figures) == nothing


def test_a_figure_that_is_unknown_counts_as_one_half() -> None:
    """A log without conversations or text still orders its owners."""
    unknown, half = np.full(len(FIGURES), np.nan), np.full(len(FIGURES), 0.5)
    unknown[-1] = half[-1] = 4.0

    assert harvest_score(unknown) == harvest_score(half)


def figures_of(book: LogBook, accounts: list[str], folder: Path) -> dict[str, float]:
    traffic = book.traffic(folder)
    rows = np.sort(np.concatenate(rows_of(traffic, accounts)))
    return dict(zip(FIGURES, describe_owner(traffic, read_wording(traffic), rows), strict=True))


def test_a_harvest_is_described_as_one(tmp_path: Path) -> None:
    """Never followed up, and asking for what trains a model."""
    book = LogBook(1)
    figures = figures_of(book, book.campaign(8, daily=4), tmp_path)

    assert figures["unused_answers"] == 1.0
    assert figures["purpose"] > 0.5
    assert figures["harvest"] == pytest.approx(np.log1p(8 * 4 * 6), abs=0.01)


def test_own_documents_count_against_collection(tmp_path: Path) -> None:
    """A desk that works on its customers' tickets asks for nothing that trains a model."""
    book = LogBook(2)
    judge = book.campaign(6, wrapper=JUDGE, name="judge")
    desk = book.campaign(6, wrapper=SUPPORT_DESK, name="desk")
    judged, served = (figures_of(book, names, tmp_path)["purpose"] for names in (judge, desk))

    assert judged > 0.5
    assert served < 0.2


def test_followed_up_answers_are_used_answers(tmp_path: Path) -> None:
    """Whoever comes back in the same conversation uses what was answered."""
    book = LogBook(3)
    people = book.people(6, prompts=20)
    for number, row in enumerate(book.exchanges):
        row |= {"conversation_id": f"talk-{number // 2}", "turn_index": number % 2}

    assert figures_of(book, people, tmp_path)["unused_answers"] == 0.0


def test_a_turn_that_another_account_takes_is_no_use_of_the_answer(tmp_path: Path) -> None:
    """A session passed from account to account: who was answered did not come back."""
    book = LogBook(3)
    people = book.people(6, prompts=20)
    for number, row in enumerate(book.exchanges):
        row |= {"conversation_id": f"talk-{number % 20}", "turn_index": number // 20}

    passed_on = figures_of(book, people, tmp_path)["unused_answers"]

    # Of the six turns of each session only the first is no later turn of a talk begun elsewhere.
    assert passed_on == pytest.approx(1 / 6)


def test_conversations_that_everybody_numbers_alike_are_not_one(tmp_path: Path) -> None:
    """A client that calls everybody's first talk 1 and the next one 2."""
    book = LogBook(3)
    people = book.people(6, prompts=20)
    for number, row in enumerate(book.exchanges):
        row |= {"conversation_id": str(number % 20), "turn_index": 0}

    assert figures_of(book, people, tmp_path)["unused_answers"] == 1.0


def test_refused_exchanges_harvest_nothing(tmp_path: Path) -> None:
    """What was not answered cannot be trained on."""
    book = LogBook(4)
    workers = book.campaign(6)
    for row in book.exchanges:
        row["status"] = "refused"

    assert figures_of(book, workers, tmp_path)["harvest"] == 0.0


def test_asking_the_same_again_harvests_once(tmp_path: Path) -> None:
    """Repeats of an item are no new items."""
    book = LogBook(5)
    book.account("a")
    for number in range(40):
        book.exchange("a", f"item {number % 4} of the list", book.moment(0))

    assert figures_of(book, ["a"], tmp_path)["harvest"] == pytest.approx(np.log1p(4))


def test_an_owner_without_text_is_described_by_what_is_there(tmp_path: Path) -> None:
    """A figure that needs text is unknown, not zero."""
    book = LogBook(6)
    for _ in range(20):
        book.exchange("a", None, book.moment(0))
    figures = figures_of(book, ["a"], tmp_path)

    assert np.isnan(figures["purpose"])
    assert figures["unused_answers"] == 1.0


def scores_of(book: LogBook, accounts: list[str], folder: Path) -> tuple[float, float]:
    """The score of the accounts' work together, and by their lesser half."""
    traffic = book.traffic(folder)
    wording, rows = read_wording(traffic), np.sort(np.concatenate(rows_of(traffic, accounts)))
    together = harvest_score(describe_owner(traffic, wording, rows))
    return float(together), score_of_lesser_half(traffic, wording, rows)


def test_where_all_collect_alike_the_lesser_half_is_like_the_whole(tmp_path: Path) -> None:
    """An odd number of accounts too: half of them, rounded up, scaled to all."""
    book = LogBook(8)
    together, lesser = scores_of(book, book.campaign(9, daily=4), tmp_path)

    assert lesser == pytest.approx(together, abs=0.2)


def test_what_a_few_collect_does_not_carry_the_others(tmp_path: Path) -> None:
    """Five accounts ask for what trains a model, eight work on tickets: by half, it is no harvest."""
    book = LogBook(9)
    few = book.campaign(5, daily=20)
    many = book.campaign(8, daily=4, wrapper=SUPPORT_DESK, name="desk")
    traffic = book.traffic(tmp_path)
    nothing = describe_owner(traffic, read_wording(traffic), rows_of(traffic, many[:1])[0])
    together, lesser = scores_of(book, few + many, tmp_path)

    assert together > harvest_score(nothing) + 5.0
    assert lesser == pytest.approx(harvest_score(nothing), abs=0.5)


def test_chance_in_few_exchanges_makes_nobody_unequal(tmp_path: Path) -> None:
    """Every other conversation is followed up, whoever has it: half of the members do no less."""
    book = LogBook(11)
    accounts = book.campaign(24, days=range(2))
    for row in book.exchanges:
        row["turn_index"] = book.rng.randrange(2)
    together, lesser = scores_of(book, accounts, tmp_path)

    assert lesser == pytest.approx(together, abs=0.15)


def test_one_giant_counts_no_more_than_twice_the_others(tmp_path: Path) -> None:
    """Whatever one account collects beyond its half, the score is that of the other half, twice."""
    scores = []
    for number, daily in enumerate((4, 40)):
        book = LogBook(10)
        accounts = book.campaign(5, daily=4) + book.campaign(1, daily=daily, name="giant")
        scores.append(scores_of(book, accounts, tmp_path / str(number)))

    assert scores[1][0] > scores[0][0] + 0.5
    assert scores[1][1] == pytest.approx(scores[0][1], abs=0.1)


@given(
    st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=1, max_size=4),
    st.integers(0, 99),
)
@settings(max_examples=20, deadline=None)
def test_the_lesser_half_never_scores_more(
    tmp_path_factory: pytest.TempPathFactory, plans: list[tuple[int, bool]], seed: int
) -> None:
    """Theorem 2b needs a score that is only lowered, however members differ."""
    book = LogBook(seed)
    accounts = []
    for number, (daily, collects) in enumerate(plans):
        wrapper = JUDGE if collects else SUPPORT_DESK
        accounts += book.campaign(1, daily=daily, wrapper=wrapper, name=f"m{number}-")
    together, lesser = scores_of(book, accounts, tmp_path_factory.mktemp("log"))

    assert lesser <= together


@given(st.integers(0, 500), st.integers(1, 60))
def test_a_sample_is_spread_evenly_and_always_the_same(rows: int, limit: int) -> None:
    """At most the limit, in order, both ends included."""
    everything = np.arange(rows)
    sample = evenly(everything, limit)

    assert len(sample) == min(rows, limit)
    assert (np.diff(sample) > 0).all()
    if rows and limit > 1:
        assert (sample[0], sample[-1]) == (0, rows - 1)


def test_fixed_wording_is_told_from_what_fills_the_slots(tmp_path: Path) -> None:
    """The wrapper's shingles recur in the account's prompts; the items' do not."""
    book = LogBook(7)
    book.campaign(1, wrapper=JUDGE, name="templated")
    book.people(1, prompts=30, name="free")
    traffic = book.traffic(tmp_path)
    wording = read_wording(traffic)
    templated, free = rows_of(traffic, ["templated000", "free000"])

    # One shingle in four is looked at, so that the share is that of a sample: 23 of 37 in truth.
    assert 0.45 < wording.fixed_share[templated].mean() < 0.85
    assert wording.fixed_share[free].max() == 0.0


def test_many_owners_at_once_are_described_as_one_by_one(tmp_path: Path) -> None:
    """Whoever else is described beside it changes nothing about an owner."""
    book = LogBook(4)
    names = book.people(8, prompts=7) + book.campaign(4) + book.people(2, prompts=2, name="q")
    traffic = book.traffic(tmp_path)
    wording = read_wording(traffic)
    pool = rows_of(traffic, names)
    starts = np.cumsum([0, *(len(rows) for rows in pool)])

    together = describe_owners(traffic, wording, np.concatenate(pool), starts)

    alone = [describe_owner(traffic, wording, rows) for rows in pool]
    assert np.array_equal(together, np.stack(alone), equal_nan=True)
    assert np.isfinite(together).all()
