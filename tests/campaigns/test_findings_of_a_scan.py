"""What a scan leaves behind: whole, consistent, and the same for the same evidence."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from planted_logs import DAY, JUDGE, START, VOCABULARY, LogBook, members_of, planted
from stillwatch.campaigns.scan import ScanSettings, scan
from stillwatch.lake.log import open_log
from stillwatch.records import EXCHANGES, FINDINGS_TABLES, Findings, Target, conform

SECOND_LIST = (
    "Write a complete python function with unit tests and docstrings, handle edge cases, and "
    "optimise the algorithm for this task: {}"
)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[LogBook, Findings]:
    """Two campaigns with different lists; the judges share cards, networks and keys."""
    book, judges = planted(21, workers=14)
    book.campaign(13, wrapper=SECOND_LIST, name="coder")
    for row in book.accounts:
        if row["account_id"] in judges:
            row["payment_token"] = f"card-{int(row['account_id'][1:]) // 5}"
    return book, book.scan(tmp_path_factory.mktemp("story"))


def expected_members(book: LogBook) -> dict[str, set[str]]:
    names = {r["account_id"] for r in book.accounts}
    return {
        "grading": {n for n in names if n.startswith("w")},
        "code": {n for n in names if n.startswith("coder")},
    }


def test_both_campaigns_are_found_with_exactly_their_members(story) -> None:
    """Two lists, two campaigns, told apart by what they collect."""
    book, findings = story
    found = {}
    for row in findings.campaigns.to_pylist():
        members = findings.members.to_pylist()
        found[row["targets"][0]] = {
            m["account_id"] for m in members if m["campaign_id"] == row["campaign_id"]
        }

    assert found == expected_members(book)


def test_all_tables_conform_to_their_schemas(story) -> None:
    """Nothing to cast, nothing missing, nothing beside."""
    for schema in FINDINGS_TABLES:
        table = story[1].table(schema.name)
        conformed = conform(table, schema, where=schema.name)
        assert table.schema.names == list(schema.names)
        assert table.schema.types == schema.arrow.types
        assert conformed.problems == ()
        assert conformed.table.num_rows == table.num_rows > 0


def test_a_finding_is_worth_the_least_of_its_clauses(story) -> None:
    """Never their product or their mean."""
    for row in story[1].campaigns.to_pylist():
        clauses = [row["e_acts_as_one"], row["e_undeclared"], row["e_collects"]]
        assert row["e_value"] == min(clauses)
        assert row["e_value"] > 1 / 0.01


def test_tested_holds_every_group_with_its_clauses_and_bounds(story) -> None:
    """Reported or not: with the reason where it was not, and no clause above its largest value."""
    _, findings = story
    tested = findings.tested.to_pylist()
    campaigns = {r["campaign_id"]: r for r in findings.campaigns.to_pylist()}

    assert {t["campaign_id"] for t in tested} - {None} == set(campaigns)
    assert len(tested) > len(campaigns)
    for row in tested:
        assert (row["why_not_reported"] is None) == (row["campaign_id"] is not None)
        assert row["honest_explanation"]
        assert row["accounts"] == len(row["account_ids"]) >= 5
        for clause in ("e_acts_as_one", "e_undeclared", "e_collects"):
            assert 0 <= row[clause] <= row[f"{clause}_max"] * (1 + 1e-9)
            if row["campaign_id"]:
                assert row[clause] == campaigns[row["campaign_id"]][clause]


def test_no_account_is_weighed_in_two_groups(story) -> None:
    """A group's members are its own."""
    accounts = [a for row in story[1].tested.to_pylist() for a in row["account_ids"]]

    assert len(accounts) == len(set(accounts))


def test_links_join_members_of_one_campaign(story) -> None:
    """Both ends are members, in order, and the evidence is for them."""
    _, findings = story
    campaign_of = {m["account_id"]: m["campaign_id"] for m in findings.members.to_pylist()}
    links = findings.links.to_pylist()

    assert {k["kind"] for k in links} >= {"template", "payment"}
    for link in links:
        assert campaign_of[link["account_a"]] == campaign_of[link["account_b"]]
        assert link["account_a"] < link["account_b"]
        assert link["log_lr"] > 0


