"""Each guard rail by itself, against a policy that would block everybody."""

from __future__ import annotations

from datetime import timedelta

import pytest
from policy_builders import (
    BLOCK_ALL,
    CAMPAIGN,
    FIRST,
    NOW,
    account,
    campaign,
    decided,
    known,
    owned,
    use,
    verdict,
)

from stillwatch.policy.rules import Delay, Guard, Known, Limits, Owner, Policy, Rule
from stillwatch.records import AccountId, Role, Scope, Step


def only(planned: list) -> object:
    (step,) = planned
    return step


def test_a_linked_operator_is_blocked() -> None:
    """The rails let through what is sure: else every test below would pass for nothing."""
    step = only(decided(verdict()))

    assert (step.step, step.scope, step.subject) == (Step.BLOCK, Scope.ACCOUNT, "a1")
    assert not step.is_by_two
    assert step.guards == ()


@pytest.mark.parametrize(
    "wishes",
    [
        {"fdr_q": 0.02},
        {"fdr_q": float("nan")},
        {"fdr_q": 0.008, "error_rate": 0.005},
        {"accounts": 4},
    ],
)
def test_nothing_beyond_tag_without_a_linked_campaign_at_the_set_rate(wishes: dict) -> None:
    """The policy's rate holds, the scan's, and the ceiling; and a campaign is several accounts."""
    of = known(account(), campaigns={CAMPAIGN: campaign(**wishes)}, uses={"a1": (use(),)})

    step = only(decided(verdict(), of=of))

    assert step.step is Step.TAG
    assert Guard.NO_LINKED_CAMPAIGN in step.guards


def test_a_policy_cannot_raise_the_error_rate_beyond_the_ceiling() -> None:
    """A scan and a policy at 20 % lead to a mark."""
    policy = Policy(rules=BLOCK_ALL.rules, error_rate=0.2)
    of = known(account(), campaigns={CAMPAIGN: campaign(fdr_q=0.1, error_rate=0.2)})

    assert only(decided(verdict(fdr_q=0.1), policy=policy, of=of)).step is Step.TAG


@pytest.mark.parametrize("wishes", [{"last_seen": NOW - timedelta(days=8)}, {"is_stale": True}])
def test_what_has_ended_or_is_stale_is_only_marked(wishes: dict) -> None:
    """A step would meet whoever has the account now."""
    of = known(account(), campaigns={CAMPAIGN: campaign(**wishes)})

    assert only(decided(verdict(), of=of)).step is Step.TAG


@pytest.mark.parametrize("role", [Role.MIXED, Role.COMPROMISED])
def test_an_account_that_is_partly_honest_is_never_acted_on_whole(role: Role) -> None:
    """Without a part that serves the campaign there is nothing but a mark."""
    step = only(decided(verdict(role=role)))

    assert (step.step, step.scope) == (Step.TAG, Scope.ACCOUNT)
    assert Guard.NOTHING_APART in step.guards


def test_an_account_that_is_mixed_in_one_campaign_is_not_blocked_whole_for_another() -> None:
    """It has honest customers, whichever campaign it is looked at for."""
    other = "C-2"
    of = known(account(), campaigns={CAMPAIGN: campaign(), other: campaign(campaign_id=other)})

    steps = decided(verdict(), verdict(campaign_id=other, role=Role.MIXED), of=of)

    assert {step.step for step in steps} == {Step.TAG}


def test_a_mixed_account_is_acted_on_by_the_credential_that_serves_the_campaign_alone() -> None:
    """Its other credential goes on, and the account bears a mark."""
    uses = {"a1": (use("cred_1", serving=49), use("cred_2", serving=25))}

    steps = decided(verdict(role=Role.MIXED), of=known(account(), uses=uses))

    assert {(s.scope, s.subject, s.step) for s in steps} == {
        (Scope.ACCOUNT, "a1", Step.TAG),
        (Scope.CREDENTIAL, "cred_1", Step.BLOCK),
    }


