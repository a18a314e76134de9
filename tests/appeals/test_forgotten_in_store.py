"""An erased account is in no row of the store, and what protects others stays."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from appeals_server import KEY, Office
from click.testing import CliRunner

from stillwatch.cli.main import run
from stillwatch.identity import Kind, Tokeniser
from stillwatch.lake.manifest import Manifest
from stillwatch.policy.overturned import OVERTURNED
from stillwatch.policy.store.audit_check import check_store

ACCOUNT, WORDS = "acct-0001", "We are a class of thirty in Lund."


def forget(office: Office, *words: str) -> dict:
    given = ["lake", "forget", "--lake", str(office.folder), *words, "--json"]
    result = CliRunner().invoke(run, given)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def bytes_of(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def appealed(office: Office) -> Office:
    """An account that is blocked and has appealed, and another one."""
    Manifest(KEY.fingerprint).write(office.folder)
    first = office.block(ACCOUNT)
    office.block("acct-0002")
    office.store.appeals.submit(first.reference, WORDS, now=datetime.now(UTC))
    return office


def test_a_forgotten_account_leaves_its_token(appealed: Office) -> None:
    """The step goes on under it, and the record is whole."""
    told = forget(appealed, "--account", ACCOUNT)
    assert told["store"] == {"actions": 1, "appeals": 1}
    token = Tokeniser(KEY).token(Kind.ACCOUNT, ACCOUNT)
    in_force = {a.account_id: a.subject for a in appealed.store.actions.in_force(now=datetime.now(UTC))}  # fmt: skip
    assert in_force == {token: token, "acct-0002": "acct-0002"}
    (appeal,) = appealed.store.appeals.waiting()
    assert (appeal.account_id, appeal.text) == (token, "")
    assert check_store(appealed.store).ok
    rest = bytes_of(appealed.folder)
    assert ACCOUNT.encode() not in rest
    assert WORDS.encode() not in rest


def test_with_text_only_the_words_go_and_the_name_stays(appealed: Office) -> None:
    """As in the lake."""
    told = forget(appealed, "--account", ACCOUNT, "--text-only")
    assert told["store"] == {"actions": 0, "appeals": 1}
    (appeal,) = appealed.store.appeals.waiting()
    assert (appeal.account_id, appeal.text) == (ACCOUNT, "")


def test_a_dry_run_touches_nothing_and_age_keeps_what_is_young(appealed: Office) -> None:
    """An appeal that waits keeps its words, however long."""
    assert forget(appealed, "--account", ACCOUNT, "--dry-run")["store"] is None
    assert forget(appealed, "--older-than", "1")["store"] == {"actions": 0, "appeals": 0}
    (appeal,) = appealed.store.appeals.waiting()
    assert (appeal.account_id, appeal.text) == (ACCOUNT, WORDS)


def test_what_taught_the_detector_forgets_it_as_well(appealed: Office) -> None:
    """The file of overturned appeals names the token."""
    from stillwatch.policy.appeals import AppealState, Judgement

    store, now = appealed.store, datetime.now(UTC)
    ada, ben = (store.people.authenticate(appealed.tokens[name]) for name in ("ada", "ben"))
    (appeal,) = store.appeals.waiting()
    store.appeals.decide(appeal.appeal_id, Judgement(state=AppealState.OVERTURNED, reason="A class with one exercise."), ada, now=now)  # fmt: skip
    store.appeals.give_to_calibration(appeal.appeal_id, ben, now=now)
    (appealed.folder / OVERTURNED).write_text(json.dumps({"overturned": [{"account_id": ACCOUNT}]}))
    forget(appealed, "--account", ACCOUNT)
    kept = json.loads((appealed.folder / OVERTURNED).read_text())["overturned"]
    assert [row["account_id"] for row in kept] == [Tokeniser(KEY).token(Kind.ACCOUNT, ACCOUNT)]
