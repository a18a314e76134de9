"""A small world played against a gateway that obeys at once, and a defence that knows the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from small_worlds import tiny_world
from stillwatch.evaluation.defence.playing import (
    Look,
    Played,
    Schedule,
    Touched,
    play,
)
from stillwatch.evaluation.defence.reacting import Answer, Temper
from stillwatch.evaluation.defence.stage import Stage, known_at, read_stage
from stillwatch.simulation.frame import DAY, HOUR, moment


@dataclass
class _Gateway:
    blocked: set[str] = field(default_factory=set)
    now: datetime | None = None

    def at(self, now: datetime) -> None:
        assert self.now is None or now >= self.now
        self.now = now

    def ask(self, row: Mapping[str, Any]) -> Answer:
        return Answer.REFUSED if row["account_id"] in self.blocked else Answer.ANSWERED

    def ask_all(self, rows: pa.Table) -> Sequence[Answer]:
        return [self.ask({"account_id": name}) for name in rows["account_id"].to_pylist()]


@dataclass
class _Oracle:
    """Finds every account of the campaign that has sent something, from some day on."""

    stage: Stage
    gateway: _Gateway
    finds_from: int
    logged: list[pa.Table] = field(default_factory=list)
    known: list[tuple[datetime, pa.Table]] = field(default_factory=list)
    accounts: pa.Table | None = None
    proposed: frozenset[str] = frozenset()

    def record(self, exchanges: pa.Table, accounts: pa.Table, credentials: pa.Table) -> None:
        self.logged.append(exchanges)
        self.accounts = accounts

    def look(self, now: datetime) -> Look:
        assert self.accounts is not None
        self.known.append((now, self.accounts))
        if now >= moment(self.stage.begins + self.finds_from):
            sent = {name for rows in self.logged for name in rows["account_id"].to_pylist()}
            honest = self.stage.truth.honest.keys()
            self.proposed = frozenset(name for name in sent if name not in honest)
        return Look((self.proposed,) if self.proposed else (), 60.0)

    def enforce(self, now: datetime) -> tuple[frozenset[Touched], float]:
        self.gateway.blocked = set(self.proposed)
        begins = round(now.timestamp() * 1e6)
        return frozenset(Touched(n, "block", "account", begins) for n in self.proposed), 2.0


@dataclass
class _Run:
    stage: Stage
    played: Played
    oracle: _Oracle


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return read_stage(tiny_world(tmp_path_factory.mktemp("stage") / "world", seed=11))


def _run(stage: Stage, *, finds_from: int, temper: Temper | None = None) -> _Run:
    gateway = _Gateway()
    oracle = _Oracle(stage, gateway, finds_from)
    played = play(
        stage,
        gateway,
        oracle,
        schedule=Schedule(hours=24, hours_when_known=6),
        temper=temper or Temper(),
        seed=5,
    )
    return _Run(stage, played, oracle)


@pytest.fixture(scope="module")
def undefended(stage: Stage) -> _Run:
    return _run(stage, finds_from=1000 * DAY)


@pytest.fixture(scope="module")
def defended(stage: Stage) -> _Run:
    return _run(stage, finds_from=DAY)


def test_without_a_finding_the_log_is_the_worlds_own(stage: Stage, undefended: _Run) -> None:
    """Row for row: nothing is lost or made up on the way."""
    logged = pa.concat_tables(undefended.oracle.logged).sort_by("exchange_id")
    (campaign,) = stage.campaigns
    rows = stage.others.to_pylist() + [
        {name: row[name] for name in stage.others.column_names} for row in campaign.rows
    ]

    assert logged.to_pylist() == sorted(rows, key=lambda row: row["exchange_id"])


def test_what_is_sent_between_the_look_and_the_force_goes_through(
    stage: Stage, defended: _Run
) -> None:
    """A block begins after the scan, the approver's ten minutes and not a second before."""
    (label,) = (c.label for c in stage.campaigns)
    played = defended.played
    flagged, forced = played.flagged_at[label], played.forced_at[label]

    assert flagged == stage.begins + DAY
    assert forced - flagged == 60 * 1_000_000 + 10 * HOUR // 60
    assert all(s.answer is Answer.ANSWERED for s in played.sent[label] if s.at < forced)
    assert any(s.answer is Answer.REFUSED for s in played.sent[label] if s.at >= forced)
    assert played.waits[0] == 62.0


def test_a_block_costs_the_campaign_and_nobody_else(
    stage: Stage, undefended: _Run, defended: _Run
) -> None:
    """Fewer usable answers; no honest account touched, no honest request refused."""
    (label,) = (c.label for c in stage.campaigns)

    def usable(run: _Run) -> int:
        return sum(s.is_usable and s.answer is Answer.ANSWERED for s in run.played.sent[label])

    assert usable(defended) < usable(undefended)
    assert defended.played.touched.keys() & stage.truth.honest.keys() == set()
    assert defended.played.refused == {}
    assert defended.played.opened[label] > 0


def test_replacements_are_in_the_log_with_their_accounts(stage: Stage, defended: _Run) -> None:
    """They are seen like any other customer, and not before they were opened."""
    sent = {s for rows in defended.oracle.logged for s in rows["account_id"].to_pylist()}
    new = sent - {row["account_id"] for row in stage.accounts.to_pylist()}

    assert new
    last = defended.oracle.known[-1][1]
    assert new <= set(last["account_id"].to_pylist())


def test_no_look_sees_what_comes_later(defended: _Run) -> None:
    """Neither accounts nor closures of the future."""
    for now, accounts in defended.oracle.known:
        for row in accounts.to_pylist():
            assert row["created_at"] < now
            assert row["closed_at"] is None or row["closed_at"] < now
            assert row["restored_at"] is None or row["restored_at"] < now


def test_the_last_day_knows_the_accounts_as_they_ended(stage: Stage) -> None:
    """What became of each is told in the end."""
    late = moment(stage.ends + 100 * DAY)

    assert known_at(stage.accounts, late).to_pylist() == stage.accounts.to_pylist()