def test_the_only_credential_of_a_mixed_account_is_left_alone() -> None:
    """To block it would be to block the account."""
    uses = {"a1": (use(is_only_one=True),)}

    step = only(decided(verdict(role=Role.MIXED), of=known(account(), uses=uses)))

    assert step.step is Step.TAG


def test_else_the_conversations_that_still_go_on() -> None:
    """Those that rested are left, and those that are only partly the campaign's."""
    uses = {
        "a1": (
            use("cred_1", serving=20),
            use("talk_1", scope=Scope.CONVERSATION, exchanges=9, serving=9),
            use("talk_2", scope=Scope.CONVERSATION, exchanges=9, serving=4),
            use("talk_3", scope=Scope.CONVERSATION, last_at=NOW - timedelta(days=3)),
            use("shape_1", scope=Scope.SHAPE),
        )
    }

    steps = decided(verdict(role=Role.MIXED), of=known(account(), uses=uses))

    assert {s.subject for s in steps if s.is_beyond_tag} == {"talk_1"}


def test_else_the_shape_that_hardly_anybody_else_has() -> None:
    """A shape that strangers use as well is left alone."""
    uses = {
        "a1": (
            use("cred_1", serving=20),
            use("shape_1", scope=Scope.SHAPE),
            use("shape_2", scope=Scope.SHAPE, exchanges=100),
        )
    }

    steps = decided(verdict(role=Role.MIXED), of=known(account(), uses=uses))

    assert {s.subject for s in steps if s.is_beyond_tag} == {"shape_1"}


def test_a_stolen_credential_is_acted_on_alone() -> None:
    """Its owner's account is not even marked."""
    uses = {"a1": (use("cred_1"), use("cred_2", serving=0))}

    step = only(decided(verdict(role=Role.COMPROMISED), of=known(account(), uses=uses)))

    assert (step.scope, step.subject, step.step) == (Scope.CREDENTIAL, "cred_1", Step.BLOCK)
    assert step.is_stolen


@pytest.mark.parametrize("wishes", [{"is_only_one": True}, {"serving": 30}])
def test_a_stolen_credential_that_its_owner_uses_meets_a_question_at_most(wishes: dict) -> None:
    """The owner proves who they are, and gets another."""
    uses = {"a1": (use(**wishes),)}

    step = only(decided(verdict(role=Role.COMPROMISED), of=known(account(), uses=uses)))

    assert (step.scope, step.step) == (Scope.CREDENTIAL, Step.VERIFY)
    assert Guard.ONLY_CREDENTIAL in step.guards


def test_an_old_account_among_new_ones_may_be_a_robbed_one() -> None:
    """It stays at a mark, and its serving credential is acted on instead."""
    names = [f"a{n}" for n in range(8)]
    old = account("a0", created_at=FIRST - timedelta(days=90))
    of = known(
        old,
        *(account(name) for name in names[1:]),
        uses={"a0": (use("cred_1"), use("cred_2", serving=0))},
    )

    steps = decided(*(verdict(name) for name in names), of=of)

    mine = {(s.scope, s.step) for s in steps if s.verdict.account_id == "a0"}
    assert mine == {(Scope.ACCOUNT, Step.TAG), (Scope.CREDENTIAL, Step.BLOCK)}
    assert all(s.step is Step.BLOCK for s in steps if s.verdict.account_id != "a0")


def test_where_most_operators_are_old_age_says_nothing() -> None:
    """Accounts are bought and kept for later."""
    names = [f"a{n}" for n in range(8)]
    of = known(*(account(name, created_at=FIRST - timedelta(days=90)) for name in names))

    steps = decided(*(verdict(name) for name in names), of=of)

    assert {step.step for step in steps} == {Step.BLOCK}


def test_an_account_that_mostly_does_other_things_is_not_blocked() -> None:
    """It is throttled at most: more than half of what a block would stop is its own."""
    step = only(decided(verdict(share=0.3)))

    assert (step.step, step.requests_per_minute) == (Step.THROTTLE, 6)
    assert Guard.MOSTLY_ITS_OWN in step.guards


