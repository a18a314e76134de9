"""From a plan to the store: nothing twice, milder at once, and what people settled stays settled."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from policy_builders import (
    BLOCK_ALL,
    CAMPAIGN,
    NOW,
    account,
    campaign,
    decided,
    known,
    owned,
    use,
    verdict,
)

from stillwatch.policy.applying import application_of, digest_of, write_application
from stillwatch.policy.decided import NOTHING_DECIDED, Decided, decided_in, without_settled
from stillwatch.policy.rules import Delay, Guard, Planned, Policy, Rule, shipped_policy
from stillwatch.policy.store import Principal, PrincipalRole, Store
from stillwatch.policy.store.principals import NotAllowedError
from stillwatch.records import AccountId, Action, ActionState, Role, Scope, Step

LATER = NOW + timedelta(days=1)
MEMBERS = {(CAMPAIGN, AccountId("a1")), (CAMPAIGN, AccountId("a2"))}
ANALYST = Principal("ana", frozenset({PrincipalRole.ANALYST}))


def plan(*accounts: str, policy: Policy = BLOCK_ALL, **wishes: object) -> list[Planned]:
    names = accounts or ("a1", "a2")
    of = known(*(account(name) for name in names), **wishes)
    return decided(*(verdict(name) for name in names), policy=policy, of=of)


def apply(
    store: Store,
    planned: list[Planned],
    by: Principal,
    *,
    is_live: bool = True,
    now=NOW,
    members=MEMBERS,
    again: tuple[str, ...] = (),
) -> dict[str, int]:
    """As the command does."""
    known_decisions = decided_in(store, [CAMPAIGN], now=now)
    todo, settled = without_settled(planned, known_decisions, again=again)
    earlier = list(store.actions.of_campaigns([CAMPAIGN]))
    made = application_of(todo, earlier, members, known_decisions, by, is_live=is_live, now=now)
    write_application(store, made, BLOCK_ALL, by, is_live=is_live, now=now, again=again)
    return {
        "new": len(made.proposed),
        "ended": len(made.superseded),
        "on": made.going_on,
        "settled": len(settled),
    }


def states(store: Store) -> list[tuple[str, Step, ActionState]]:
    return sorted((a.account_id, a.step, a.state) for a in store.actions.every())


def test_in_shadow_nothing_is_in_force(store: Store) -> None:
    """An analyst may write it down, and gateways hear of nothing."""
    before = store.sequence()
    apply(store, plan(), ANALYST, is_live=False)
    assert {a.state for a in store.actions.every()} == {ActionState.SHADOW}
    assert store.sequence() == before


def test_only_an_approver_goes_live(store: Store) -> None:
    """And nothing was written when somebody else tried."""
    with pytest.raises(NotAllowedError):
        apply(store, plan(), ANALYST)
    assert states(store) == []
    assert store.audit.head()[0] == 0


def test_applied_twice_nothing_is_done_twice(store: Store, ada: Principal) -> None:
    """What goes on is not made longer either."""
    assert apply(store, plan(), ada)["new"] == 2
    before = {a.action_id: a.ends_at for a in store.actions.every()}
    assert apply(store, plan(), ada, now=LATER) == {"new": 0, "ended": 0, "on": 2, "settled": 0}
    assert {a.action_id: a.ends_at for a in store.actions.every()} == before


def test_going_live_takes_the_place_of_the_shadow(store: Store, ada: Principal) -> None:
    """Else every step would stand there twice."""
    apply(store, plan(), ada, is_live=False)
    assert apply(store, plan(), ada)["ended"] == 2
    assert sorted(state for _, _, state in states(store)) == sorted(
        [ActionState.IN_FORCE, ActionState.IN_FORCE, ActionState.SUPERSEDED, ActionState.SUPERSEDED]
    )


def test_what_needs_two_waits(store: Store, ada: Principal, ben: Principal) -> None:
    """The one who applied it cannot approve it."""
    of = known(account(verification="kyc"))
    apply(store, decided(verdict(), of=of), ada)
    (waiting,) = store.actions.waiting()
    with pytest.raises(Exception, match="may not approve"):
        store.actions.approve([waiting.action_id], ada, now=NOW)
    assert store.actions.approve([waiting.action_id], ben, now=NOW) == 1
    assert [a.account_id for a in store.actions.in_force(now=NOW)] == ["a1"]


def test_who_is_no_member_any_more_is_freed(store: Store, ada: Principal) -> None:
    """Within the moment, and gateways hear of it."""
    apply(store, plan(), ada)
    before = store.sequence()
    told = apply(store, plan("a1"), ada, now=LATER, members={(CAMPAIGN, AccountId("a1"))})
    assert (told["ended"], told["on"]) == (1, 1)
    assert store.sequence() > before
    assert [a.account_id for a in store.actions.in_force(now=LATER)] == ["a1"]


def test_a_milder_plan_ends_the_harder_step_at_once(store: Store, ada: Principal) -> None:
    """Its owner was verified meanwhile: the block ends in the same moment as the mark begins."""
    apply(store, plan("a1"), ada)
    milder = decided(verdict(), of=known(owned()))
    assert apply(store, milder, ada, now=LATER)["ended"] == 1
    assert [a.step for a in store.actions.in_force(now=LATER)] == [Step.TAG]


def test_a_stolen_credential_frees_the_account_that_was_blocked_whole(
    store: Store, ada: Principal
) -> None:
    """Once the scan knows better, only the credential stays blocked."""
    apply(store, plan("a1"), ada)
    better = decided(
        verdict(role=Role.COMPROMISED),
        of=known(account(), uses={"a1": (use(),)}),
    )
    apply(store, better, ada, now=LATER)
    assert {a.scope for a in store.actions.in_force(now=LATER)} == {Scope.CREDENTIAL}


def test_a_harder_plan_leaves_the_milder_step_until_it_begins(store: Store, ada: Principal) -> None:
    """There is no gap between the two."""
    throttle = Policy(rules=(Rule(name="all", step=Step.THROTTLE, requests_per_minute=6),))
    apply(store, plan("a1", policy=throttle), ada)
    assert apply(store, plan("a1"), ada, now=LATER) == {"new": 1, "ended": 0, "on": 0, "settled": 0}
    assert {a.step for a in store.actions.in_force(now=LATER)} == {Step.THROTTLE, Step.BLOCK}


def test_a_campaign_that_fell_silent_stays_blocked(store: Store, ada: Principal) -> None:
    """Those who are blocked send nothing: that is no reason to let them in again."""
    apply(store, plan("a1"), ada)
    silent = {CAMPAIGN: campaign(last_seen=NOW - timedelta(days=8))}
    quiet = plan("a1", campaigns=silent)
    assert Guard.ENDED_OR_STALE in quiet[0].guards
    assert apply(store, quiet, ada, now=LATER)["ended"] == 0
    assert Step.BLOCK in {a.step for a in store.actions.in_force(now=LATER)}


def test_what_a_person_lifted_is_not_proposed_again(store: Store, ada: Principal) -> None:
    """Until an approver takes the campaign up again."""
    apply(store, plan(), ada)
    (first,) = [a for a in store.actions.every() if a.account_id == "a1"]
    store.actions.lift([first.action_id], ada, "a mistake", now=NOW)
    assert apply(store, plan(), ada, now=LATER) == {"new": 0, "ended": 0, "on": 1, "settled": 1}
    told = apply(store, plan(), ada, now=LATER, again=(CAMPAIGN,))
    assert (told["new"], told["on"]) == (1, 1)
    assert apply(store, plan(), ada, now=LATER)["on"] == 2


def test_after_a_rollback_new_members_are_left_alone_too(store: Store, ada: Principal) -> None:
    """A person said that this campaign is none; a machine does not argue."""
    apply(store, plan("a1"), ada)
    assert store.actions.lift_campaign(CAMPAIGN, ada, "a class", now=NOW) == ["a1"]
    assert apply(store, plan(), ada, now=LATER) == {"new": 0, "ended": 0, "on": 0, "settled": 2}
    assert apply(store, plan(), ada, now=LATER, again=(CAMPAIGN,))["new"] == 2


def test_a_step_that_an_appeal_reduced_stays_reduced(store: Store, ada: Principal) -> None:
    """The next run neither hardens it nor ends it."""
    apply(store, plan("a1"), ada)
    with store.writing() as connection:
        store.actions.soften_account(connection, "a1", Step.THROTTLE, ada, "appeal", now=NOW)
    assert apply(store, plan("a1"), ada, now=LATER)["settled"] == 1
    assert [a.step for a in store.actions.in_force(now=LATER)] == [Step.THROTTLE]


def test_what_ended_by_itself_may_begin_anew(store: Store, ada: Principal) -> None:
    """What is still true is found again and decided anew."""
    apply(store, plan("a1"), ada)
    after = NOW + timedelta(days=40)
    store.actions.expire(now=after)
    moved = [
        replace(step, begins_at=after, ends_at=after + timedelta(days=1)) for step in plan("a1")
    ]
    assert apply(store, moved, ada, now=after)["new"] == 1


def test_the_record_tells_which_policy_was_applied(store: Store, ada: Principal) -> None:
    """By its digest, which the file's place does not change, and one limit does."""
    apply(store, plan("a1"), ada)
    first = next(iter(store.audit.records()))
    assert (first.kind, first.details["mode"]) == ("policy_applied", "live")
    assert first.details["policy_sha256"] == digest_of(BLOCK_ALL)
    assert digest_of(shipped_policy()) == digest_of(replace(shipped_policy(), source="elsewhere"))
    assert digest_of(shipped_policy()) != digest_of(replace(shipped_policy(), delay=Delay(waves=9)))


def test_reasons_are_for_colleagues_and_references_for_customers(
    store: Store, ada: Principal
) -> None:
    """Every reference differs and says nothing."""
    apply(store, plan(), ada)
    found: list[Action] = list(store.actions.every())
    assert len({a.reference for a in found}) == 2
    assert all(CAMPAIGN in a.reason and "Rule: all." in a.reason for a in found)
    assert Decided() == NOTHING_DECIDED