def test_attributed_exchanges_are_those_with_the_wrapper(story) -> None:
    """Each exchange of the lists, once, under the right campaign and target."""
    book, findings = story
    rows = findings.exchanges.to_pylist()
    wrapped = {e["exchange_id"] for e in book.exchanges if e["account_id"][0] in "wc"}

    assert {r["exchange_id"] for r in rows} == wrapped
    assert len(rows) == len(wrapped)
    assert {r["target"] for r in rows} <= set(Target)
    owner = {e["exchange_id"]: e["account_id"] for e in book.exchanges}
    assert all(owner[r["exchange_id"]] == r["account_id"] for r in rows)


def test_sizes_are_those_of_the_other_tables(story) -> None:
    """Accounts, exchanges, tokens and dates of a campaign can be counted again."""
    book, findings = story
    by_id = {e["exchange_id"]: e for e in book.exchanges}
    for row in findings.campaigns.to_pylist():
        own = [
            by_id[r["exchange_id"]]
            for r in findings.exchanges.to_pylist()
            if r["campaign_id"] == row["campaign_id"]
        ]
        assert row["accounts"] == len({e["account_id"] for e in own})
        assert row["exchanges"] == len(own)
        assert row["estimated_tokens"] == sum(e["output_tokens"] for e in own)
        assert row["first_seen"] == min(e["started_at"] for e in own)
        assert row["last_seen"] == max(e["started_at"] for e in own)
        assert f"{row['exchanges']:,}" in row["summary"]


def test_each_member_has_reasons_with_figures_and_exchanges(story) -> None:
    """In words, with what is usual, and ids of exchanges of its own that show it."""
    book, findings = story
    owner = {e["exchange_id"]: e["account_id"] for e in book.exchanges}
    for member in findings.members.to_pylist():
        signals = [r["signal"] for r in member["reasons"]]
        assert signals[0] == "templates"
        assert member["e_value"] > 1
        for reason in member["reasons"]:
            assert reason["text"]
            assert reason["observed"]
            assert reason["baseline"]
            assert reason["evidence"]
            assert {owner[e] for e in reason["evidence"]} == {member["account_id"]}


def test_the_rate_of_a_campaign_is_one_at_which_it_is_reported(story, tmp_path: Path) -> None:
    """At `fdr_q` it is found, at less it is not."""
    book, findings = story
    rates = [r["fdr_q"] for r in findings.campaigns.to_pylist()]
    assert max(rates) <= 0.01
    at = book.scan(tmp_path / "log", rate=max(rates)).campaigns.num_rows
    below = book.scan(tmp_path / "log", rate=min(rates) / 1.1).campaigns.num_rows

    assert (at, below) == (2, 0)


def test_more_evidence_never_has_a_larger_rate(story) -> None:
    """`fdr_q` falls as the e-value rises."""
    rows = sorted(story[1].campaigns.to_pylist(), key=lambda r: r["e_value"])

    assert (np.diff([r["fdr_q"] for r in rows]) <= 0).all()


def test_a_campaign_keeps_its_id_as_it_grows(tmp_path: Path) -> None:
    """Weeks later, with twice the accounts, it is still the same campaign."""
    book, early = planted(22)
    late = book.campaign(12, days=[4, 5], name="wz")
    first = book.scan(tmp_path, until=START + 4 * DAY)
    last = book.scan(tmp_path)

    assert members_of(first) == set(early)
    assert members_of(last) == {*early, *late}
    assert first.campaigns["campaign_id"].to_pylist() == last.campaigns["campaign_id"].to_pylist()


@pytest.mark.parametrize(("days", "status"), [(6, "active"), (8, "ended")])
def test_a_campaign_ends_after_seven_quiet_days(tmp_path: Path, days: int, status: str) -> None:
    """As of the scan's moment, and no sooner."""
    book, _ = planted(23)
    last = max(e["started_at"] for e in book.exchanges if e["account_id"].startswith("w"))
    book.exchange("p000", "one more question", last + timedelta(days=days))

    assert book.scan(tmp_path).campaigns["status"].to_pylist() == [status]