def test_accounts_of_a_declared_organisation_are_only_marked() -> None:
    """Whatever the policy says, and whichever part of them serves the campaign."""
    uses = {"a1": (use(), use("cred_2", serving=0))}
    for role in (Role.OPERATOR, Role.MIXED):
        step = only(decided(verdict(role=role), of=known(owned(), uses=uses)))
        assert (step.scope, step.step) == (Scope.ACCOUNT, Step.TAG)
        assert Guard.DECLARED_OWNER in step.guards


def test_a_stolen_credential_of_a_declared_organisation_waits_for_a_second_person() -> None:
    """It is acted on alone, and never by a machine alone."""
    uses = {"a1": (use(), use("cred_2", serving=0))}

    step = only(decided(verdict(role=Role.COMPROMISED), of=known(owned(), uses=uses)))

    assert (step.scope, step.step, step.is_by_two) == (Scope.CREDENTIAL, Step.BLOCK, True)


@pytest.mark.parametrize(
    ("wishes", "step", "by_two"),
    [
        ({"verified": "kyc"}, Step.TAG, False),
        ({"verified": "domain"}, Step.TAG, False),
        ({"verified": "none"}, Step.BLOCK, False),
        ({"verified": None}, Step.BLOCK, False),
        ({"verified": "domain", "since": FIRST - timedelta(days=29)}, Step.BLOCK, False),
        ({"since": FIRST - timedelta(days=29)}, Step.VERIFY, True),
        ({"since": None}, Step.VERIFY, True),
        ({"payer": "pay_of_a_stranger", "owner": Owner(
            organisation="org", accounts=3, payers=2, main_payer="pay_1")}, Step.VERIFY, True),
        ({"verified": "domain", "owner": Owner(
            organisation="org", accounts=3, is_whole_on_one_domain=True, payers=2,
            main_payer="pay_1")}, Step.VERIFY, True),
        ({"verified": "domain", "owner": Owner(
            organisation="org", accounts=3, payers=1)}, Step.BLOCK, False),
    ],
)  # fmt: skip
def test_a_declaration_protects_as_far_as_it_is_verified(
    wishes: dict, step: Step, by_two: bool
) -> None:
    """By contract or identity check, for 30 days, under one payer; opening a team is no shield."""
    taken = only(decided(verdict(), of=known(owned(**wishes))))

    assert (taken.step, taken.is_by_two) == (step, by_two)


@pytest.mark.parametrize(("plan", "step"), [("enterprise", Step.TAG), ("team", Step.BLOCK)])
def test_where_the_log_has_no_verification_the_plan_stands_for_it(plan: str, step: Step) -> None:
    """As the exchange log defines what counts as declared."""
    of = known(owned(plan=plan, verified=None, since=None), is_by_plan=True)

    assert only(decided(verdict(), of=of)).step is step


def test_an_allowed_organisation_is_not_touched() -> None:
    """Not even marked; only a stolen credential of it waits for a person."""
    of = known(owned(verified="none"), allowed=frozenset({"org"}))
    assert only(decided(verdict(), of=of)).step is Step.OBSERVE

    uses = {"a1": (use(), use("cred_2", serving=0))}
    stolen = known(owned(verified="none"), allowed=frozenset({"org"}), uses=uses)
    step = only(decided(verdict(role=Role.COMPROMISED), of=stolen))
    assert (step.scope, step.is_by_two) == (Scope.CREDENTIAL, True)


@pytest.mark.parametrize(
    "of",
    [
        known(),
        known(account(verification="kyc")),
        known(account(was_restored=True)),
    ],
)
def test_two_people_decide_about_accounts_that_somebody_knows_or_nobody(of: Known) -> None:
    """Of whom the log has no row, whose identity was checked, whom a person restored before."""
    assert only(decided(verdict(), of=of)).is_by_two


def test_whom_a_person_cleared_is_only_marked() -> None:
    """An appeal that was upheld is not undone by the next scan."""
    of = known(account(), cleared=frozenset({(CAMPAIGN, AccountId("a1"))}), uses={"a1": (use(),)})

    assert only(decided(verdict(), of=of)).step is Step.TAG


