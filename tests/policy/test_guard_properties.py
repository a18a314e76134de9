"""The guard rails hold for every policy and every finding, also for those nobody would write."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from policy_builders import FIRST, NOW

from stillwatch.policy.rules import (
    Delay,
    Known,
    KnownAccount,
    KnownCampaign,
    Limits,
    Owner,
    Planned,
    Policy,
    Rule,
    Use,
    ceilings,
    plan_steps,
)
from stillwatch.records import (
    AccountId,
    CampaignId,
    Countermeasure,
    Role,
    Scope,
    Step,
    Target,
    Verdict,
)

NAMES = [f"a{n}" for n in range(40)]
CAMPAIGNS = [CampaignId("C-1"), CampaignId("C-2")]
numbers = st.floats(allow_nan=True, allow_infinity=True)
rates = st.sampled_from([0.0, 0.0001, 0.001, 0.01, 0.02, 0.05, 0.06, 1.0, float("nan"), -1.0])
moments = st.integers(-400, 9).map(lambda days: FIRST + timedelta(days=days))
spans = st.integers(-3, 100_000).map(lambda minutes: timedelta(minutes=minutes))


def some(kind: Any) -> st.SearchStrategy[Any]:
    return st.frozensets(st.sampled_from(list(kind)), max_size=2)


rules = st.builds(
    Rule,
    name=st.just("rule"),
    step=st.sampled_from(list(Step)),
    scope=st.sampled_from(list(Scope)),
    lasts=spans,
    roles=some(Role),
    targets=st.just(frozenset()),
    plans=st.just(frozenset()),
    fdr_q_at_most=rates,
    e_value_at_least=st.sampled_from([0.0, 100.0]),
    share_at_least=st.sampled_from([0.0, 0.5]),
    requests_per_minute=st.none() | st.integers(1, 100),
    countermeasures=some(Countermeasure),
    waits_for_approval=st.booleans(),
)
policies = st.builds(
    Policy,
    error_rate=st.sampled_from([0.01, 0.5, 1.0]),
    rules=st.just((Rule(name="all", step=Step.BLOCK),)) | st.lists(rules, max_size=3).map(tuple),
    limits=st.builds(
        Limits,
        accounts_per_hour=st.integers(-1, 10_000),
        share_of_accounts=st.sampled_from([0.05, 1.0, 9.0]),
        share_of_tokens=st.sampled_from([0.05, 1.0, 9.0]),
        large_step_accounts=st.integers(-1, 10_000),
    ),
    delay=st.builds(
        Delay, at_least=spans, at_most=spans, together=spans, waves=st.integers(-1, 50)
    ),
)
owners = st.builds(
    Owner,
    organisation=st.sampled_from(["org_1", "org_2"]),
    accounts=st.just(5),
    is_whole_on_one_domain=st.booleans(),
    payers=st.integers(0, 2),
    main_payer=st.sampled_from([None, "pay_1"]),
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Verdict], Known]:
    """Up to forty accounts in one or two campaigns, with whatever the log may say of them."""
    size = draw(st.integers(1, len(NAMES)))
    # Drawn for a few and dealt to all: hypothesis needs not choose for each.
    kinds = draw(
        st.lists(
            st.fixed_dictionaries(
                {
                    "role": st.sampled_from(list(Role)),
                    "e_value": st.just(500.0) | numbers,
                    "share": st.sampled_from([0.2, 0.6, 0.97, float("nan")]),
                    "owner": st.none() | owners,
                    "verified": st.sampled_from([None, "none", "domain", "contract", "kyc"]),
                    "since": st.none() | moments,
                    "payer": st.sampled_from([None, "pay_1", "pay_2"]),
                    "created_at": st.none() | moments,
                    "is_closed": st.sampled_from([False, False, True]),
                    "tokens": st.integers(0, 1000),
                    "uses": st.lists(
                        st.builds(
                            Use,
                            scope=st.sampled_from(list(Scope)[1:]),
                            subject=st.sampled_from(["s1", "s2", "s3"]),
                            exchanges=st.just(50),
                            serving=st.sampled_from([0, 4, 25, 50]),
                            last_at=moments,
                            is_reported_leaked=st.booleans(),
                            is_only_one=st.booleans(),
                        ),
                        max_size=3,
                    ),
                    "has_row": st.booleans() | st.just(True),
                    "campaigns": st.sampled_from([CAMPAIGNS[:1], CAMPAIGNS]),
                }
            ),
            min_size=1,
            max_size=4,
        )
    )
    verdicts, accounts, uses = [], {}, {}
    for number, name in enumerate(NAMES[:size]):
        kind = kinds[number % len(kinds)]
        account = AccountId(name)
        if kind["has_row"]:
            accounts[account] = _account(account, kind)
        for campaign in kind["campaigns"]:
            role = kind["role"] if campaign == CAMPAIGNS[0] else Role.OPERATOR
            uses[campaign, account] = tuple(kind["uses"])
            verdicts.append(_verdict(campaign, account, role, kind))
    campaigns = {
        name: KnownCampaign(
            campaign_id=name,
            accounts=draw(st.sampled_from([2, 5, 40])),
            fdr_q=draw(rates),
            error_rate=draw(st.sampled_from([0.01, 0.2])),
            first_seen=FIRST,
            last_seen=draw(st.sampled_from([NOW, NOW - timedelta(days=8)])),
            is_stale=draw(st.sampled_from([False, False, True])),
        )
        for name in CAMPAIGNS
    }
    known = Known(
        accounts=accounts,
        campaigns=campaigns,
        uses=uses,
        log_accounts=draw(st.sampled_from([40, 100, 100_000])),
        log_output_tokens=draw(st.sampled_from([0, 10_000, 10_000_000])),
        is_by_plan=draw(st.booleans()),
        allowed=draw(st.sampled_from([frozenset(), frozenset({"org_1"})])),
        cleared=draw(st.sampled_from([frozenset(), frozenset({(CAMPAIGNS[0], AccountId("a0"))})])),
    )
    return verdicts, known


def _account(account: AccountId, kind: dict[str, Any]) -> KnownAccount:
    return KnownAccount(
        account_id=account,
        plan="enterprise",
        created_at=kind["created_at"],
        is_closed=kind["is_closed"],
        owner=kind["owner"],
        verified=kind["verified"],
        since=kind["since"],
        payer=kind["payer"],
        output_tokens=kind["tokens"],
    )


def _verdict(campaign: CampaignId, account: AccountId, role: Role, kind: dict[str, Any]) -> Verdict:
    return Verdict(
        campaign_id=campaign,
        account_id=account,
        role=role,
        e_value=kind["e_value"],
        fdr_q=0.001,
        share=kind["share"],
        credential_ids=("s1",),
        targets=(Target.CODE,),
        first_flagged_at=NOW,
    )


def beyond(planned: list[Planned]) -> list[Planned]:
    return [step for step in planned if step.is_beyond_tag]


@settings(max_examples=150, deadline=None)
@given(worlds(), policies)
def test_the_rails_of_one_account_hold(world: tuple[list[Verdict], Known], policy: Policy) -> None:
    """No campaign at the rate, no whole account that is partly honest, no declared owner: no step."""
    verdicts, known = world
    roles = defaultdict(set)
    for verdict in verdicts:
        roles[verdict.account_id].add(verdict.role)

    for step in beyond(plan_steps(verdicts, policy, known, now=NOW)):
        campaign = known.campaigns[step.verdict.campaign_id]
        account = known.accounts.get(step.verdict.account_id)
        assert campaign.fdr_q <= min(policy.error_rate, campaign.error_rate, 0.05)
        assert campaign.accounts >= 5
        assert not campaign.is_stale
        assert NOW - campaign.last_seen <= timedelta(days=7)
        assert step.step.rank <= step.wanted.rank
        if roles[step.verdict.account_id] != {Role.OPERATOR}:
            assert step.scope is not Scope.ACCOUNT
        if account is None:
            assert step.is_by_two
            continue
        assert not account.is_closed
        assert (step.verdict.campaign_id, step.verdict.account_id) not in known.cleared
        if step.is_declared and account.owner.payers <= 1:
            assert step.is_stolen
            assert step.scope is Scope.CREDENTIAL
        if step.is_declared or (account.owner and account.owner.organisation in known.allowed):
            assert step.is_by_two


@settings(max_examples=150, deadline=None)
@given(worlds(), policies)
def test_the_rails_of_all_accounts_together_hold(
    world: tuple[list[Verdict], Known], policy: Policy
) -> None:
    """So many an hour, such a share at one time, and every step ends by its ceiling."""
    verdicts, known = world

    steps = beyond(plan_steps(verdicts, policy, known, now=NOW))

    accounts = {step.verdict.account_id for step in steps}
    assert len(accounts) <= max(0.2 * known.log_accounts, ceilings.FEWEST_ALWAYS)
    first: dict[str, Any] = {}
    for step in steps:
        begun = first.get(step.verdict.account_id, step.begins_at)
        first[step.verdict.account_id] = min(begun, step.begins_at)
        assert NOW < step.begins_at <= step.ends_at <= step.begins_at + ceilings.LONGEST[step.step]
    alone = {step.verdict.account_id for step in steps if not step.is_by_two}
    assert len(alone) <= max(policy.limits.share_of_accounts * known.log_accounts, 10)
    hours = Counter(m.replace(minute=0, second=0, microsecond=0) for m in first.values())
    assert all(n <= max(1, min(policy.limits.accounts_per_hour, 200)) for n in hours.values())
    by_campaign = defaultdict(set)
    for step in steps:
        by_campaign[step.verdict.campaign_id].add(step.verdict.account_id)
    for step in steps:
        if len(by_campaign[step.verdict.campaign_id]) >= 100:
            assert step.is_by_two


@settings(max_examples=60, deadline=None)
@given(worlds(), policies)
def test_who_asks_twice_is_told_the_same(
    world: tuple[list[Verdict], Known], policy: Policy
) -> None:
    """Moments follow from the ids, so that a second run does not move what the first decided."""
    verdicts, known = world

    assert plan_steps(verdicts, policy, known, now=NOW) == plan_steps(
        verdicts, policy, known, now=NOW
    )
