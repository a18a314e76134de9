"""Appeals in the store: one open a reference, oldest first, and decisions that hold at once."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from made_actions import NOW, action

from stillwatch.policy.appeals import Appeal, AppealRules, AppealsFullError, AppealState, Judgement
from stillwatch.policy.store import Principal, PrincipalRole, Store
from stillwatch.policy.store.principals import NotAllowedError
from stillwatch.policy.store.schema import APPEALS
from stillwatch.records import Action, ActionState, InputError, Step
from stillwatch.records.words import CampaignId

LATER = NOW + timedelta(hours=1)
WHY = "The evidence does not hold."
OVERTURNED = Judgement(state=AppealState.OVERTURNED, reason=WHY)


def _blocked(store: Store, ada: Principal, **changes: object) -> Action:
    one = action(state=ActionState.IN_FORCE, **changes)
    store.actions.propose([one], ada, now=NOW)
    return one


def _appealed(store: Store, ada: Principal, **changes: object) -> Action:
    one = _blocked(store, ada, **changes)
    assert store.appeals.submit(one.reference, "It was a mistake.", now=NOW)
    return one


def test_one_appeal_of_a_reference_is_open(store: Store, ada: Principal) -> None:
    """The second is not kept, and the first stays as it is."""
    one = _appealed(store, ada)
    assert not store.appeals.submit(one.reference, "Other words.", now=LATER)
    (waits,) = store.appeals.waiting()
    assert (waits.text, waits.account_id) == ("It was a mistake.", one.account_id)


def test_the_database_itself_keeps_one_open(store: Store, ada: Principal) -> None:
    """Whoever goes round the code cannot open a second."""
    one = _appealed(store, ada)
    copy = {
        "appeal_id": "f" * 32,
        "reference": one.reference,
        "action_id": one.action_id,
        "text": "",
        "submitted_at": NOW,
        "state": "open",
    }
    with pytest.raises(sa.exc.IntegrityError), store.writing() as connection:
        connection.execute(sa.insert(APPEALS).values(**copy))


def test_many_at_once_keep_one(store: Store, ada: Principal) -> None:
    """However many threads send it at the same time."""
    one = _blocked(store, ada)
    kept: list[bool] = []
    threads = [
        threading.Thread(
            target=lambda: kept.append(store.appeals.submit(one.reference, "Mine.", now=NOW))
        )
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(kept) == [False] * 7 + [True]


def test_unknown_references_are_never_kept(store: Store, ada: Principal) -> None:
    """Nor those of what was only thought of, or ended long ago."""
    shadow = action(state=ActionState.SHADOW)
    waits = action()
    store.actions.propose([shadow, waits], ada, now=NOW)
    old = _blocked(store, ada)
    long_after = NOW + timedelta(days=40)
    assert not store.appeals.submit("0" * 32, "x", now=NOW)
    assert not store.appeals.submit(shadow.reference, "x", now=NOW)
    assert not store.appeals.submit(waits.reference, "x", now=NOW)
    assert not store.appeals.submit(old.reference, "x", now=long_after)
    assert store.appeals.count_open() == (0, None)


def test_a_flood_hides_neither_the_oldest_nor_other_campaigns(store: Store, ada: Principal) -> None:
    """The oldest is first, and who is alone in a campaign waits for one of the flood only."""
    flood = [_blocked(store, ada) for _ in range(20)]
    for number, one in enumerate(flood):
        store.appeals.submit(one.reference, "Flood.", now=NOW + timedelta(seconds=number))
    alone = _blocked(store, ada, campaign_id=CampaignId("c2"))
    store.appeals.submit(alone.reference, "An honest customer.", now=LATER)
    first, second, third = store.appeals.waiting(limit=3)
    assert [first.reference, second.reference] == [flood[0].reference, alone.reference]
    assert third.reference == flood[1].reference
    assert store.appeals.count_open() == (21, NOW)


def test_a_full_table_says_so_before_it_looks(store: Store, ada: Principal) -> None:
    """To everybody, so that it tells nothing of a reference."""
    store.appeals.rules = AppealRules(most_open=1)
    one = _appealed(store, ada)
    for reference in (one.reference, "0" * 32):
        with pytest.raises(AppealsFullError):
            store.appeals.submit(reference, "x", now=NOW)


def test_overturned_lifts_all_that_is_done_to_the_account(store: Store, ada: Principal) -> None:
    """At once, for every campaign, and for nobody else."""
    one = _appealed(store, ada, account_id="honest")
    _blocked(store, ada, account_id="honest", campaign_id=CampaignId("c2"))
    other = _blocked(store, ada)
    before = store.sequence()

    decided = store.appeals.decide(one.reference, OVERTURNED, ada, now=LATER)

    assert (decided.state, decided.decided_by) == (AppealState.OVERTURNED, "ada")
    assert [a.action_id for a in store.actions.in_force(now=LATER)] == [other.action_id]
    assert store.sequence() > before
    told = store.appeals.state(one.reference)
    assert (told.state, told.decided_at) == ("overturned", LATER)


def test_upheld_changes_nothing_but_the_state(store: Store, ada: Principal) -> None:
    """The step stays, and its sequence."""
    one = _appealed(store, ada)
    before = store.sequence()
    store.appeals.decide(
        one.reference, Judgement(state=AppealState.UPHELD, reason=WHY), ada, now=LATER
    )
    assert store.sequence() == before
    (found,) = store.actions.in_force(now=LATER)
    assert found.action_id == one.action_id


def test_reduced_puts_a_milder_step_in_its_place(store: Store, ada: Principal) -> None:
    """With the same subject and end, a reference of its own, and a budget where it needs one."""
    one = _appealed(store, ada)
    milder = Judgement(state=AppealState.REDUCED, reason=WHY, reduced_to=Step.THROTTLE)
    before = store.sequence()

    store.appeals.decide(one.reference, milder, ada, now=LATER)

    (found,) = store.actions.in_force(now=LATER)
    assert (found.step, found.subject, found.ends_at) == (Step.THROTTLE, one.subject, one.ends_at)
    assert found.requests_per_minute
    assert found.reference != one.reference
    assert store.sequence() > before


def test_what_is_mild_already_is_not_reduced(store: Store, ada: Principal) -> None:
    """And then nothing was decided."""
    one = _appealed(store, ada, step=Step.TAG)
    harder = Judgement(state=AppealState.REDUCED, reason=WHY, reduced_to=Step.THROTTLE)
    with pytest.raises(InputError, match="nothing harder"):
        store.appeals.decide(one.reference, harder, ada, now=LATER)
    assert store.appeals.count_open()[0] == 1


def test_a_decision_is_made_once(store: Store, ada: Principal) -> None:
    """The second says that it was decided already."""
    one = _appealed(store, ada)
    store.appeals.decide(one.reference, OVERTURNED, ada, now=LATER)
    with pytest.raises(InputError, match="decided already"):
        store.appeals.decide(one.reference, OVERTURNED, ada, now=LATER)


def test_viewers_decide_nothing(store: Store, ada: Principal) -> None:
    """Nor do administrators, who make people."""
    one = _appealed(store, ada)
    for role in (PrincipalRole.VIEWER, PrincipalRole.ADMINISTRATOR):
        with pytest.raises(NotAllowedError):
            store.appeals.decide(
                one.reference, OVERTURNED, Principal("eve", frozenset({role})), now=LATER
            )


def test_a_reference_opens_a_few_appeals_only(store: Store, ada: Principal) -> None:
    """One after the other, and then no more."""
    one = _blocked(store, ada)
    upheld = Judgement(state=AppealState.UPHELD, reason=WHY)
    for number in range(4):
        kept = store.appeals.submit(one.reference, "Again.", now=NOW + timedelta(minutes=number))
        assert kept == (number < 3)
        if kept:
            store.appeals.decide(one.reference, upheld, ada, now=LATER)


def test_what_was_never_made_is_told_as_what_is_open(store: Store, ada: Principal) -> None:
    """No decision yet, both."""
    one = _appealed(store, ada)
    unknown = store.appeals.state("0" * 32)
    assert replace(unknown, reference=one.reference) == store.appeals.state(one.reference)


def test_only_a_second_approver_gives_an_appeal_to_calibration(
    store: Store, ada: Principal, ben: Principal
) -> None:
    """And only one that was overturned, once."""
    one = _appealed(store, ada)
    with pytest.raises(InputError, match="only an overturned"):
        store.appeals.give_to_calibration(one.reference, ben, now=LATER)
    store.appeals.decide(one.reference, OVERTURNED, ada, now=LATER)
    analyst = Principal("cleo", frozenset({PrincipalRole.ANALYST}))
    for nobody in (ada, analyst):
        with pytest.raises(NotAllowedError):
            store.appeals.give_to_calibration(one.reference, nobody, now=LATER)
    assert store.appeals.for_calibration() == []

    store.appeals.give_to_calibration(one.reference, ben, now=LATER)

    (given,) = store.appeals.for_calibration()
    assert (given.account_id, given.calibration_by) == (one.account_id, "ben")
    with pytest.raises(InputError, match="only once"):
        store.appeals.give_to_calibration(one.reference, ben, now=LATER)


def test_the_audit_log_holds_no_word_of_a_customer(store: Store, ada: Principal) -> None:
    """Nor the decider's reason, which may quote one, nor the account, nor the reference."""
    one = _blocked(store, ada, account_id="honest@example.org")
    store.appeals.submit(one.reference, "My secret is marmalade.", now=NOW)
    store.appeals.decide(
        one.reference,
        Judgement(state=AppealState.OVERTURNED, reason="They speak of marmalade."),
        ada,
        now=LATER,
    )
    lines = "\n".join(record.as_line() for record in store.audit.records())
    kinds = [record.kind for record in store.audit.records()]
    assert kinds[-3:] == ["appeal_opened", "action_lifted", "appeal_decided"]
    for word in ("marmalade", "honest@example.org", one.reference):
        assert word not in lines


def test_words_are_erased_and_the_decision_stays(store: Store, ada: Principal) -> None:
    """With the account, or when they are old."""
    one, two = _appealed(store, ada, account_id="a"), _appealed(store, ada, account_id="b")
    assert store.appeals.erase_texts(now=LATER, account_ids=["a"]) == 1
    assert store.appeals.named(one.reference).text == ""
    assert store.appeals.named(two.reference).text != ""
    store.appeals.decide(two.reference, OVERTURNED, ada, now=LATER)
    assert store.appeals.erase_texts(now=LATER + timedelta(days=1)) == 0
    assert store.appeals.erase_texts(now=LATER + timedelta(days=181)) == 1
    appeal: Appeal = store.appeals.named(two.reference)
    assert (appeal.text, appeal.state) == ("", AppealState.OVERTURNED)