def test_a_closed_account_is_left_alone() -> None:
    """There is nothing to stop."""
    assert only(decided(verdict(), of=known(account(is_closed=True)))).step is Step.OBSERVE


def test_every_step_ends_and_none_later_than_its_ceiling() -> None:
    """A policy that was made by hand, with a year of blocking."""
    policy = Policy(rules=(Rule(name="x", step=Step.BLOCK, lasts=timedelta(days=365)),))

    step = only(decided(verdict(), policy=policy))

    assert step.ends_at - step.begins_at == timedelta(days=30)


def many(number: int, **wishes: object) -> tuple[list, Known]:
    names = [f"a{n:04}" for n in range(number)]
    return [verdict(name) for name in names], known(*(account(n) for n in names), **wishes)


def test_a_large_step_waits_for_a_second_person() -> None:
    """All of it, not what is beyond the limit."""
    verdicts, of = many(30)
    policy = Policy(rules=BLOCK_ALL.rules, limits=Limits(large_step_accounts=30))

    steps = decided(*verdicts, policy=policy, of=of)
    smaller = decided(*verdicts[:29], policy=policy, of=of)

    assert all(step.is_by_two for step in steps)
    assert not any(step.is_by_two for step in smaller)


def test_what_an_hour_cannot_take_begins_later() -> None:
    """So that a wrong finding is noticed before it has reached everybody."""
    verdicts, of = many(45)
    policy = Policy(rules=BLOCK_ALL.rules, limits=Limits(accounts_per_hour=10))

    steps = decided(*verdicts, policy=policy, of=of)

    hours = [step.begins_at.replace(minute=0, second=0, microsecond=0) for step in steps]
    assert max(hours.count(hour) for hour in hours) == 10
    assert all(s.ends_at - s.begins_at == timedelta(days=7) for s in steps)


def test_beyond_the_share_of_accounts_steps_wait_and_beyond_the_ceiling_they_are_marks() -> None:
    """Of 200 accounts 5 % by the policy, and 20 % whatever it says."""
    verdicts, of = many(60, log_accounts=200, log_output_tokens=0)
    policy = Policy(rules=BLOCK_ALL.rules, limits=Limits(large_step_accounts=1000))

    steps = decided(*verdicts, policy=policy, of=of)

    assert [s.is_by_two for s in steps[:10]] == [False] * 10
    assert all(s.is_by_two and s.step is Step.BLOCK for s in steps[10:40])
    assert all(s.step is Step.TAG and Guard.BLAST_RADIUS in s.guards for s in steps[40:])


def test_beyond_the_share_of_tokens_likewise() -> None:
    """Twenty accounts that are half of the revenue."""
    verdicts, of = many(20, log_output_tokens=40_000)

    steps = decided(*verdicts, of=of)

    assert sum(s.step is Step.BLOCK for s in steps) == 12
    assert sum(s.is_by_two for s in steps) == 2


def test_steps_begin_in_waves_after_the_finding() -> None:
    """On full hours, at more than one of them, and never at once."""
    verdicts, of = many(40)

    steps = decided(*verdicts, of=of)

    moments = {step.begins_at for step in steps}
    assert len(moments) > 1
    assert min(moments) > NOW + timedelta(minutes=30)
    assert all(m.minute == m.second == m.microsecond == 0 for m in moments)
    assert moments == {s.begins_at for s in decided(*verdicts, of=of)}


def test_a_policy_cannot_let_all_steps_begin_at_the_finding() -> None:
    """Even one that was made by hand without any delay."""
    verdicts, of = many(40)
    none = Delay(at_least=timedelta(0), at_most=timedelta(0), together=timedelta(0), waves=1000)

    moments = {s.begins_at for s in decided(*verdicts, of=of, policy=Policy(rules=BLOCK_ALL.rules, delay=none))}  # fmt: skip

    assert NOW not in moments
    assert len(moments) > 1