def test_files_and_rows_in_another_order_give_the_same_findings(tmp_path: Path) -> None:
    """Also where some rows were shipped twice: the tables are equal, value for value."""
    book, _ = planted(24)
    for number, row in enumerate(book.exchanges):
        row |= {"client_net_token": f"net-{number % 90}", "user_agent": f"agent-{number % 11}"}
    one = book.scan(tmp_path / "one", rate=0.05, timeline=True)
    rows = book.exchanges + book.exchanges[::3]
    book.rng.shuffle(rows)
    (tmp_path / "other").mkdir()
    for number in range(3):
        table = EXCHANGES.table(rows[number::3])
        pq.write_table(table, tmp_path / "other" / f"{number}.parquet")
    log = open_log(exchanges=tmp_path / "other", accounts=tmp_path / "one" / "accounts.parquet")
    other = scan(log, ScanSettings(rate=0.05), notes={})

    assert other.notes["left_out"] == {"the id was seen before": len(book.exchanges[::3])}
    for schema in FINDINGS_TABLES:
        assert one.table(schema.name).equals(other.table(schema.name)), schema.name
    assert one.campaigns.num_rows == 1


def test_times_as_milliseconds_give_the_same_findings(tmp_path: Path) -> None:
    """A log whose times are whole numbers is read by its views and its batches alike."""
    book, workers = planted(23)
    whole = book.scan(tmp_path)
    for path in (tmp_path / "exchanges").iterdir():
        table = pq.read_table(path)
        times = table["started_at"].cast(pa.int64())
        milliseconds = pc.divide(times, 1000)  # the stories keep to whole seconds
        place = table.column_names.index("started_at")
        pq.write_table(table.set_column(place, "started_at", milliseconds), path)
    numbers = book.scan(tmp_path)

    assert members_of(numbers) == members_of(whole) == set(workers)
    assert numbers.exchanges.equals(whole.exchanges)


def test_a_lone_worker_is_no_campaign(tmp_path: Path) -> None:
    """One account that harvests is for a rate limit; nothing can be said of acting as one."""
    book, _ = planted(25, workers=1, daily=60)

    assert book.scan(tmp_path).campaigns.num_rows == 0


def test_workers_are_found_beside_stolen_keys_whose_owners_are_not_named(tmp_path: Path) -> None:
    """The owners ask what concerns them in the queue's wording; the thief sends items by their keys."""
    book, workers = planted(workers=20)
    book.people(150, name="z", prompts=40)
    keys = book.people(4, name="key", wrapper=JUDGE, prompts=40)
    for key in keys * 30:
        item = JUDGE.format(" ".join(book.rng.sample(VOCABULARY, 14)))
        book.exchange(key, item, book.moment(book.rng.randrange(6)))

    assert members_of(book.scan(tmp_path, rate=0.05)) == set(workers)


def test_an_honest_crowd_with_the_judges_wrapper_is_not_reported(tmp_path: Path) -> None:
    """Users of a grading app, each with subjects of their own, do not act as one."""
    book = LogBook(26)
    book.people(90)
    book.people(40, name="q", prompts=40)
    book.firm()
    crowd = book.people(30, name="grader", wrapper=JUDGE, prompts=20)
    findings = book.scan(tmp_path)

    assert findings.campaigns.num_rows == 0
    (row,) = [r for r in findings.tested.to_pylist() if set(r["account_ids"]) == set(crowd)]
    assert row["why_not_reported"].startswith("Not shown to act as one")


def test_a_queue_that_collects_nothing_is_not_reported(tmp_path: Path) -> None:
    """A vendor that works through one list of its clients' tickets acts as one, and only that."""
    book, desk = planted(
        27, wrapper="Summarise this customer ticket for our invoice desk and extract the order: {}"
    )
    findings = book.scan(tmp_path)

    assert findings.campaigns.num_rows == 0
    (row,) = [r for r in findings.tested.to_pylist() if set(r["account_ids"]) == set(desk)]
    assert row["why_not_reported"].startswith("Not shown to collect")


def test_wording_alone_accuses_nobody(tmp_path: Path) -> None:
    """Strangers share wording: without a card, device, network or key in common none is reported."""
    book, workers = planted(28, payment_token=None)
    findings = book.scan(tmp_path)

    assert findings.campaigns.num_rows == 0
    (row,) = [r for r in findings.tested.to_pylist() if set(r["account_ids"]) == set(workers)]
    assert row["why_not_reported"].startswith("Wording alone ties it")


def test_a_fact_that_many_hold_ties_nobody(tmp_path: Path) -> None:
    """A virtual card issuer that half of the log uses is no tie either."""
    book, _ = planted(28, payment_token="virtual")
    for row in book.accounts[::2]:
        row["payment_token"] = "virtual"

    assert book.scan(tmp_path).campaigns.num_rows == 0
