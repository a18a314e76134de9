"""A log that lacks something still runs, and says what could not be seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planted_logs import DAY, START, LogBook, members_of, planted
from stillwatch.campaigns.scan import ScanSettings, missing_evidence, scan
from stillwatch.lake.log import open_log
from stillwatch.records import ACCOUNTS, EXCHANGES, Findings

TEXT = ("system_text", "input_text", "output_text")
NETWORK = ("client_ip", "client_net_token", "client_asn", "user_agent", "tls_fingerprint")
IDENTITY = ("payment_token", "device_token", "phone_token", "email_token", "signup_net_token")
FIRM = {
    "organization_id": "org",
    "organization_verified": "contract",
    "organization_since": START - 100 * DAY,
    "email_domain": "team.example",
}
METADATA_ONLY = (*EXCHANGES.required, "model", "input_tokens", "output_tokens", "status")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[LogBook, Path, set[str]]:
    """A planted log on the disk; the workers share cards, and networks in other pools."""
    book, workers = planted(31)
    for number, row in enumerate(book.exchanges):
        own = row["account_id"]
        network = f"proxy-{int(own[1:]) // 4}" if own in workers else f"net-{own}"
        row |= {"client_net_token": network, "user_agent": f"agent-{number % 9}"}
    folder = tmp_path_factory.mktemp("story")
    book.write(folder)
    return book, folder, set(workers)


def scan_without(
    folder: Path,
    out: Path,
    *,
    exchanges: Sequence[str] = (),
    accounts: Sequence[str] | None = (),
    emptied: bool = False,
) -> Findings:
    """Scan a copy that lacks these columns, or has them empty; None for no accounts at all."""
    out.mkdir()
    for source in sorted((folder / "exchanges").iterdir()):
        rows = pq.read_table(source)
        if emptied:
            kept = [
                {k: None if k in exchanges else v for k, v in r.items()} for r in rows.to_pylist()
            ]
            pq.write_table(EXCHANGES.table(kept), out / source.name)
        else:
            pq.write_table(rows.drop_columns(list(exchanges)), out / source.name)
    table = None
    if accounts is not None:
        table = out.with_suffix(".accounts")
        pq.write_table(
            pq.read_table(folder / "accounts.parquet").drop_columns(list(accounts)), table
        )
    return scan(
        open_log(exchanges=out, accounts=table), ScanSettings(with_timeline=False), notes={}
    )


def missing(findings: Findings) -> str:
    return "\n".join(findings.notes["missing_evidence"])


def test_with_all_evidence_the_campaign_is_found(story, tmp_path: Path) -> None:
    """The story is one that can be found: what follows is due to what is missing."""
    _, folder, workers = story
    findings = scan_without(folder, tmp_path / "log")

    assert members_of(findings) == workers
    assert "text" not in missing(findings)
    assert "network" not in missing(findings)


def test_without_networks_wording_and_cards_still_tell(story, tmp_path: Path) -> None:
    """Addresses and clients are a help and no need."""
    _, folder, workers = story
    findings = scan_without(folder, tmp_path / "log", exchanges=NETWORK)

    assert members_of(findings) == workers
    assert "no client network" in missing(findings)
    assert "no client software" in missing(findings)


def test_without_identities_networks_tie_nobody_and_it_is_said(story, tmp_path: Path) -> None:
    """Three offices would look like the three proxies of this campaign: it is seen and held back."""
    _, folder, workers = story
    findings = scan_without(folder, tmp_path / "log", accounts=IDENTITY)

    assert findings.campaigns.num_rows == 0
    assert "no payment or contact: hardly anything but wording and places" in missing(findings)
    held_back = [
        set(row["account_ids"])
        for row in findings.tested.to_pylist()
        if row["why_not_reported"].startswith("Wording alone ties it")
    ]
    assert workers in held_back


@pytest.mark.parametrize("emptied", [False, True], ids=["absent", "empty"])
def test_without_text_nobody_is_accused(story, tmp_path: Path, emptied: bool) -> None:
    """What was asked cannot be seen, so nothing is claimed."""
    findings = scan_without(story[1], tmp_path / "log", exchanges=TEXT, emptied=emptied)

    assert findings.campaigns.num_rows == 0
    assert "no prompt text" in missing(findings)
    assert "no answers" in missing(findings)


def test_without_answers_the_requests_still_tell(story, tmp_path: Path) -> None:
    """A log that keeps no answers costs one figure."""
    _, folder, workers = story
    findings = scan_without(folder, tmp_path / "log", exchanges=["output_text"])

    assert members_of(findings) == workers
    assert "no answers" in missing(findings)


def test_metadata_alone_runs_and_says_so(story, tmp_path: Path) -> None:
    """Counts and times name nobody."""
    columns = [c for c in EXCHANGES.names if c not in METADATA_ONLY]
    findings = scan_without(story[1], tmp_path / "log", exchanges=columns, accounts=None)

    assert findings.campaigns.num_rows == 0
    for words in ("no prompt text", "no conversations", "no credentials", "no accounts table"):
        assert words in missing(findings)


@pytest.fixture(scope="module")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A large declared team that works through a list, tied by the keys it shares."""
    book, team = planted(36, workers=40, **FIRM)
    for row in book.exchanges:
        own = row["account_id"]
        row["credential_id"] = f"key-{int(own[1:]) // 4}" if own in team else f"key-{own}"
    folder = tmp_path_factory.mktemp("firm")
    book.write(folder)
    return folder


