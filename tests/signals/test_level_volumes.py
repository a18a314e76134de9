"""Level volumes: a dispatcher deals out evenly, honest groups are uneven."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from planted_logs import DAY, START, LogBook, scene_of
from stillwatch.signals import level_volumes
from stillwatch.signals.level_volumes import NAME, measure, plan_and_age
from stillwatch.signals.tell import Scene
from told import told

DAYS = 8
SHOWN = np.log(20)


def crowd(
    book: LogBook,
    name: str,
    number: int,
    *,
    spread: float,
    plan: str = "individual",
    age: int = 400,
) -> list[str]:
    """Accounts whose volumes are lognormal about 40 exchanges in eight days."""
    names = [f"{name}{i:03}" for i in range(number)]
    for account in names:
        book.account(account, plan=plan, created_at=START - age * DAY)
        for at in range(max(round(40 * np.exp(book.rng.gauss(0, spread))), 17)):
            book.exchange(account, f"question {at} of {account}", book.moment(at % DAYS))
    return names


def test_a_pool_that_is_dealt_out_evenly_is_told(tmp_path: Path) -> None:
    """Fifteen accounts of nearly one volume, where like accounts spread widely."""
    book = LogBook(1)
    crowd(book, "p", 120, spread=1.0)
    pool = crowd(book, "w", 15, spread=0.1)
    tell = measure(scene_of(book.evidence(tmp_path), pool))

    assert SHOWN < tell.log_e[0] <= tell.largest[0]
    assert len(tell.members[0]) > 10
    assert len(tell.rows[0]) > 10


def test_the_scan_shows_it(tmp_path: Path) -> None:
    """It is asked of the groups that a scan raises."""
    book = LogBook(2)
    crowd(book, "p", 120, spread=1.0)
    pool = book.campaign(12, days=range(DAYS), daily=4, plan="individual")
    said = told(book, pool, NAME, tmp_path)

    assert said.log_e > SHOWN
    assert said.members <= set(pool)


def test_an_uneven_class_is_not_told(tmp_path: Path) -> None:
    """As uneven as everybody."""
    book = LogBook(3)
    crowd(book, "p", 120, spread=1.0)
    group = crowd(book, "c", 25, spread=1.0)

    assert measure(scene_of(book.evidence(tmp_path), group)).log_e[0] < SHOWN


def test_who_uses_up_the_same_plan_at_the_same_age_is_not_told(tmp_path: Path) -> None:
    """A trial that everybody uses up: level among its like, and remarkable among all."""
    book = LogBook(4)
    crowd(book, "p", 200, spread=1.2)
    crowd(book, "t", 120, spread=0.1, plan="trial", age=3)
    group = crowd(book, "g", 15, spread=0.1, plan="trial", age=3)
    scene = scene_of(book.evidence(tmp_path), group)
    among_all = replace(
        scene,
        attributes=replace(
            scene.attributes,
            plan=np.zeros_like(scene.attributes.plan),
            created=np.zeros_like(scene.attributes.created),
        ),
    )

    assert measure(scene).log_e[0] < SHOWN
    assert measure(among_all).log_e[0] > SHOWN


def test_users_of_one_timer_are_as_level_as_a_pool(tmp_path: Path) -> None:
    """Why it decides nothing: an app that asks so often a day makes strangers level."""
    book = LogBook(8)
    crowd(book, "p", 120, spread=1.0)
    users = crowd(book, "u", 15, spread=0.0)

    assert measure(scene_of(book.evidence(tmp_path), users)).log_e[0] > SHOWN


def test_age_alone_separates_too(tmp_path: Path) -> None:
    """One plan, begun this week or long ago."""
    book = LogBook(5)
    crowd(book, "p", 110, spread=1.0)
    crowd(book, "n", 110, spread=1.0, age=2)
    strata = plan_and_age(scene_of(book.evidence(tmp_path), ["p000", "n000"]))

    assert len(np.unique(strata)) == 2


def test_few_members_say_nothing(tmp_path: Path) -> None:
    """Four accounts have no spread to speak of."""
    book = LogBook(6)
    crowd(book, "p", 30, spread=1.0)
    pool = crowd(book, "w", 4, spread=0.0)

    assert measure(scene_of(book.evidence(tmp_path), pool)).log_e.tolist() == [0.0]


def test_the_p_value_holds_where_members_are_like_the_others(tmp_path: Path) -> None:
    """Whoever are the members, within plan and age: mean at most 1, and small p-values are rare."""
    book = LogBook(7)
    names = crowd(book, "a", 110, spread=0.3) + crowd(book, "b", 110, spread=1.0, age=2)
    scene = scene_of(book.evidence(tmp_path), names[:6])
    values = np.exp([measure(_drawn(scene, seed)).log_e[0] for seed in range(300)])
    most = level_volumes._log_e(0.05)

    assert 0.3 < values.mean() <= 1.0 + 4 * values.std() / np.sqrt(len(values))
    assert (values >= np.exp(most)).mean() <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / len(values))


def _drawn(scene: Scene, seed: int) -> Scene:
    """Ten members of each stratum at random, and the others as the reference."""
    generator = np.random.default_rng(seed)
    halves = [np.arange(110), np.arange(110, 220)]
    chosen = np.sort(np.concatenate([generator.choice(h, 8, replace=False) for h in halves]))
    reference = ~np.isin(np.arange(220), chosen)
    return replace(scene, groups=[replace(scene.groups[0], accounts=chosen)], reference=reference)
