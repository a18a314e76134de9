"""`stillwatch explain` says why, why not, or what was meant."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from dossier_builders import CAMPAIGN, build_findings, campaign_exchanges

from stillwatch.cli.explain import command
from stillwatch.lake.store import Lake
from stillwatch.records import Findings, write_findings


@pytest.fixture
def found(tmp_path):
    write_findings(build_findings(campaign_exchanges(24, 3)), tmp_path)
    return tmp_path


def _rows():
    return campaign_exchanges(24, 3)


def _run(folder, wanted, *options):
    return CliRunner().invoke(command, [wanted, "--findings", str(folder), *options])


def test_a_campaign_is_explained_by_its_three_claims(found):
    """Each claim has a sentence, its figure and what is usual."""
    result = _run(found, CAMPAIGN, "--json")

    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (answer["id"], answer["kind"]) == (CAMPAIGN, "campaign")
    assert [r["signal"] for r in answer["reasons"]] == ["acts_as_one", "undeclared", "collects"]
    assert answer["reasons"][0]["observed"] == "3 repeats in 4,800 items"
    assert answer["accounts_by_role"] == {"operator": 21, "mixed": 2, "compromised": 1}


def test_a_member_is_explained_by_its_own_reasons(found):
    """The account's campaign, role and reasons, in words."""
    result = _run(found, "acct-0003")

    assert result.exit_code == 0
    assert result.stdout == ""
    assert f"Account acct-0003 serves {CAMPAIGN} as operator" in result.stderr
    assert "It sends the campaign's private template." in result.stderr
    assert "usual: under 0.01 % of other accounts' prompts" in result.stderr


def test_json_of_a_member_names_its_campaigns(found):
    """A program finds the campaigns, their role and share, beside the reasons."""
    answer = json.loads(_run(found, "acct-0003", "--json").stdout)

    (campaign,) = answer["campaigns"]
    assert (campaign["campaign_id"], campaign["role"]) == (CAMPAIGN, "operator")
    assert {r["signal"] for r in answer["reasons"]} >= {"template", "payment"}
    assert answer["tested"][0]["group_id"] == "g-01"


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("Not shown to act as one: e-value 3.", "collects not asked"),
        ("Wording alone ties it: 0% of the accounts share a card.", "collects not asked"),
        ("Not shown to collect: 40 of 900 owners look as much like it.", "collects 0"),
    ],
)
def test_what_was_not_asked_is_no_figure(found, why, said):
    """A group that another claim held back was never asked what it collects."""
    table = pq.read_table(found / "tested.parquet")
    for name, value in (("why_not_reported", why), ("e_collects", 0.0)):
        column = pa.array([value] * len(table), table.schema.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, found / "tested.parquet")

    (reason,) = json.loads(_run(found, "person-0002", "--json").stdout)["reasons"]

    assert reason["observed"].endswith(said)


def test_an_account_that_was_weighed_and_cleared_learns_why(found):
    """Its group, the honest explanation and the reason it was not reported."""
    result = _run(found, "person-0002", "--json")

    answer = json.loads(result.stdout)
    (reason,) = answer["reasons"]
    assert result.exit_code == 0
    assert "Its members repeat the same items, so no queue divides them." in reason["text"]
    assert reason["observed"].endswith("collects 0.4")
    assert reason["baseline"].endswith("acts as one 500, undeclared 9,000, collects 700")
    (group,) = answer["tested"]
    assert group["honest_explanation"] == "A class that works through one exercise sheet."
    assert "is in no campaign" in result.stderr


def test_a_group_that_was_weighed_learns_why_it_is_none(found):
    """The ids of `tested.parquet` are explained like those of campaigns."""
    result = _run(found, "g-02", "--json")

    answer = json.loads(result.stdout)
    (reason,) = answer["reasons"]
    assert result.exit_code == 0
    assert (answer["kind"], answer["campaigns"]) == ("group", [])
    assert "so no queue divides them." in reason["text"]
    assert "person-0002" in answer["account_ids"]
    assert "is not reported." in result.stderr
    assert "Honest explanation considered: A class" in result.stderr


def test_a_group_that_was_reported_leads_to_its_campaign(found):
    """Where to read on stands below, as for a member."""
    said = _run(found, "g-01").stderr

    assert f"is reported as {CAMPAIGN}." in said
    assert f"Next: stillwatch explain {CAMPAIGN}" in said


def test_a_group_that_is_not_there_is_no_account(found):
    """An id of a group's form that these findings lack is refused, not explained as an account."""
    result = _run(found, "G-0123456789")

    assert result.exit_code == 2
    assert "these findings hold no group 'G-0123456789'" in result.stderr


def test_the_honest_explanation_has_a_line_for_each_side(tmp_path):
    """What a group was cleared by is no figure "usual" beside its e-values."""
    findings = build_findings(_rows())
    words = "A class. For it: all had one sheet. Against it: nothing (they repeat its items)."
    tested = findings.tested
    told = pa.array([words] * tested.num_rows)
    place = tested.column_names.index("honest_explanation")
    findings = replace(findings, tested=tested.set_column(place, "honest_explanation", told))
    write_findings(findings, tmp_path)

    lines = _run(tmp_path, "person-0002").stderr.splitlines()

    start = lines.index("Honest explanation considered: A class.")
    assert lines[start + 1 : start + 3] == [
        "    for it: all had one sheet.",
        "    against it: nothing (they repeat its items).",
    ]
    assert "Why not:" in lines[:start]


