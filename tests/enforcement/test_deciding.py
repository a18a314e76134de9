"""One decision for every adapter: the hardest step it can do, never a harder one than was said."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from acting import GATEWAY_KEYS, NOW, Clocks, action, bearing, credential_token, decider, opened
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stillwatch.enforcement.asking import Asked, Decision
from stillwatch.enforcement.deciding import Decider
from stillwatch.identity import Kind
from stillwatch.records.actions import Action, Countermeasure, Scope, Step

_ALL = frozenset(Step)
_MEASURES = frozenset({Countermeasure.NO_LOG_PROBABILITIES})
_SYSTEM = "You rate each answer from one to ten and say why, step by step."


def _decider(path: Path, *actions: Action, clocks: Clocks | None = None, **options: Any) -> Decider:
    known = {f"acct-{n}": [credential_token(f"sk-{n}")] for n in range(1, 9)}
    snapshot = opened(path / "s", actions, credentials=known)
    return decider(snapshot, clocks, **options)


def test_a_blocked_account_is_refused_with_its_reference_whoever_of_its_keys_asks(
    tmp_path: Path,
) -> None:
    """By credential, and where the gateway names the account."""
    asks = _decider(tmp_path, action(1))

    for asked in (bearing("sk-1"), Asked(account_id="acct-1")):
        assert asks.decide(asked, _ALL) == Decision(
            wanted=Step.BLOCK,
            step=Step.BLOCK,
            reference=f"{1:032x}",
            group="campaign-tide",
            is_known=True,
            is_refused=True,
        )


def test_everybody_else_passes_and_is_counted(tmp_path: Path) -> None:
    """Unknown credentials, and requests without any."""
    asks = _decider(tmp_path, action(1))

    for asked in (bearing("sk-other"), Asked(), Asked(account_id="acct-2")):
        assert asks.decide(asked, _ALL) == Decision()
    assert (asks.tally.unknown, asks.tally.anonymous, asks.tally.known) == (2, 1, 0)


def test_before_the_first_snapshot_everything_passes() -> None:
    """A gateway that was never told anything blocks nobody."""
    asks = decider(None)

    assert asks.decide(bearing("sk-1"), _ALL) == Decision()
    assert asks.tally.without_snapshot == 1


def test_the_account_that_the_gateway_names_goes_before_the_one_a_credential_had(
    tmp_path: Path,
) -> None:
    """A key that was handed on does not bring its old account's block along."""
    asks = _decider(tmp_path, action(1))

    assert not asks.decide(bearing("sk-1", account_id="acct-77"), _ALL).is_refused


def test_a_credential_is_acted_on_alone(tmp_path: Path) -> None:
    """Other keys of the same account, which were not stolen, go on."""
    asks = _decider(tmp_path, action(1, scope=Scope.CREDENTIAL, subject=credential_token("stolen")))

    assert asks.decide(bearing("stolen", account_id="acct-1"), _ALL).is_refused
    assert not asks.decide(bearing("sk-1", account_id="acct-1"), _ALL).is_refused


def test_a_conversation_is_its_accounts_alone(tmp_path: Path) -> None:
    """Clients number conversations alike: another customer's first is not this one's."""
    subject = GATEWAY_KEYS.token(Kind.CONVERSATION, "1")
    asks = _decider(tmp_path, action(1, scope=Scope.CONVERSATION, subject=subject))

    assert asks.decide(bearing("sk-1", conversation_id="1"), _ALL).is_refused
    assert not asks.decide(bearing("sk-1", conversation_id="2"), _ALL).is_refused
    assert not asks.decide(bearing("sk-2", conversation_id="1"), _ALL).is_refused


@pytest.mark.parametrize(("owner", "stranger_is_refused"), [("acct-1", False), ("", True)])
def test_a_shape_is_its_accounts_alone_or_anybodys(
    tmp_path: Path, owner: str, stranger_is_refused: bool
) -> None:
    """As the action says; a request of another shape goes on in any case."""
    from stillwatch.identity.shapes import shape_of_row

    row = {"model": "tern-2", "system_text": _SYSTEM, "tool_names": None}
    subject = shape_of_row(GATEWAY_KEYS, row)
    asks = _decider(
        tmp_path, action(1, scope=Scope.SHAPE, subject=subject, account_id=owner), action(2)
    )
    own = {"model": "tern-2", "system_text": _SYSTEM}

    assert asks.decide(bearing("sk-3", **own), _ALL).is_refused is stranger_is_refused
    assert not asks.decide(bearing("sk-1", model="tern-2"), _ALL).is_refused
    if owner:
        assert asks.decide(bearing("sk-1", **own), _ALL).is_refused


def test_the_hardest_of_several_wins(tmp_path: Path) -> None:
    """Wherever each comes from."""
    stolen = action(1, scope=Scope.CREDENTIAL, subject=credential_token("sk-1"), reference="c" * 32)
    asks = _decider(tmp_path, action(1, step=Step.TAG), stolen)
    decision = asks.decide(bearing("sk-1"), _ALL)

    assert (decision.step, decision.reference) == (Step.BLOCK, "c" * 32)


