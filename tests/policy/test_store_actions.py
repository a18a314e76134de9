"""Actions in the store: who may put them in force, and how they end."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa
from made_actions import KEY, NOW, action

from stillwatch.identity import Kind, Tokeniser
from stillwatch.policy.store import Principal, PrincipalRole, Store
from stillwatch.policy.store.actions import NotApprovedError
from stillwatch.policy.store.principals import NotAllowedError
from stillwatch.policy.store.schema import ACTIONS
from stillwatch.records import ActionState, InputError, Step

LATER = NOW + timedelta(hours=1)


def test_an_action_comes_back_as_it_was(store: Store, ada: Principal) -> None:
    """Nothing of it is lost or changed on the way."""
    given = action(state=ActionState.SHADOW, step=Step.THROTTLE, requests_per_minute=5)
    store.actions.propose([given], ada, now=NOW)
    (found,) = store.actions.of_campaign("c1")
    assert found.proposed_by == "ada"
    assert found == type(given)(
        **{name: getattr(given, name) for name in given.__slots__} | {"proposed_by": "ada"}
    )


def test_a_second_person_puts_it_in_force(store: Store, ada: Principal, ben: Principal) -> None:
    """The proposer cannot; another approver can, and the sequence rises."""
    waits = action()
    store.actions.propose([waits], ada, now=NOW, needing_approval=frozenset({waits.action_id}))
    before = store.sequence()
    with pytest.raises(NotApprovedError, match="may not approve"):
        store.actions.approve([waits.action_id], ada, now=NOW)
    assert not list(store.actions.in_force(now=NOW))
    assert store.actions.approve([waits.action_id], ben, now=NOW) == 1
    (found,) = store.actions.in_force(now=NOW)
    assert found.approved_by == "ben"
    assert store.sequence() > before


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "in_force"},
        {"state": "in_force", "approved_by": "ada"},
        {"approved_by": "ada"},
        {"ends_at": NOW - timedelta(days=9)},
    ],
)
def test_the_database_itself_refuses(
    store: Store, ada: Principal, changes: dict[str, object]
) -> None:
    """Whoever goes round the code by SQL cannot approve their own, nor act without an end."""
    waits = action()
    store.actions.propose([waits], ada, now=NOW, needing_approval=frozenset({waits.action_id}))
    with pytest.raises(sa.exc.IntegrityError), store.writing() as connection:
        connection.execute(sa.update(ACTIONS).values(**changes))
    assert not list(store.actions.in_force(now=NOW))


def test_an_analyst_approves_nothing(store: Store, ada: Principal) -> None:
    """The role is asked for, not only the other name."""
    waits = action()
    store.actions.propose([waits], ada, now=NOW)
    ann = Principal("ann", frozenset({PrincipalRole.ANALYST}))
    for by in (ann, Principal.system("policy"), Principal("vic", frozenset())):
        with pytest.raises(NotAllowedError):
            store.actions.approve([waits.action_id], by, now=NOW)


def test_what_needs_approval_is_not_proposed_in_force(store: Store, ada: Principal) -> None:
    """Nobody skips the second person by writing the end result."""
    forced = action(state=ActionState.IN_FORCE)
    with pytest.raises(InputError, match="second person"):
        store.actions.propose(
            [forced], ada, now=NOW, needing_approval=frozenset({forced.action_id})
        )
    assert not list(store.actions.every())


def test_what_ended_while_it_waited_is_not_approved(
    store: Store, ada: Principal, ben: Principal
) -> None:
    """An approval that comes too late does nothing, and nothing beside it is approved."""
    late = action(ends_at=NOW + timedelta(minutes=5))
    good = action()
    store.actions.propose([late, good], ada, now=NOW)
    with pytest.raises(NotApprovedError, match="does not wait"):
        store.actions.approve([good.action_id, late.action_id], ben, now=LATER)
    assert not list(store.actions.in_force(now=NOW))


def test_a_campaign_is_rolled_back_whole(store: Store, ada: Principal) -> None:
    """All of its actions end, those of another campaign stay, and who was restored is said."""
    mine = [action(state=ActionState.IN_FORCE, account_id=f"a{n}") for n in range(1_200)]
    other = action(state=ActionState.IN_FORCE, account_id="a3", campaign_id="c2")
    shadow = action(state=ActionState.SHADOW, account_id="shadowed")
    store.actions.propose([*mine, other, shadow], ada, now=NOW)
    before = store.sequence()
    restored = store.actions.lift_campaign("c1", ada, "wrong", now=LATER)
    assert restored == sorted(f"a{n}" for n in range(1_200))
    assert [a.action_id for a in store.actions.in_force(now=LATER)] == [other.action_id]
    assert store.sequence() > before
    assert store.actions.lift_campaign("c1", ada, "again", now=LATER) == []


def test_what_has_ended_is_written_down(store: Store, ada: Principal) -> None:
    """It ends for gateways by itself, and the store says so afterwards."""
    short = action(state=ActionState.IN_FORCE, ends_at=NOW + timedelta(minutes=1))
    long = action(state=ActionState.IN_FORCE)
    store.actions.propose([short, long], ada, now=NOW)
    assert [a.action_id for a in store.actions.in_force(now=LATER)] == [long.action_id]
    assert store.actions.expire(now=LATER) == 1
    assert store.actions.expire(now=LATER) == 0
    states = {a.action_id: a.state for a in store.actions.every()}
    assert states[short.action_id] is ActionState.EXPIRED


def test_a_reference_leads_to_its_action(store: Store, ada: Principal) -> None:
    """And an unknown one to nothing."""
    given = action()
    store.actions.propose([given], ada, now=NOW)
    found = store.actions.by_reference(given.reference)
    assert found is not None
    assert found.action_id == given.action_id
    assert store.actions.by_reference("0" * 32) is None


def test_an_erased_account_leaves_its_token(store: Store, ada: Principal, ben: Principal) -> None:
    """What is in force stays so, under the token; the record of before still holds."""
    given = action(state=ActionState.IN_FORCE, account_id="forget-me")
    store.actions.propose([given], ada, now=NOW)
    assert store.actions.forget(["forget-me", "never-seen"], now=LATER) == 1
    assert store.tokeniser is not None
    token = store.tokeniser.token(Kind.ACCOUNT, "forget-me")
    (found,) = store.actions.in_force(now=LATER)
    assert (found.account_id, found.subject) == (token, token)
    with store.reading() as connection:
        for table in ("actions", "audit"):
            rows = connection.exec_driver_sql(f"SELECT * FROM {table}").all()
            assert "forget-me" not in str(rows)


def test_two_writers_at_once_leave_no_gap(store_url: str, ada: Principal) -> None:
    """Each has its own connection; the record counts on, and everything is there."""

    def write(number: int) -> None:
        with Store.open(store_url, tokeniser=Tokeniser(KEY)) as mine:
            for _ in range(15):
                try:
                    mine.actions.propose([action(state=ActionState.IN_FORCE)], ada, now=NOW)
                except Exception as error:
                    failed.append(error)

    Store.open(store_url).close()
    failed: list[Exception] = []
    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with Store.open(store_url) as store:
        records = list(store.audit.records())
        assert [record.sequence for record in records] == list(range(1, 61))
        assert len(list(store.actions.every())) == 60
        assert store.sequence() == 60
