"""What is read from a log before anything is done: owners, uses, shapes and totals."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from made_actions import KEY
from planted_campaign import (
    A_DAY,
    CAMPAIGN,
    DAYS,
    FIRM,
    OPERATORS,
    RESELLER,
    ROBBED,
    SYSTEM,
    Planted,
    planted,
)

from stillwatch.identity import Tokeniser
from stillwatch.identity.shapes import shape_of_row
from stillwatch.lake.log import open_log
from stillwatch.policy.facts import known_of
from stillwatch.policy.rules import Known, Use
from stillwatch.records import AccountId, CampaignId, Scope, write_parquet

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
EACH = DAYS * A_DAY


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return planted(tmp_path_factory.mktemp("planted"), NOW)


@pytest.fixture(scope="module")
def known(log: Planted) -> Known:
    return known_of(log.log(), log.findings, Tokeniser(KEY))


def uses_of(known: Known, account: str, scope: Scope) -> dict[str, Use]:
    found = known.uses[CampaignId(CAMPAIGN), AccountId(account)]
    return {use.subject: use for use in found if use.scope is scope}


def test_an_owner_is_known_over_all_its_accounts(known: Known) -> None:
    """Also over those that are no members."""
    robbed = known.accounts[AccountId(ROBBED)]
    assert robbed.owner is not None
    assert (robbed.owner.organisation, robbed.owner.accounts) == (FIRM, 2)
    assert robbed.owner.is_whole_on_one_domain
    assert (robbed.owner.payers, robbed.owner.main_payer) == (1, "pay-firm")
    assert (robbed.verified, robbed.plan) == ("contract", "enterprise")
    assert known.accounts[AccountId(OPERATORS[0])].owner is None
    assert not known.is_by_plan


def test_totals_are_of_the_whole_log(known: Known) -> None:
    """Of everybody who sends, and not only of members."""
    assert known.log_accounts == len(OPERATORS) + 3 + 400
    own = known.accounts[AccountId(RESELLER)]
    assert (own.exchanges, own.output_tokens) == (2 * EACH, 200 * EACH)


def test_a_credential_says_how_much_of_it_serves(known: Known) -> None:
    """Only those that serve are listed; an account's only one is marked."""
    resold = uses_of(known, RESELLER, Scope.CREDENTIAL)
    assert list(resold) == ["cred-resold-1"]
    assert (resold["cred-resold-1"].serving, resold["cred-resold-1"].share) == (EACH, 1.0)
    assert not resold["cred-resold-1"].is_only_one
    only = uses_of(known, OPERATORS[0], Scope.CREDENTIAL)[f"cred-{OPERATORS[0]}"]
    assert only.is_only_one
    assert not only.is_reported_leaked


def test_a_shape_is_counted_over_the_whole_log(log: Planted, known: Known, tmp_path: Path) -> None:
    """One that a stranger sends as well is less the campaign's own, whatever the space in it."""
    shape = shape_of_row(Tokeniser(KEY), {"model": "tern-2", "system_text": SYSTEM})
    found = uses_of(known, OPERATORS[0], Scope.SHAPE)
    assert list(found) == [shape]
    assert found[str(shape)].share == 1.0

    rows = pq.read_table(log.tables["exchanges"]).to_pylist()
    rest = [row for row in rows if row["account_id"] == "customer-000"]
    for row in rest:
        row["system_text"] = f" {SYSTEM.replace(' ', '  ')} "
    others = pq.read_table(log.tables["exchanges"]).schema
    import pyarrow as pa

    changed = [row for row in rows if row["account_id"] != "customer-000"] + rest
    write_parquet(pa.Table.from_pylist(changed, schema=others), tmp_path / "exchanges.parquet")
    shared = open_log(**{**log.tables, "exchanges": tmp_path / "exchanges.parquet"})
    again = known_of(shared, log.findings, Tokeniser(KEY))
    use = uses_of(again, OPERATORS[0], Scope.SHAPE)[str(shape)]
    assert use.exchanges == use.serving + len(rest)


def test_without_the_lakes_key_no_shape_is_named(log: Planted) -> None:
    """A gateway could not know it again."""
    known = known_of(log.log(), log.findings, None)
    assert uses_of(known, OPERATORS[0], Scope.SHAPE) == {}


def test_findings_from_which_something_was_erased_are_stale(log: Planted) -> None:
    """And a log without verification goes by the plan."""
    assert not known_of(log.log(), log.findings, None).campaigns[CampaignId(CAMPAIGN)].is_stale
    stale = replace(log.findings, notes={**log.findings.notes, "stale": [{"reason": "erased"}]})
    assert known_of(log.log(), stale, None).campaigns[CampaignId(CAMPAIGN)].is_stale
