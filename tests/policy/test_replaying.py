"""A policy on the past: whom it meets, when, and what of the campaign it would have refused."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from made_actions import KEY
from planted_campaign import A_DAY, CAMPAIGN, DAYS, FIRM, OPERATORS, RESELLER, ROBBED, planted

from stillwatch.dossier.replay_page import costs_of, render_replay
from stillwatch.identity import Tokeniser
from stillwatch.policy.decided import NOTHING_DECIDED, Decided
from stillwatch.policy.facts import known_of
from stillwatch.policy.replaying import Replay, effect_of, replayed
from stillwatch.policy.rules import Delay, Policy, Rule, shipped_policy, verdicts_of
from stillwatch.records import Role, Scope, Step

NOW = datetime(2026, 5, 20, tzinfo=UTC)
AT_ONCE = Delay(at_least=timedelta(0), at_most=timedelta(0), together=timedelta(0), waves=1)


class Played:
    """One planted log, and policies tried on it."""

    def __init__(self, folder) -> None:
        self.log = planted(folder, NOW)
        self.opened = self.log.log()
        self.verdicts = verdicts_of(self.log.findings)
        self.known = known_of(self.opened, self.log.findings, Tokeniser(KEY))
        columns = ["campaign_id", "exchange_id", "account_id"]
        self.attributed = self.log.findings.exchanges.select(columns)

    def with_policy(
        self, policy: Policy, decided: Decided = NOTHING_DECIDED, days: int = 30
    ) -> Replay:
        found = replayed(
            self.verdicts,
            policy,
            self.known,
            since=NOW - timedelta(days=days),
            until=NOW + timedelta(microseconds=1),
            decided=decided,
        )
        return replace(found, days=effect_of(found, self.opened, self.attributed))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("planted"))


def test_each_role_meets_what_the_shipped_policy_says(played: Played) -> None:
    """Operators whole, a reseller's and a robbed customer's credential alone."""
    found = played.with_policy(shipped_policy())
    assert {s.subject for s in found.steps if s.step is Step.BLOCK and s.scope is Scope.ACCOUNT} == set(OPERATORS)  # fmt: skip
    narrow = {(s.verdict.account_id, s.subject, s.step) for s in found.steps if s.scope is Scope.CREDENTIAL}  # fmt: skip
    assert narrow == {
        (RESELLER, "cred-resold-1", Step.THROTTLE),
        (ROBBED, "cred-stolen", Step.BLOCK),
    }
    counts = found.accounts_by_step()
    assert counts[Step.BLOCK] == len(OPERATORS) + 1
    assert counts[Step.THROTTLE] == 1


def test_a_stolen_credential_does_not_count_as_a_touched_organisation(played: Played) -> None:
    """Its owner keeps the account; an operator's whole account inside would count."""
    assert played.with_policy(shipped_policy()).organisations_touched() == []
    (step,) = [s for s in played.with_policy(shipped_policy()).steps if s.organisation == FIRM]
    assert step.is_stolen
    assert step.is_by_two
    assert step.is_declared
    touched = replace(step, is_stolen=False)
    assert Replay(since=NOW, until=NOW, steps=(touched,)).organisations_touched() == [FIRM]


def test_what_is_refused_is_counted_from_the_moment_the_step_begins(played: Played) -> None:
    """A block at the first flag, without a delay: all that came later, and nothing before."""
    policy = Policy(rules=(Rule(name="all", step=Step.BLOCK, roles=frozenset({Role.OPERATOR})),), delay=AT_ONCE)  # fmt: skip
    found = played.with_policy(policy)
    begins = min(s.begins_at for s in found.steps if s.is_beyond_tag)
    flagged = min(v.first_flagged_at for v in played.verdicts)
    assert timedelta(0) < begins - flagged <= timedelta(minutes=1)
    (cost,) = costs_of(found, played.verdicts)
    each_day = A_DAY * (len(OPERATORS) + 2)
    assert cost.exchanges == DAYS * each_day
    # The exchange at midnight itself came before the step, the one at the end is in the log.
    refused = A_DAY * len(OPERATORS) * (DAYS - 1)
    assert cost.refused == refused
    assert cost.refused_share == pytest.approx(refused / cost.exchanges)
    assert cost.others_refused == 0


def test_a_throttle_lets_its_budget_through(played: Played) -> None:
    """Twelve requests in one minute of a group that has three: nine are refused."""
    rule = Rule(name="all", step=Step.THROTTLE, roles=frozenset({Role.OPERATOR}), requests_per_minute=3)  # fmt: skip
    (cost,) = costs_of(played.with_policy(Policy(rules=(rule,), delay=AT_ONCE)), played.verdicts)
    assert cost.refused == pytest.approx(0.75 * A_DAY * len(OPERATORS) * (DAYS - 1))


def test_others_of_the_account_are_counted_where_they_would_be_refused(played: Played) -> None:
    """A block of a reseller's whole account is not possible; of its credential it refuses no other."""
    rule = Rule(name="all", step=Step.BLOCK, roles=frozenset({Role.MIXED}))
    found = played.with_policy(Policy(rules=(rule,), delay=AT_ONCE))
    (cost,) = costs_of(found, played.verdicts)
    assert cost.refused == A_DAY * (DAYS - 1)
    assert cost.others_refused == 0


def test_steps_that_end_begin_anew(played: Played) -> None:
    """A day's throttle is decided five times, and does not overlap."""
    rule = Rule(name="all", step=Step.THROTTLE, roles=frozenset({Role.OPERATOR}), lasts=timedelta(days=1))  # fmt: skip
    found = played.with_policy(Policy(rules=(rule,), delay=AT_ONCE))
    spans = sorted((s.begins_at, s.ends_at) for s in found.steps if s.subject == OPERATORS[0])
    assert len(spans) > 2
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_what_people_settled_is_left_to_them(played: Played) -> None:
    """A rolled back campaign meets nothing, and is told apart."""
    found = played.with_policy(shipped_policy(), Decided(rolled_back=frozenset({CAMPAIGN})))
    assert found.steps == ()
    assert len(found.settled) >= len(OPERATORS)


def test_the_page_shows_figures_and_names_no_account(played: Played) -> None:
    """It can be shown to people who may not see who is meant."""
    found = played.with_policy(shipped_policy())
    page = render_replay(found, costs_of(found, played.verdicts), policy="p.toml", mode="shadow")
    assert CAMPAIGN in page
    assert "<svg" in page
    assert "<script" not in page
    for account in (*OPERATORS, RESELLER, ROBBED):
        assert account not in page
