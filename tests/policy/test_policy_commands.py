"""From people to a rollback, by commands alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from made_actions import KEY, PASSWORD
from planted_campaign import CAMPAIGN, FIRM, OPERATORS, RESELLER, ROBBED, Planted, planted

from stillwatch.cli.main import run
from stillwatch.identity.keys import store_key
from stillwatch.policy.store import Store
from stillwatch.records import ActionState


class Shell:
    """Commands on one store and one log."""

    def __init__(self, folder: Path, log: Planted) -> None:
        self.folder, self.log = folder, log
        self.url = f"sqlite:///{folder / 'store.sqlite'}"
        self.tokens: dict[str, str] = {}
        store_key(KEY, folder / "key")
        (folder / "password").touch(mode=0o600)
        (folder / "password").write_text(PASSWORD + "\n")

    def run(self, *words: object, who: str | None = None) -> Result:
        env = {
            "STILLWATCH_TOKEN": self.tokens.get(who or "", ""),
            "STILLWATCH__KEYS__FILE": str(self.folder / "key"),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
        }
        given = [*map(str, words), "--store", self.url, "--json"]
        return CliRunner().invoke(run, given, env=env)

    def told(self, *words: object, who: str | None = None) -> Any:
        result = self.run(*words, who=who)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refused(self, *words: object, who: str | None = None) -> str:
        result = self.run(*words, who=who)
        assert result.exit_code in (1, 2), result.output
        assert "Traceback" not in result.output
        return " ".join(result.stderr.split())

    def add(self, name: str, role: str, who: str | None = None) -> None:
        words = ("user", "add", name, "--role", role, "--password-file", self.folder / "password")
        self.tokens[name] = self.told(*words, who=who)["token"]

    def policy(self, *words: object, who: str | None = "ada", on: Planted | None = None) -> Any:
        folder = (on or self.log).findings_folder
        return self.told("policy", *words, "--findings", folder, who=who)

    def live(self) -> Path:
        """The shipped policy, to go live, with room for a campaign that is a fifth of the log."""
        shown = CliRunner().invoke(run, ["policy", "show"]).stdout
        text = shown.replace('mode = "shadow"', 'mode = "live"')
        text = text.replace("share_of_tokens = 0.10", "share_of_tokens = 0.30")
        path = self.folder / "live.toml"
        path.write_text(text)
        return path


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """People, once: hashing passwords takes long, on purpose."""
    folder = tmp_path_factory.mktemp("office")
    shell = Shell(folder, planted(folder / "log", datetime.now(UTC)))
    shell.add("root", "administrator")
    for name, role in (("ana", "analyst"), ("ada", "approver"), ("ben", "approver")):
        shell.add(name, role, who="root")
    return shell


@pytest.fixture
def shell(staffed: Shell, tmp_path: Path) -> Iterator[Shell]:
    """The same people with a store of their own."""
    place = tmp_path / "store.sqlite"
    place.write_bytes((staffed.folder / "store.sqlite").read_bytes())
    place.chmod(0o600)
    own = Shell(tmp_path, staffed.log)
    own.tokens = staffed.tokens
    return own


def test_the_first_person_is_an_administrator_and_makes_the_others(shell: Shell) -> None:
    """Without a token nobody is made, and a token can be replaced and taken."""
    assert [p["name"] for p in shell.told("user", "list", who="ana")["people"]] == [
        "ada",
        "ana",
        "ben",
        "root",
    ]
    words = ("user", "add", "eve", "--role", "approver", "--password-file")
    said = shell.refused(*words, shell.folder / "password")
    assert "administrator" in said
    assert "administrator" in shell.refused(*words, shell.folder / "password", who="ada")
    old = shell.tokens["ana"]
    shell.tokens = {**shell.tokens, "ana": shell.told("user", "token", "ana", who="ana")["token"]}
    assert shell.tokens["ana"] != old
    shell.told("user", "disable", "ana", who="root")
    assert "nobody's" in shell.refused("user", "list", who="ana")


def test_a_password_that_others_may_read_is_not_taken(shell: Shell) -> None:
    """Nor is anybody asked where nobody sits, nor a short one taken."""
    words = ("user", "add", "eve", "--role", "viewer")
    assert "--password-file" in shell.refused(*words, who="root")
    (shell.folder / "password").chmod(0o644)
    said = shell.refused(*words, "--password-file", shell.folder / "password", who="root")
    assert "others may read" in said
    (shell.folder / "short").touch(mode=0o600)
    (shell.folder / "short").write_text("short\n")
    said = shell.refused(*words, "--password-file", shell.folder / "short", who="root")
    assert "shorter" in said


def test_a_replay_needs_nobody_and_writes_a_page(shell: Shell, tmp_path: Path) -> None:
    """The contract's keys, and beside the findings the pictures."""
    told = shell.policy("replay", "--out", tmp_path / "page.html", who=None)
    assert told["accounts_by_step"]["block"] == len(OPERATORS) + 1
    assert told["honest_organisations_touched"] == 0
    assert {s["subject"] for s in told["steps"] if s["account_id"] == ROBBED} == {"cred-stolen"}
    assert "<svg" in (tmp_path / "page.html").read_text()
    assert told["mode"] == "shadow"


def test_shadow_reaches_no_gateway(shell: Shell) -> None:
    """It is written down, by an analyst."""
    told = shell.policy("apply", who="ana")
    assert (told["mode"], told["waiting"]) == ("shadow", 0)
    assert told["proposed"] == len(told["steps"]) > len(OPERATORS)
    with Store.open(shell.url) as store:
        assert {a.state for a in store.actions.every()} == {ActionState.SHADOW}