def test_the_e_value_of_an_account_is_that_of_an_exchange(found):
    """It is no evidence about groups, and is not worded as such."""
    said = _run(found, "acct-0003").stderr

    assert "its clearest exchange has an e-value of" in said
    assert "such exchanges" in said
    assert "such groups" not in said


def test_an_account_that_nothing_links_is_told_so(found):
    """No evidence is an answer, not an error."""
    result = _run(found, "person-0999", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["reasons"] == []
    assert "Nothing links account person-0999" in result.stderr


@pytest.mark.parametrize("holder", ["tables", "lake"])
def test_an_id_that_the_log_does_not_have_is_refused(holder, tmp_path):
    """Whom the log knows is told that nothing links them; anybody else does not exist."""
    if holder == "lake":
        with Lake.create(tmp_path / "log", "fingerprint").writer() as writer:
            writer.add("accounts", pa.table({"account_id": ["person-0999"]}))
    else:
        (tmp_path / "log").mkdir()
        pq.write_table(pa.table({"account_id": ["person-0999"]}), tmp_path / "log" / "1.parquet")
    findings = build_findings(_rows())
    notes = findings.notes | {"log": [str(tmp_path / "log")]}
    write_findings(replace(findings, notes=notes), tmp_path / "found")

    known = _run(tmp_path / "found", "person-0999")
    unknown = _run(tmp_path / "found", "nope")

    assert (known.exit_code, unknown.exit_code) == (0, 2)
    assert "Nothing links account person-0999" in known.stderr
    assert "in doubt" not in known.stderr
    assert "know 'nope'" in unknown.stderr
    assert "the campaigns that the scan printed" in unknown.stderr


def test_without_the_log_nobody_knows_whether_an_account_exists(found):
    """Findings that were copied from where they were made say so, and what to check."""
    said = _run(found, "nope").stderr

    assert "check the id if in doubt" in said


@pytest.mark.parametrize(
    ("slip", "meant"), [("c-7f3a91", CAMPAIGN), ("C-7f3a19", CAMPAIGN), ("act-0003", "acct-0003")]
)
def test_a_slip_of_the_pen_gets_the_id_that_was_meant(found, slip, meant):
    """Unknown ids end with exit status 2 and a suggestion, and no traceback."""
    result = _run(found, slip)

    assert result.exit_code == 2
    assert f"Did you mean '{meant}'?" in result.stderr


def test_the_neighbour_of_a_member_by_number_is_not_taken_for_a_slip(found):
    """acct-0099 is another customer, not a misspelt acct-0009."""
    result = _run(found, "acct-0099")

    assert result.exit_code == 0
    assert "Nothing links account acct-0099" in result.stderr


def test_the_latest_scan_of_a_lake_is_explained(tmp_path):
    """With --lake the findings that a scan of the lake left in it are taken."""
    lake = Lake.create(tmp_path / "lake", "fingerprint")
    with lake.writer():
        pass
    write_findings(build_findings(_rows()), lake.findings_directory)

    result = CliRunner().invoke(command, [CAMPAIGN, "--lake", str(tmp_path / "lake"), "--json"])

    assert result.exit_code == 0
    assert json.loads(result.stdout)["kind"] == "campaign"


def test_a_folder_without_findings_is_named_with_a_remedy(tmp_path):
    """The message says what is missing and how to make it."""
    result = _run(tmp_path, CAMPAIGN)

    assert result.exit_code == 2
    assert "there are no findings here" in result.stderr
    assert "stillwatch scan" in result.stderr


def test_a_slip_in_a_random_id_is_a_slip_although_it_is_in_a_digit(tmp_path):
    """Random ids have no neighbours, so one that differs by a digit was meant."""
    rows = [replace(r, account_id=f"acct_7f3a{r.account_id[5:]}b9e1d") for r in _rows()]
    write_findings(build_findings(rows), tmp_path)

    result = _run(tmp_path, "acct_7f3a0002b8e1d")

    assert result.exit_code == 2
    assert "Did you mean 'acct_7f3a0002b9e1d'?" in result.stderr


@pytest.mark.parametrize("options", [[], ["--findings", "a", "--lake", "b"]])
def test_exactly_one_place_must_be_given(options):
    """Neither and both are unusable arguments."""
    result = CliRunner().invoke(command, [CAMPAIGN, *options])

    assert result.exit_code == 2
    assert "Error." in result.stderr


def test_hostile_text_cannot_steer_the_terminal(tmp_path):
    """Escape sequences and rich markup in findings are printed as text."""
    hostile = "\x1b[2J[bold red]owned[/]\u202e"
    findings: Findings = build_findings(campaign_exchanges(3, 3), summary=hostile)
    write_findings(findings, tmp_path)

    result = _run(tmp_path, CAMPAIGN)

    assert r"\x1b[2J[bold red]owned[/]\u202e" in result.stderr
    assert "\x1b" not in result.stderr
    assert "\u202e" not in result.stderr