def test_where_a_block_is_not_possible_what_else_was_said_is_done(tmp_path: Path) -> None:
    """The hardest that the adapter can do of all that is in force."""
    slowed = action(1, step=Step.THROTTLE, requests_per_minute=0, reference="d" * 32)
    asks = _decider(tmp_path, action(1), slowed)
    decision = asks.decide(bearing("sk-1"), _ALL - {Step.BLOCK, Step.VERIFY})

    assert (decision.wanted, decision.step) == (Step.BLOCK, Step.THROTTLE)
    assert decision.reference == "d" * 32
    assert decision.retry_after_seconds == 60


@given(
    st.sampled_from(Step),
    st.frozensets(st.sampled_from(Step)),
    st.booleans(),
    st.booleans(),
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_step_is_ever_harder_than_it_was_said(
    tmp_path: Path, step: Step, possible: frozenset[Step], has_budget: bool, has_measures: bool
) -> None:
    """Nor one that the adapter cannot do; and nobody is refused who was not to be."""
    (tmp_path / "s").unlink(missing_ok=True)
    asks = _decider(
        tmp_path,
        action(
            1,
            step=step,
            requests_per_minute=0 if has_budget else None,
            countermeasures=_MEASURES if has_measures else frozenset(),
        ),
    )
    decision = asks.decide(bearing("sk-1"), possible)

    assert decision.wanted is step
    assert decision.step in possible | {Step.OBSERVE}
    assert decision.step.rank <= step.rank
    assert bool(asks.tally.fallen) == (decision.step is not step)
    if step in (Step.OBSERVE, Step.TAG) or (not has_budget and step is Step.WITHHOLD):
        assert not decision.is_refused
    if decision.step is Step.VERIFY:
        assert step in (Step.VERIFY, Step.BLOCK)


def test_what_is_withheld_is_all_that_was_said_and_the_reference_comes_along(
    tmp_path: Path,
) -> None:
    """Of two actions on one request, both measures; a model that is refused shows a reference."""
    new = frozenset({Countermeasure.CAP_NEW_MODELS})
    own = action(
        1,
        scope=Scope.CREDENTIAL,
        subject=credential_token("sk-1"),
        step=Step.WITHHOLD,
        countermeasures=new,
    )
    asks = _decider(tmp_path, action(1, step=Step.WITHHOLD, countermeasures=_MEASURES), own)
    decision = asks.decide(bearing("sk-1"), _ALL)

    assert decision.countermeasures == new | _MEASURES
    assert decision.reference == f"{1:032x}"
    assert not decision.is_refused


def test_a_group_shares_one_budget_however_many_accounts_it_opens(tmp_path: Path) -> None:
    """Six requests a minute are six for eight accounts, and come back evenly."""
    clocks = Clocks()
    group = [action(n, step=Step.THROTTLE, requests_per_minute=6) for n in range(1, 9)]
    asks = _decider(tmp_path, *group, clocks=clocks)
    first = [asks.decide(bearing(f"sk-{n}"), _ALL) for n in range(1, 9)]

    assert [d.is_refused for d in first] == [False] * 6 + [True] * 2
    assert first[0].step is Step.OBSERVE
    assert first[0].wanted is Step.THROTTLE
    assert first[7].retry_after_seconds == 10
    clocks.pass_by(10)
    again = [asks.decide(bearing(f"sk-{n}"), _ALL).is_refused for n in (1, 2)]
    assert again == [False, True]


def test_other_groups_have_budgets_of_their_own(tmp_path: Path) -> None:
    """One campaign's requests do not slow another's accounts."""
    slow = {"step": Step.THROTTLE, "requests_per_minute": 1}
    asks = _decider(tmp_path, action(1, **slow), action(2, **slow, group="campaign-ebb"))

    assert not asks.decide(bearing("sk-1"), _ALL).is_refused
    assert asks.decide(bearing("sk-1"), _ALL).is_refused
    assert not asks.decide(bearing("sk-2"), _ALL).is_refused


def test_a_throttled_request_with_room_keeps_its_tag(tmp_path: Path) -> None:
    """The milder action stays in force beside the harder one."""
    slow = action(1, step=Step.THROTTLE, requests_per_minute=100)
    asks = _decider(tmp_path, slow, action(1, step=Step.TAG))

    assert asks.decide(bearing("sk-1"), _ALL).step is Step.TAG


def test_actions_begin_and_end_when_they_said(tmp_path: Path) -> None:
    """To the moment, without anybody telling the gateway."""
    clocks = Clocks()
    hour = timedelta(hours=1)
    asks = _decider(
        tmp_path, action(1, begins_at=NOW + hour, ends_at=NOW + 2 * hour), clocks=clocks
    )
    refused = []
    for seconds in (0, 3599, 1, 3599, 1, 1_000_000):
        clocks.pass_by(seconds)
        refused.append(asks.decide(bearing("sk-1"), _ALL).is_refused)

    assert refused == [False, False, True, True, False, False]


def test_an_error_of_ours_lets_the_request_pass_and_is_counted(tmp_path: Path) -> None:
    """Unless the operator chose otherwise."""

    class Broken:
        @property
        def snapshot(self) -> None:
            raise RuntimeError

    working = _decider(tmp_path, action(1))
    asks = Decider(Broken(), working._identifier)
    strict = Decider(Broken(), working._identifier, fails_open=False)

    assert asks.decide(bearing("sk-1"), _ALL) == Decision()
    assert asks.tally.failed == 1
    with pytest.raises(RuntimeError):
        strict.decide(bearing("sk-1"), _ALL)