def test_going_live_is_an_act_of_its_own(shell: Shell) -> None:
    """The file must say so, and the person be an approver."""
    findings = ("--findings", shell.log.findings_folder)
    said = shell.refused("policy", "apply", "--live", *findings, who="ada")
    assert "shadow mode" in said
    said = shell.refused("policy", "apply", shell.live(), "--live", *findings, who="ana")
    assert "no approver" in said
    said = shell.refused("policy", "apply", shell.live(), "--live", *findings)
    assert "who you are" in said


def test_a_campaign_is_blocked_approved_and_rolled_back(shell: Shell) -> None:
    """Whole accounts at their moment, the declared firm's stolen key after a second person."""
    told = shell.policy("apply", shell.live(), "--live")
    assert told["honest_organisations_touched"] == 0
    assert told["waiting"] == 1
    (waiting,) = shell.told("policy", "waiting", who="ana")["waiting"]
    assert (waiting["account_id"], waiting["subject"]) == (ROBBED, "cred-stolen")
    assert "may not approve" in shell.refused("policy", "approve", waiting["action_id"], who="ada")
    assert shell.told("policy", "approve", "--campaign", CAMPAIGN, who="ben") == {"approved": 1}

    again = shell.policy("apply", shell.live(), "--live")
    assert (again["proposed"], again["going_on"]) == (0, told["proposed"])

    back = shell.told("rollback", CAMPAIGN, "--reason", "A class.", who="ben")
    assert back["restored"] == len(back["accounts"]) == len(OPERATORS) + 2
    assert {RESELLER, ROBBED} < set(back["accounts"])
    with Store.open(shell.url) as store:
        assert list(store.actions.in_force(now=datetime.now(UTC))) == []
    after = shell.policy("apply", shell.live(), "--live")
    assert after["proposed"] == 0
    assert len(after["left_to_people"]) == len(told["steps"])
    taken_up = shell.policy("apply", shell.live(), "--live", "--again", CAMPAIGN)
    assert taken_up["proposed"] == told["proposed"]


def test_what_is_refused_is_not_proposed_again(shell: Shell) -> None:
    """An approver's no holds."""
    shell.policy("apply", shell.live(), "--live")
    (waiting,) = shell.told("policy", "waiting", who="ana")["waiting"]
    told = shell.told("policy", "refuse", waiting["action_id"], "--reason", "Theirs.", who="ben")
    assert told == {"refused": 1}
    again = shell.policy("apply", shell.live(), "--live")
    assert (again["proposed"], len(again["left_to_people"])) == (0, 1)
    assert "nothing waits" in shell.refused("policy", "refuse", "--campaign", CAMPAIGN, "--reason", "x", who="ben")  # fmt: skip


def test_an_allowed_organisation_is_left_alone(shell: Shell) -> None:
    """But for the credential that was stolen from it, which waits; with a reason and an end."""
    words = ("policy", "allow", "add", FIRM, "--reason", "A partner.", "--days", 30)
    assert "no approver" in shell.refused(*words, who="ana")
    allowed = shell.told(*words, who="ada")
    assert allowed["organisation"] == FIRM
    told = shell.policy("replay", "--out", shell.folder / "page.html", who=None)
    (step,) = [s for s in told["steps"] if s["account_id"] == ROBBED]
    assert "allow-list" in step["guards"]
    shell.told("policy", "allow", "remove", allowed["allowed_id"], who="ada")
    assert shell.told("policy", "allow", "list", who="ana") == {"allowed": []}


def test_the_record_is_exported_sealed_and_verified(shell: Shell) -> None:
    """By the command line, as an auditor does it."""
    shell.policy("apply", shell.live(), "--live")
    seals, copy = shell.folder / "seals.jsonl", shell.folder / "audit.jsonl"
    sealed = shell.told("audit", "checkpoint", "--out", seals)
    exported = shell.told("audit", "export", "--out", copy)
    assert exported["records"] == sealed["sequence"]
    told = shell.told("audit", "verify", "--checkpoint", seals)
    assert (told["ok"], told["first_bad"], told["checkpoints"]) == (True, None, 1)
    assert told["records"] == sealed["sequence"]
    assert shell.told("audit", "verify", "--file", copy, "--checkpoint", seals)["ok"]

    lines = copy.read_text().splitlines()
    lines[6] = lines[6].replace('"kind":"', '"kind":"x')
    copy.write_text("\n".join(lines) + "\n")
    env = {"XDG_CONFIG_HOME": str(shell.folder / "config")}
    words = ["audit", "verify", "--file", str(copy), "--json"]
    result = CliRunner().invoke(run, words, env=env)
    assert result.exit_code == 1
    assert json.loads(result.stdout)["first_bad"] == 7
    for account in (*OPERATORS, ROBBED, FIRM):
        assert account not in copy.read_text()


def test_what_cannot_be_done_is_told(shell: Shell) -> None:
    """Nothing done, nothing named, and a campaign that nobody knows."""
    assert "nothing was ever done" in shell.refused("rollback", "C-none", who="ada")
    assert "say which steps" in shell.refused("policy", "approve", who="ada")
    findings = ("--findings", shell.log.findings_folder)
    assert "no such campaign" in shell.refused("policy", "apply", "--again", "C-x", *findings, who="ada")  # fmt: skip
    assert "neither a lake nor findings" in shell.refused("policy", "replay")
