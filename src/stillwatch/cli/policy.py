"""`stillwatch policy`: what is to be done about findings, tried on the past and put in force."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.policy_allow import allow
from stillwatch.cli.policy_apply import apply
from stillwatch.cli.policy_approval import approve, refuse, waiting
from stillwatch.cli.policy_replay import replay

if TYPE_CHECKING:
    from stillwatch.policy.rules import Policy, Rule

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group(name="policy")
def command() -> None:
    """Check a policy, try it on the past, put it in force.

    A policy says which finding leads to which step. Without FILE it is the one that stillwatch
    ships, in shadow mode. Guard rails that no policy switches off are in docs/policy.md.
    """


@command.command()
@click.argument("file", required=False, type=_FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def check(file: Path | None, as_json: bool) -> None:
    """Read a policy and say what its rules are; everything wrong with it is told at once."""
    policy = policy_of(file)
    unreachable = _unreachable(policy)
    if as_json:
        emit_json(
            {
                "policy": policy.source,
                "mode": policy.mode.value,
                "error_rate": policy.error_rate,
                "steps": [_as_object(rule) for rule in policy.rules],
                "unreachable": unreachable,
            }
        )
    say(f"{policy.source}: {amount(len(policy.rules), 'rule')}, mode {policy.mode.value}.")
    for number, rule in enumerate(policy.rules, start=1):
        say(f"  {number}. {rule.name}: {_in_words(rule)}")
    for name in unreachable:
        say(f"Never reached, for a rule before it takes everything: {name}.")
    given = f" {file}" if file else ""
    say(f"Next: stillwatch policy replay{given} --lake DIR")


@command.command()
@reports_errors
def show() -> None:
    """Print the shipped policy, as a file to begin with."""
    from stillwatch.policy.rules.reading import shipped_text

    click.echo(shipped_text(), nl=False)
    say("Next: write it to a file, change it, and run stillwatch policy replay FILE --lake DIR")


for _subcommand in (replay, apply, waiting, approve, refuse, allow):
    command.add_command(_subcommand)


def policy_of(file: Path | None) -> Policy:
    """The policy in the file, or the shipped one."""
    from stillwatch.policy.rules import read_policy, shipped_policy

    return read_policy(file) if file else shipped_policy()


def _as_object(rule: Rule) -> dict[str, Any]:
    return {
        "rule": rule.name,
        "step": rule.step.value,
        "scope": rule.scope.value,
        "days": rule.lasts.total_seconds() / 86_400,
        "roles": sorted(rule.roles),
        "targets": sorted(rule.targets),
        "plans": sorted(rule.plans),
        "fdr_q_at_most": rule.fdr_q_at_most,
        "e_value_at_least": rule.e_value_at_least,
        "share_at_least": rule.share_at_least,
        "waits_for_approval": rule.waits_for_approval,
    }


def _in_words(rule: Rule) -> str:
    conditions = [
        *([f"role {' or '.join(sorted(rule.roles))}"] if rule.roles else []),
        *([f"target {' or '.join(sorted(rule.targets))}"] if rule.targets else []),
        *([f"plan {' or '.join(sorted(rule.plans))}"] if rule.plans else []),
        *([f"q ≤ {rule.fdr_q_at_most:g}"] if rule.fdr_q_at_most < 1 else []),
        *([f"e-value ≥ {rule.e_value_at_least:g}"] if rule.e_value_at_least else []),
        *([f"share ≥ {rule.share_at_least:g}"] if rule.share_at_least else []),
    ]
    days = f"{rule.lasts.total_seconds() / 86_400:g} days"
    approval = ", after approval" if rule.waits_for_approval else ""
    return f"{rule.step} of the {rule.scope} for {days}{approval}; {', '.join(conditions) or 'any'}"


def _unreachable(policy: Policy) -> list[str]:
    """Rules after one that fits everything."""
    for number, rule in enumerate(policy.rules):
        is_free = not (rule.roles or rule.targets or rule.plans)
        if (
            is_free
            and rule.fdr_q_at_most >= 1
            and not (rule.e_value_at_least or rule.share_at_least)
        ):
            return [later.name for later in policy.rules[number + 1 :]]
    return []
