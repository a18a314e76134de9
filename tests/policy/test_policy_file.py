"""Policies as files: what may stand there, and what is said of what may not."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from policy_builders import account, decided, known, use, verdict, written

from stillwatch.cli.main import run
from stillwatch.policy.rules import Mode, shipped_policy
from stillwatch.records import Countermeasure, InputError, Role, Scope, Step, Target

RULE = '\n[[rules]]\nname = "all"\nstep = "tag"\n'


def refused(tmp_path: Path, text: str) -> str:
    with pytest.raises(InputError) as raised:
        written(tmp_path, text)
    return str(raised.value)


def test_the_shipped_policy_is_in_shadow_mode() -> None:
    """Whoever installs stillwatch blocks nobody by it."""
    policy = shipped_policy()

    assert policy.mode is Mode.SHADOW
    assert len(policy.rules) > 3


def test_the_shipped_policy_is_graduated() -> None:
    """Clear operators are blocked, unclear ones throttled, and reasoning is kept back."""
    policy = shipped_policy()
    of = known(account(), uses={"a1": (use(),)})

    clear = decided(verdict(), policy=policy, of=of)
    unclear = decided(verdict(e_value=20.0), policy=policy, of=of)
    thinking = decided(verdict(e_value=20.0, targets=(Target.REASONING,)), policy=policy, of=of)
    weak = decided(verdict(fdr_q=0.02), policy=policy, of=of)

    assert [step.step for step in clear] == [Step.BLOCK]
    assert [(s.step, s.requests_per_minute) for s in unclear] == [(Step.THROTTLE, 6)]
    assert [step.step for step in thinking] == [Step.WITHHOLD]
    assert Countermeasure.REMOVE_REASONING in thinking[0].countermeasures
    assert [step.step for step in weak] == [Step.TAG]


def test_a_file_is_read_as_it_is_written(tmp_path: Path) -> None:
    """Every key of a rule reaches the rule, in its unit."""
    policy = written(
        tmp_path,
        """
        format = 1
        mode = "live"
        error_rate = 0.005
        [limits]
        accounts_per_hour = 7
        [delay]
        at_least_minutes = 0
        at_most_minutes = 2
        [[rules]]
        name = "one"
        step = "withhold"
        roles = ["operator"]
        targets = ["code"]
        plans = ["free"]
        fdr_q_at_most = 0.001
        e_value_at_least = 30
        share_at_least = 0.25
        scope = "credential"
        countermeasures = ["cap_new_models"]
        for_days = 1.5
        waits_for_approval = true
        """,
    )

    (rule,) = policy.rules
    assert (policy.mode, policy.error_rate, policy.limits.accounts_per_hour) == (
        Mode.LIVE,
        0.005,
        7,
    )
    assert policy.delay.at_most == timedelta(minutes=2)
    assert rule.lasts == timedelta(hours=36)
    assert (rule.scope, rule.step) == (Scope.CREDENTIAL, Step.WITHHOLD)
    assert (rule.roles, rule.targets, rule.plans) == ({Role.OPERATOR}, {Target.CODE}, {"free"})
    assert rule.waits_for_approval


def test_a_typo_is_answered_with_the_word_that_may_be_meant(tmp_path: Path) -> None:
    """Of keys and of words, wherever they stand."""
    message = refused(
        tmp_path,
        'format = 1\nmod = "live"\n[limits]\naccount_per_hour = 3\n[[rules]]\nname = "x"\n'
        'step = "trottle"\nrole = ["operator"]\ntargets = ["reasonning"]\n',
    )

    for meant in ("mode", "accounts_per_hour", "throttle", "roles", "reasoning"):
        assert f"Did you mean {meant}?" in message


def test_everything_wrong_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    """Nobody mends a file one message at a time."""
    message = refused(
        tmp_path,
        'error_rate = 0.2\n[[rules]]\nname = "first"\nstep = "block"\nfor_days = 400\n'
        '[[rules]]\nstep = "throttle"\n',
    )

    lines = message.splitlines()
    assert any("format" in line for line in lines)
    assert any("error_rate = 0.2" in line and "0.05" in line for line in lines)
    assert any("rule 1 (first)" in line and "at most 30" in line for line in lines)
    assert any("rule 2" in line and "no name" in line for line in lines)
    assert any("rule 2" in line and "needs requests_per_minute" in line for line in lines)
    assert all("policy.toml" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = 2" + RULE, "format"),
        ("format = true" + RULE, "format"),
        ("format = 1", "no rule"),
        ("format = 1\nrules = 3", "no list"),
        ("format = 1\nlimits = 3" + RULE, "no section"),
        ("format = 1\nmode = 3" + RULE, "one of shadow, live"),
        ("format = 1" + RULE + "roles = []", "list of words"),
        ("format = 1" + RULE + "share_at_least = nan", "Give a number"),
        ("format = 1" + RULE + "share_at_least = 1.5", "between 0 and 1"),
        ("format = 1" + RULE + "e_value_at_least = -1", "0 or more"),
        ("format = 1" + RULE + "for_days = 0", "more than 0"),
        ("format = 1" + RULE + "requests_per_minute = 3", "of no use to tag"),
        ("format = 1" + RULE + "plans = [1]", "list of texts"),
        ("format = 1" + RULE + "waits_for_approval = 1", "true or false"),
        ("format = 1" + RULE + RULE, "another rule has this name"),
        ("format = 1\n[delay]\nat_least_minutes = 9\nat_most_minutes = 9" + RULE, "one moment"),
        ("format = 1\n[limits]\naccounts_per_hour = 100000" + RULE, "between 1 and 200"),
        ("format = 1\n[limits]\nshare_of_accounts = 0.9" + RULE, "between 0 and 0.2"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_may_stand_there(
    text: str, said: str, tmp_path: Path
) -> None:
    """Types, bounds, and limits beyond what guard rails allow."""
    assert said in refused(tmp_path, text)


def test_policy_check_tells_the_rules_of_a_file(tmp_path: Path) -> None:
    """In their order, with the step, its scope and how long it lasts."""
    file = tmp_path / "mine.toml"
    file.write_text("format = 1" + RULE)

    done = CliRunner().invoke(run, ["policy", "check", str(file), "--json"])

    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert told["mode"] == "shadow"
    assert [(s["rule"], s["step"], s["days"]) for s in told["steps"]] == [("all", "tag", 7.0)]


def test_policy_check_without_a_file_takes_the_shipped_policy() -> None:
    """The default can be looked at."""
    done = CliRunner().invoke(run, ["policy", "check", "--json"])

    assert done.exit_code == 0
    assert json.loads(done.stdout)["policy"] == "the shipped policy"


def test_policy_check_ends_with_status_2_on_a_broken_file(tmp_path: Path) -> None:
    """So that a pipeline notices."""
    file = tmp_path / "mine.toml"
    file.write_text("format = 1\nmode = 'alive'")

    done = CliRunner().invoke(run, ["policy", "check", str(file)])

    assert done.exit_code == 2
    assert "Did you mean live?" in done.stderr


def test_policy_check_names_a_rule_that_can_never_be_reached(tmp_path: Path) -> None:
    """A rule without conditions takes everything before the next is asked."""
    file = tmp_path / "mine.toml"
    file.write_text("format = 1" + RULE + RULE.replace("all", "never"))

    done = CliRunner().invoke(run, ["policy", "check", str(file), "--json"])

    assert json.loads(done.stdout)["unreachable"] == ["never"]
