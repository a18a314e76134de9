"""The decision core as a gateway of a played world: obeyed by credential, account and moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from stillwatch.evaluation.defence.deciding import DecidingGateway, secret_of
from stillwatch.evaluation.defence.reacting import Answer
from stillwatch.identity import Kind, Tokeniser, create_key, create_signing_key
from stillwatch.identity.normalise import credential_digest_of
from stillwatch.records import EXCHANGES
from stillwatch.records.actions import Action, ActionState, Scope, Step
from stillwatch.records.words import AccountId, CampaignId

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def gateway(tmp_path: Path) -> DecidingGateway:
    return DecidingGateway(
        tmp_path,
        create_key(tmp_path / "key"),
        create_signing_key(tmp_path / "signing"),
        frozenset(Step),
    )


def _row(credential: str, *, at: datetime = NOW) -> dict[str, Any]:
    return {
        "started_at": at,
        "credential_id": credential,
        "model": "aster-3-large",
        "system_text": None,
        "tool_names": None,
    }


def _token(gateway: DecidingGateway, credential: str) -> str:
    digest = credential_digest_of(secret=secret_of(credential), sha256=None)
    assert digest is not None
    return Tokeniser(gateway.key).token(Kind.CREDENTIAL, digest)


def _obey(gateway: DecidingGateway, step: Step, *, sequence: int = 1) -> None:
    action = Action(
        action_id="0" * 32,
        campaign_id=CampaignId("C-1"),
        account_id=AccountId("acct_1"),
        scope=Scope.ACCOUNT,
        subject="acct_1",
        group="C-1",
        step=step,
        state=ActionState.IN_FORCE,
        begins_at=NOW + HOUR,
        ends_at=NOW + 3 * HOUR,
        reason="a test",
        reference="1" * 32,
        proposed_by="ana",
        requests_per_minute=2 if step is Step.THROTTLE else None,
    )
    known = {"acct_1": [_token(gateway, "key_1")]}
    gateway.obey([action], sequence=sequence, now=NOW, credentials=known)


def test_a_block_holds_for_its_account_while_it_lasts(gateway: DecidingGateway) -> None:
    """Not before it begins, not after it ends, and for nobody else."""
    _obey(gateway, Step.BLOCK)

    hours = [gateway.ask(_row("key_1", at=NOW + n * HOUR)) for n in range(4)]

    assert hours == [Answer.ANSWERED, Answer.REFUSED, Answer.REFUSED, Answer.ANSWERED]
    assert gateway.ask(_row("key_2", at=NOW + HOUR)) is Answer.ANSWERED


def test_before_there_is_a_snapshot_all_pass(gateway: DecidingGateway) -> None:
    """Nobody is refused for want of a decision."""
    assert gateway.ask(_row("key_1")) is Answer.ANSWERED


def test_a_budget_is_counted_in_the_worlds_time(gateway: DecidingGateway) -> None:
    """Two requests a minute, and again two in the next."""
    _obey(gateway, Step.THROTTLE)
    begins = NOW + HOUR
    seconds = [0, 1, 2, 65, 66]

    answers = [gateway.ask(_row("key_1", at=begins + timedelta(seconds=s))) for s in seconds]

    assert [a is Answer.THROTTLED for a in answers] == [False, False, True, False, False]


def test_what_is_lifted_is_over_at_once(gateway: DecidingGateway) -> None:
    """With the next snapshot."""
    _obey(gateway, Step.BLOCK)
    gateway.obey([], sequence=2, now=NOW, credentials={})

    assert gateway.ask(_row("key_1", at=NOW + HOUR)) is Answer.ANSWERED


def test_many_are_asked_as_one_is(gateway: DecidingGateway) -> None:
    """Row for row."""
    _obey(gateway, Step.BLOCK)
    rows = [
        {"exchange_id": f"ex_{n}", "account_id": "acct_1", **_row(f"key_{n}", at=NOW + HOUR)}
        for n in range(3)
    ]

    answers = gateway.ask_all(pa.Table.from_pylist(rows, EXCHANGES.arrow))

    assert answers == [Answer.ANSWERED, Answer.REFUSED, Answer.ANSWERED]
