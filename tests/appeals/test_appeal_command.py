"""`stillwatch appeal`: taken, listed, read with the evidence, decided, and given to calibration."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from appeals_server import KEY, Office
from click.testing import CliRunner, Result
from dossier_builders import CAMPAIGN, build_findings, campaign_exchanges

from stillwatch.cli.main import run
from stillwatch.dossier.appealed import evidence_about
from stillwatch.identity.keys import store_key
from stillwatch.lake.manifest import Manifest
from stillwatch.records import Action, write_findings


class Desk:
    """Runs commands on an office's store."""

    def __init__(self, office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
        self.office = office
        store_key(KEY, office.folder.parent / "key")
        monkeypatch.setenv("STILLWATCH__KEYS__FILE", str(office.folder.parent / "key"))
        self.env = monkeypatch

    def run(self, *arguments: str, who: str | None = "ana") -> Result:
        token = self.office.tokens.get(who or "", "")
        return CliRunner().invoke(
            run,
            ["appeal", *arguments, "--lake", str(self.office.folder), "--json"],
            env={"STILLWATCH_TOKEN": token},
        )

    def told(self, *arguments: str, who: str | None = "ana") -> Any:
        result = self.run(*arguments, who=who)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def appealed(self, text: str = "We are a class of thirty.") -> Action:
        blocked = self.office.block()
        told = self.told("submit", blocked.reference, "--text", text, who=None)
        assert told == {"reference": blocked.reference, "state": "received"}
        return blocked

    def make_lake(self) -> None:
        """A lake's manifest beside the store, and findings of a scan in it."""
        Manifest(KEY.fingerprint).write(self.office.folder)
        write_findings(build_findings(campaign_exchanges(24, 3)), self.office.folder / "findings")


@pytest.fixture
def desk(office: Office, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(office, monkeypatch)


def test_an_unknown_reference_is_answered_as_a_true_one(desk: Desk) -> None:
    """And nothing is kept of it."""
    told = desk.told("submit", "0" * 32, "--text", "Why?", who=None)
    assert told == {"reference": "0" * 32, "state": "received"}
    assert desk.told("list")["open"] == 0


def test_a_list_and_a_decision_by_reference(desk: Desk) -> None:
    """The account is free once it is overturned."""
    blocked = desk.appealed()
    (listed,) = desk.told("list")["appeals"]
    assert (listed["reference"], listed["state"]) == (blocked.reference, "open")

    told = desk.told(
        "decide", blocked.reference, "--outcome", "overturned", "--reason", "A class with a task."
    )

    assert told == {"reference": blocked.reference, "state": "overturned"}
    assert list(desk.office.store.actions.in_force(now=datetime.now(UTC))) == []
    assert desk.told("list")["appeals"] == []


def test_a_decision_may_be_milder(desk: Desk) -> None:
    """With the step that takes the block's place."""
    blocked = desk.appealed()
    milder = ("--outcome", "reduced", "--to", "throttle", "--reason", "Mostly their own work.")
    assert desk.told("decide", blocked.reference, *milder)["state"] == "reduced"
    (found,) = desk.office.store.actions.in_force(now=datetime.now(UTC))
    assert found.step == "throttle"


@pytest.mark.parametrize(("who", "status"), [(None, 2), ("vic", 1), ("root", 1)])
def test_only_who_may_decides(desk: Desk, who: str | None, status: int) -> None:
    """The user of the system is no identity, and a viewer and an administrator decide nothing."""
    blocked = desk.appealed()
    decision = ("--outcome", "upheld", "--reason", "It was right all along.")
    assert desk.run("decide", blocked.reference, *decision, who=who).exit_code == status


def test_a_person_reads_the_evidence_for_and_against(desk: Desk) -> None:
    """Reasons with their figures, the honest explanation, the share, and what would disprove it."""
    desk.make_lake()
    member = build_findings(campaign_exchanges(24, 3)).members.to_pylist()[0]
    blocked = desk.office.block(account=member["account_id"], campaign=CAMPAIGN)
    desk.told("submit", blocked.reference, "--text", "Not me.", who=None)

    told = desk.told("show", blocked.reference, who="vic")

    assert (told["reference"], told["state"], told["text"]) == (
        blocked.reference,
        "open",
        "Not me.",
    )
    evidence = told["evidence"]
    assert evidence["share"] == member["share"]
    assert evidence["reasons"][0]["observed"]
    assert evidence["honest_explanation"]
    assert evidence["disproofs"]


def test_a_reference_is_explained_to_those_who_have_the_store(desk: Desk) -> None:
    """What was done under it, and why of the account; of an unknown one nothing is made up."""
    desk.make_lake()
    member = build_findings(campaign_exchanges(24, 3)).members.to_pylist()[0]
    blocked = desk.office.block(account=member["account_id"], campaign=CAMPAIGN)
    words = ["explain", blocked.reference, "--lake", str(desk.office.folder), "--json"]
    result = CliRunner().invoke(run, words)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert (told["id"], told["kind"]) == (blocked.reference, "refusal")
    assert told["refusal"]["account_id"] == member["account_id"]
    assert told["refusal"]["step"] == "block"
    assert told["reasons"]
    assert "The reference stands for block" in result.stderr
    words[1] = "0" * 32
    assert CliRunner().invoke(run, words).exit_code == 2


def test_what_the_latest_scan_no_longer_finds_is_said() -> None:
    """That alone speaks for the customer."""
    findings = build_findings(campaign_exchanges(24, 3))
    evidence = evidence_about(findings, "somebody-else", CAMPAIGN)
    assert not evidence.is_member
    assert evidence.disproofs


def test_a_strangers_words_stay_text_on_a_terminal(desk: Desk) -> None:
    """Neither colours, nor a title, nor another reading order."""
    blocked = desk.appealed("[red]Hello[/red] \x1b]0;owned\x07 \u202eabc")
    result = CliRunner().invoke(
        run,
        ["appeal", "show", blocked.reference, "--lake", str(desk.office.folder)],
        env={"STILLWATCH_TOKEN": desk.office.tokens["vic"]},
    )
    # The evidence needs a lake, and the words stand before it.
    assert "\x1b]0;" not in result.output
    assert "\u202e" not in result.output


def test_an_overturned_appeal_teaches_once_a_second_approver_says_so(desk: Desk) -> None:
    """Its record lies in the lake, without a word of the customer."""
    desk.make_lake()
    blocked = desk.appealed("My secret is marmalade.")
    decision = ("--outcome", "overturned", "--reason", "A class with a task.")
    desk.told("decide", blocked.reference, *decision, who="ada")
    assert desk.run("calibrate", blocked.reference, who="ana").exit_code == 1
    assert desk.run("calibrate", blocked.reference, who="ada").exit_code == 1
    file = desk.office.folder / "overturned.json"
    assert not file.exists()

    desk.told("calibrate", blocked.reference, who="ben")

    content = json.loads(file.read_text())
    (record,) = content["overturned"]
    assert (record["account_id"], record["campaign_id"]) == (
        blocked.account_id,
        blocked.campaign_id,
    )
    assert "marmalade" not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_text_comes_from_a_file_or_from_standard_input(desk: Desk, tmp_path: Path) -> None:
    """And not from both, nor from nowhere."""
    words = tmp_path / "words.txt"
    words.write_text("From a file.")
    blocked = desk.office.block()
    assert desk.run("submit", blocked.reference).exit_code == 2
    both = ("--text", "x", "--text-file", str(words))
    assert desk.run("submit", blocked.reference, *both).exit_code == 2
    desk.told("submit", blocked.reference, "--text-file", str(words))
    assert desk.told("show", blocked.reference)["text"] == "From a file."


def test_a_token_that_others_may_read_is_refused(desk: Desk, tmp_path: Path) -> None:
    """Whoever reads it decides."""
    token = tmp_path / "token"
    token.write_text(desk.office.tokens["ana"])
    token.chmod(0o644)
    assert desk.run("list", "--token-file", str(token), who=None).exit_code == 2
    token.chmod(0o600)
    assert desk.run("list", "--token-file", str(token), who=None).exit_code == 0


def test_no_store_is_made_by_looking(tmp_path: Path) -> None:
    """A slip of the pen in a path makes no empty store."""
    (tmp_path / "lake").mkdir()
    result = CliRunner().invoke(run, ["appeal", "list", "--lake", str(tmp_path / "lake")])
    assert result.exit_code == 2
    assert list((tmp_path / "lake").iterdir()) == []
    shutil.rmtree(tmp_path / "lake")