@pytest.mark.parametrize(
    ("accounts", "said"),
    [
        (None, "no accounts table: payments, devices and organisations cannot be seen"),
        (("organization_id", "organization_verified", "organization_since"), "no organisations"),
    ],
    ids=["no table", "no columns"],
)
def test_where_nobody_could_declare_nobody_is_accused_of_not_declaring(
    firm, tmp_path: Path, accounts: Sequence[str] | None, said: str
) -> None:
    """However many the accounts: a declared team whose declaration the log lost stays unnamed."""
    findings = scan_without(firm, tmp_path / "log", accounts=accounts)

    assert findings.campaigns.num_rows == 0
    assert said in missing(findings)
    assert "nobody is reported" in missing(findings)
    (row,) = [r for r in findings.tested.to_pylist() if r["accounts"] == 40]
    assert (row["e_undeclared"], row["e_undeclared_max"]) == (1.0, 1.0)
    assert row["why_not_reported"] == (
        "Not shown to be undeclared: e-value 1; of 40 accounts the log does not say whether they "
        "declare an owner."
    )


def test_accounts_without_a_row_are_counted(story, tmp_path: Path) -> None:
    """The accounts table may have lost some."""
    _, folder, workers = story
    table = pq.read_table(folder / "accounts.parquet")
    lost = sorted(workers)[:3]
    kept = table.filter(pc.invert(pc.is_in(table["account_id"], pa.array(lost))))
    pq.write_table(kept, tmp_path / "accounts.parquet")
    log = open_log(exchanges=folder / "exchanges", accounts=tmp_path / "accounts.parquet")
    findings = scan(log, ScanSettings(with_timeline=False), notes={})

    assert "no row of 3 accounts (" in missing(findings)


def test_a_table_of_no_accounts_is_told(story, tmp_path: Path) -> None:
    """Its columns are there and nobody is in it: nothing can be shown to be undeclared."""
    _, folder, _ = story
    table = pq.read_table(folder / "accounts.parquet")
    pq.write_table(table.slice(0, 0), tmp_path / "accounts.parquet")
    log = open_log(exchanges=folder / "exchanges", accounts=tmp_path / "accounts.parquet")
    findings = scan(log, ScanSettings(with_timeline=False), notes={})

    assert findings.campaigns.num_rows == 0
    assert "nobody is reported" in missing(findings)


def test_contradicting_rows_are_counted_and_named(story, tmp_path: Path) -> None:
    """Two rows of an account that say different things are nothing to pass over."""
    _, folder, _ = story
    table = pq.read_table(folder / "accounts.parquet")
    again = table.slice(0, 2)
    place = table.column_names.index("plan")
    for number, plan in enumerate(("free", "team")):
        rows = again.set_column(place, "plan", pa.array([plan] * 2))
        pq.write_table(rows, tmp_path / f"{number}.parquet")
    pq.write_table(table, tmp_path / "whole.parquet")
    said = missing_evidence(open_log(exchanges=folder / "exchanges", accounts=tmp_path))

    assert any(text.startswith("contradicting rows of 2 accounts (plan)") for text in said)


def test_groups_held_back_are_among_those_that_could_not_be_shown(tmp_path: Path) -> None:
    """A group that only wording ties is as mute as any other where few say as much."""
    book = LogBook(37)
    book.people(12)
    book.firm(8)
    book.campaign(8, payment_token=None)
    findings = book.scan(tmp_path)

    assert "few accounts to compare with: 1 group could not" in missing(findings)


def test_without_verification_the_plan_is_taken_and_it_is_said(story, tmp_path: Path) -> None:
    """The contract's rule for logs without the column."""
    columns = ["organization_verified", "organization_since"]
    findings = scan_without(story[1], tmp_path / "log", accounts=columns)

    assert "plan enterprise or partner were taken as declared" in missing(findings)


def test_few_owners_are_too_few_and_it_is_said(tmp_path: Path) -> None:
    """A dozen customers cannot carry a rate of one in a hundred; the scan says what would."""
    book = LogBook(32)
    book.people(12)
    book.campaign(8)
    findings = book.scan(tmp_path)

    assert findings.campaigns.num_rows == 0
    assert "few owners: with 20 owners" in missing(findings)


@settings(max_examples=10, deadline=None)
@given(
    st.sets(st.sampled_from(sorted(set(EXCHANGES.names) - set(EXCHANGES.required)))),
    st.sets(st.sampled_from(sorted(set(ACCOUNTS.names) - {"account_id"}))),
)
def test_any_columns_may_be_missing(
    tmp_path_factory: pytest.TempPathFactory, exchanges: set[str], accounts: set[str]
) -> None:
    """No optional column, and no set of them, is needed for a run."""
    book = LogBook(33)
    book.people(6, prompts=6)
    folder = tmp_path_factory.mktemp("log")
    book.write(folder)
    findings = scan_without(
        folder, folder / "log", exchanges=sorted(exchanges), accounts=sorted(accounts)
    )

    assert findings.campaigns.num_rows == 0


def test_a_column_that_is_there_and_wholly_empty_is_missing_evidence(tmp_path: Path) -> None:
    """A table with all canonical columns, most of them null, is named for what it cannot show."""
    book = LogBook(35)
    book.people(6)
    for row in book.exchanges:
        row |= {"input_text": None, "output_text": None}
    said = missing_evidence(book.open(tmp_path))

    assert any("no prompt text" in text for text in said)
    assert any("no client network" in text for text in said)
