"""The contract's rule of declared togetherness, case by case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from planted_logs import DAY, JUDGE, START, LogBook, members_of, planted
from stillwatch.campaigns.declared import Declarations, Togetherness, take_out_declared
from stillwatch.campaigns.reading import Evidence, read_evidence
from stillwatch.lake.log import open_log
from stillwatch.linking.groups import Group
from stillwatch.records import ACCOUNTS
from stillwatch.signals.traffic import microseconds

FIRM = {
    "organization_id": "org",
    "organization_verified": "contract",
    "organization_since": START - 100 * DAY,
    "email_domain": "firm.example",
}


def told(*accounts: dict[str, Any]) -> LogBook:
    """A log of accounts that told this, with one exchange each on the first day."""
    book = LogBook(1)
    for number, facts in enumerate(accounts):
        book.account(f"a{number:02}", **facts)
        book.exchange(f"a{number:02}", "hello", START)
    return book


def weighed(book: LogBook, folder: Path, accounts: int | None = None) -> Togetherness:
    declarations = book.evidence(folder).declarations
    members = np.arange(accounts or len(book.accounts))
    return declarations.togetherness(members, microseconds(START))


@pytest.mark.parametrize("verified", ["contract", "kyc"])
def test_a_contract_or_an_identity_check_declares(tmp_path: Path, verified: str) -> None:
    """Verified either way, a hundred days old, all accounts inside: openly together."""
    facts = FIRM | {"organization_verified": verified, "email_domain": None}
    found = weighed(told(*[facts] * 6), tmp_path)

    assert found.openly
    assert (found.organisation, found.inside) == ("org", 6)
    assert found.log_e < 0


@pytest.mark.parametrize("verified", ["none", None, "promised"])
def test_an_organisation_that_nobody_verified_declares_nothing(
    tmp_path: Path, verified: str | None
) -> None:
    """Anyone can type a name."""
    found = weighed(told(*[FIRM | {"organization_verified": verified}] * 6), tmp_path)

    assert not found.openly
    assert found.inside == 0


@pytest.mark.parametrize(
    ("domains", "openly"),
    [
        (["firm.example"] * 6, True),
        (["firm.example"] * 5 + ["elsewhere.example"], False),
        (["firm.example"] * 5 + [None], False),
        ([None] * 6, False),
    ],
    ids=["whole", "one elsewhere", "one without", "none"],
)
def test_a_domain_declares_if_all_members_are_on_it(
    tmp_path: Path, domains: list[str | None], openly: bool
) -> None:
    """An organisation known by its domain is one only when whole."""
    facts = [FIRM | {"organization_verified": "domain", "email_domain": d} for d in domains]

    assert weighed(told(*facts), tmp_path).openly is openly


def test_a_member_elsewhere_spoils_the_domain_even_outside_the_group(tmp_path: Path) -> None:
    """All members of the organisation count, not only those in the group."""
    by_domain = FIRM | {"organization_verified": "domain"}
    book = told(*[by_domain] * 6, by_domain | {"email_domain": "elsewhere.example"})

    assert not weighed(book, tmp_path, accounts=6).openly


@pytest.mark.parametrize(("days", "openly"), [(29, False), (30, True), (31, True)])
def test_a_declaration_counts_after_thirty_days(tmp_path: Path, days: int, openly: bool) -> None:
    """An organisation made for the occasion declares nothing."""
    facts = FIRM | {"organization_since": START - days * DAY}

    assert weighed(told(*[facts] * 6), tmp_path).openly is openly


def test_a_declaration_without_a_date_does_not_count(tmp_path: Path) -> None:
    """Nobody knows whether it is thirty days old."""
    assert not weighed(told(*[FIRM | {"organization_since": None}] * 6), tmp_path).openly


@pytest.mark.parametrize(
    ("plan", "openly"),
    [("enterprise", True), ("partner", True), ("team", False), ("free", False), (None, False)],
)
def test_where_the_columns_are_missing_the_plan_decides(
    tmp_path: Path, plan: str | None, openly: bool
) -> None:
    """And the log says that it had to be so."""
    book = told(*[{"organization_id": "org", "plan": plan}] * 6)
    book.write(tmp_path)
    columns = [
        c for c in ACCOUNTS.names if c not in ("organization_verified", "organization_since")
    ]
    path = tmp_path / "accounts.parquet"
    pq.write_table(pq.read_table(path).select(columns), path)
    evidence = book.evidence(tmp_path)

    assert evidence.declarations.by_plan
    found = evidence.declarations.togetherness(np.arange(6), microseconds(START))
    assert found.openly is openly


def test_an_empty_verification_column_is_not_a_missing_one(tmp_path: Path) -> None:
    """Where the log could say, silence means that nobody verified."""
    book = told(*[FIRM | {"organization_verified": None, "plan": "enterprise"}] * 6)

    assert not weighed(book, tmp_path).openly


SHARED = [
    {"email_domain": "firm.example"},
    {"payment_token": "firm-card"},
    {"signup_net_token": "firm-net"},
]


@pytest.mark.parametrize("shared", SHARED, ids=["domain", "payment", "network"])
@pytest.mark.parametrize(("inside", "openly"), [(8, True), (7, False)])
def test_four_fifths_inside_and_the_rest_sharing_is_open(
    tmp_path: Path, shared: dict[str, str], inside: int, openly: bool
) -> None:
    """Eight of ten are enough if the other two share domain, payment or network; seven are not."""
    firm = FIRM | {"payment_token": "firm-card", "signup_net_token": "firm-net"}
    book = told(*[firm] * inside, *[shared] * (10 - inside))

    assert weighed(book, tmp_path).openly is openly


def test_a_stranger_among_the_rest_makes_it_undeclared(tmp_path: Path) -> None:
    """One account that shares nothing with the organisation is not openly of it."""
    book = told(*[FIRM] * 9, {"email_domain": "elsewhere.example"})

    assert not weighed(book, tmp_path).openly


def test_values_that_are_absent_are_not_shared(tmp_path: Path) -> None:
    """Two accounts without a card do not share one."""
    book = told(*[FIRM | {"email_domain": None}] * 9, {})

    assert not weighed(book, tmp_path).openly


def test_a_group_that_spans_two_organisations_is_undeclared(tmp_path: Path) -> None:
    """Each declares its own accounts, and neither the whole."""
    other = FIRM | {"organization_id": "other", "email_domain": "other.example"}
    found = weighed(told(*[FIRM] * 5, *[other] * 5), tmp_path)

    assert not found.openly
    assert found.inside == 5


def test_the_evidence_grows_with_each_undeclared_account(tmp_path: Path) -> None:
    """A likelihood ratio: more accounts without a mark, more evidence, up to its cap."""
    book = told(*[FIRM] * 20, *[{}] * 20)
    declarations = book.evidence(tmp_path).declarations
    values = [
        declarations.togetherness(np.arange(20, 20 + n), microseconds(START)).log_e
        for n in range(1, 21)
    ]

    assert declarations.missing_rate == pytest.approx(1 / 22)
    assert (np.diff(values) >= 0).all()
    assert values[0] == pytest.approx(np.log(0.9 * 22))
    assert values[-1] == pytest.approx(np.log(1e9))


def test_accounts_that_lack_their_mark_raise_the_rate(tmp_path: Path) -> None:
    """What is often forgotten proves little when it is missing."""
    book = told(*[FIRM] * 6, *[{"email_domain": "firm.example"}] * 2)

    assert book.evidence(tmp_path).declarations.missing_rate == pytest.approx(3 / 10)


def test_a_log_without_declarations_claims_no_certainty(tmp_path: Path) -> None:
    """Where nobody declares anything, a missing mark says next to nothing."""
    assert told(*[{}] * 6).evidence(tmp_path).declarations.missing_rate == 0.5


def firm_in_a_campaign(**shared: Any) -> tuple[LogBook, list[str], list[str]]:
    """A firm whose team writes with the same published wrapper as a campaign."""
    book = LogBook(2)
    book.people(60)
    team = book.firm(8, name="team", prompts=0)
    for member in team:
        for _ in range(30):
            text = JUDGE.format(" ".join(book.rng.sample(("lantern", "harbour", "quay"), 2)))
            book.exchange(member, text, book.moment(1))
    workers = book.campaign(10)
    for row in book.accounts:
        if row["account_id"] in (team[0], workers[0]):
            row |= shared
    return book, team, workers


def taken_out(book: LogBook, folder: Path) -> tuple[list[set[str]], Evidence]:
    evidence = book.evidence(folder)
    names = evidence.traffic.account_names
    in_it = np.flatnonzero([n.startswith(("team", "w")) for n in names])
    rows = np.flatnonzero(np.isin(evidence.traffic.accounts, in_it))
    group = Group(in_it, np.zeros(0, np.int64), rows, by_wording=True)
    parts = take_out_declared([group], evidence.declarations, evidence.facts, evidence.traffic)
    for part in parts:
        assert set(evidence.traffic.accounts[part.rows].tolist()) == set(part.accounts.tolist())
    return [set(names[part.accounts].tolist()) for part in parts], evidence


def test_a_firm_that_only_words_tie_to_a_group_is_set_apart(tmp_path: Path) -> None:
    """A published template makes an honest team write like a campaign."""
    book, team, workers = firm_in_a_campaign()
    parts, _ = taken_out(book, tmp_path)

    assert parts == [set(team), set(workers)]


def test_a_firm_that_shares_a_card_with_the_rest_stays_in(tmp_path: Path) -> None:
    """Declaration explains acting as one among its own, not with others."""
    book, team, workers = firm_in_a_campaign(payment_token="one-card")
    parts, _ = taken_out(book, tmp_path)

    assert parts == [{*team, *workers}]


def test_a_shared_network_does_not_keep_a_firm_in(tmp_path: Path) -> None:
    """Strangers meet in networks."""
    book, team, workers = firm_in_a_campaign(signup_net_token="campus")
    parts, _ = taken_out(book, tmp_path)

    assert parts == [set(team), set(workers)]


def test_an_undeclared_team_that_collects_is_a_campaign(tmp_path: Path) -> None:
    """Naming an organisation that nobody verified protects nobody."""
    book, workers = planted(1, organization_id="shell", organization_verified="none")

    assert members_of(book.scan(tmp_path)) == set(workers)


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (
            {"organization_verified": "none"},
            "name one organisation, which does not count as declared: it is not verified",
        ),
        (
            {"organization_verified": "contract", "organization_since": START - 12 * DAY},
            "name one organisation, which does not count as declared: it is verified, but not for "
            "30 days at their first exchange",
        ),
        (
            {"organization_verified": "contract"},
            "name one organisation, which does not count as declared: it is verified, but the log "
            "does not say since when",
        ),
    ],
)
def test_a_report_says_which_owner_its_accounts_name(
    facts: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """What does not count as declared is reported, and nobody is said to have named no owner."""
    book, workers = planted(1, organization_id="publisher", **facts)
    findings = book.scan(tmp_path)
    (row,) = findings.campaigns.to_pylist()
    (weighed,) = [r for r in findings.tested.to_pylist() if set(r["account_ids"]) == set(workers)]
    named = f"{len(workers)} of {len(workers)} accounts {said}"

    assert named in row["summary"]
    assert "do not declare themselves" not in row["summary"]
    assert named in findings.notes["clauses"][row["campaign_id"]]["undeclared"]["observed"]
    assert named in weighed["honest_explanation"]
    assert findings.notes["disprove"][row["campaign_id"]][0].startswith("The organisation that")


@pytest.mark.parametrize(("naming", "said"), [(4, 0), (5, 5), (6, 6)])
def test_what_fewer_than_half_of_the_accounts_say_is_not_said_of_the_group(
    naming: int, said: int, tmp_path: Path
) -> None:
    """Four of ten who name a firm do not speak for the others."""
    named = FIRM | {"organization_verified": "none"}
    elsewhere = [{"organization_verified": "none"}] * (10 - naming)
    claim = weighed(told(*[named] * naming, *elsewhere), tmp_path).claim

    assert (claim.naming, claim.on_domain) == (said, said)


def test_a_report_says_that_its_accounts_have_a_domain_of_their_own(tmp_path: Path) -> None:
    """A clinic's desk, on the clinic's mail; the domain of everybody says nothing of anybody."""
    book, workers = planted(1, email_domain="clinic.example")
    (row,) = book.scan(tmp_path).campaigns.to_pylist()

    assert f"{len(workers)} of {len(workers)} accounts are on one e-mail domain" in row["summary"]

    book, _ = planted(1)
    for account in book.accounts:
        account["email_domain"] = account["email_domain"] or "mail.example"
    (row,) = book.scan(tmp_path / "everybody").campaigns.to_pylist()

    assert "e-mail domain" not in row["summary"]


def test_a_declared_team_that_collects_is_for_a_person(tmp_path: Path) -> None:
    """It is weighed and kept in `tested`, and not reported."""
    book, workers = planted(1, **FIRM)
    findings = book.scan(tmp_path)

    assert findings.campaigns.num_rows == 0
    (row,) = [r for r in findings.tested.to_pylist() if set(r["account_ids"]) == set(workers)]
    assert "declared organisation" in row["why_not_reported"]
    assert "declared organisation" in row["honest_explanation"]


def test_a_log_without_accounts_declares_nothing(tmp_path: Path) -> None:
    """No table, no organisations: nobody is openly together, and nobody is shown not to be."""
    book = told(*[FIRM] * 6)
    book.write(tmp_path)
    declarations: Declarations = read_evidence(
        open_log(exchanges=tmp_path / "exchanges")
    ).declarations
    found = declarations.togetherness(np.arange(6), microseconds(START))

    assert not found.openly
    assert (found.log_e, found.largest, found.unknown) == (0.0, 0.0, 6)


def test_a_log_that_keeps_no_organisations_shows_nothing(tmp_path: Path) -> None:
    """Forty accounts of which nothing is known weigh no more than one."""
    found = weighed(told(*[{}] * 40), tmp_path)

    assert (found.log_e, found.largest, found.unknown) == (0.0, 0.0, 40)


def test_none_is_a_word_of_the_record(tmp_path: Path) -> None:
    """Who says that nobody declared an owner has said something."""
    found = weighed(told(*[{"organization_verified": "none"}] * 40), tmp_path)

    assert found.unknown == 0
    assert found.log_e == pytest.approx(np.log(1e9))


def test_an_account_without_a_row_weighs_nothing(tmp_path: Path) -> None:
    """Twelve accounts of a firm, of which the table has lost ten, hide nothing from anybody."""
    book = told(*[FIRM] * 40)
    lost = {f"a{number:02}" for number in range(10)}
    book.accounts = [row for row in book.accounts if row["account_id"] not in lost]
    book.exchange("a00", "hello", START)
    declarations = book.evidence(tmp_path).declarations
    found = declarations.togetherness(np.arange(12), microseconds(START))

    assert (found.inside, found.unknown) == (2, 10)
    assert found.log_e < 0
