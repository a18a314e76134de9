"""`stillwatch policy replay`: what a policy would have done."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stillwatch.cli.chosen_store import ChosenStore, store_options
from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.policy_material import (
    Material,
    findings_option,
    material_of,
    step_as_object,
)
from stillwatch.records import InputError, Step

if TYPE_CHECKING:
    from stillwatch.dossier.replay_page import CampaignCost
    from stillwatch.policy.decided import Decided
    from stillwatch.policy.replaying import Replay
    from stillwatch.policy.rules import Policy

__all__ = ["replay"]

PAGE = "policy-replay.html"
"""The page with the pictures, in the lake's folder or beside the findings."""


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--days",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="How many days of the log, to its last exchange.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"The page with pictures. Default: {PAGE} in the lake's folder, or beside the findings.",
)
@findings_option
@store_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def replay(
    file: Path | None,
    days: int,
    out: Path | None,
    findings_path: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Say what a policy would have done, had it been in force. Nothing is written but a page.

    Whom it would have met and how, which honest populations among them, what it would have cost each
    campaign, and what the guard rails held back. Without FILE it is the shipped policy.
    """
    from stillwatch.cli.policy import policy_of
    from stillwatch.dossier.replay_page import costs_of, render_replay
    from stillwatch.policy.replaying import effect_of, replayed
    from stillwatch.records import private_file

    policy = policy_of(file)
    material = material_of(at.lake, findings_path)
    until = material.until + timedelta(microseconds=1)
    decided = _decided(material, at, now=until)
    known = material.known(decided, at.key())
    found = replayed(
        material.verdicts(),
        policy,
        known,
        since=max(until - timedelta(days=days), material.since),
        until=until,
        decided=decided,
    )
    attributed = material.findings.exchanges.select(["campaign_id", "exchange_id", "account_id"])
    found = replace(found, days=effect_of(found, material.log, attributed))
    costs = costs_of(found, material.verdicts())
    page = out or (at.lake or material.folder) / PAGE
    if not page.parent.is_dir():
        raise InputError(
            "there is no such folder.", where=str(page.parent), remedy="Make it first."
        )
    with private_file(page) as partial:
        partial.write_text(
            render_replay(found, costs, policy=policy.source, mode=policy.mode.value),
            encoding="utf-8",
        )
    if as_json:
        emit_json(_as_object(found, costs, policy, page))
    _tell(found, costs, policy, page)


def _decided(material: Material, at: ChosenStore, *, now: datetime) -> Decided:
    """What people have decided, where there is a store; a replay makes none."""
    from stillwatch.policy.decided import NOTHING_DECIDED, decided_in

    if not at.is_there:
        return NOTHING_DECIDED
    with at.opened() as store:
        return decided_in(store, material.campaigns(), now=now)


def _by_name(counts: dict[Step, int]) -> dict[str, int]:
    return {step.value: count for step, count in counts.items()}


def _as_object(
    found: Replay, costs: Iterable[CampaignCost], policy: Policy, page: Path
) -> dict[str, Any]:
    touched = found.organisations_touched()
    return {
        "policy": policy.source,
        "mode": policy.mode.value,
        "since": found.since,
        "until": found.until,
        "steps": [step_as_object(step) for step in found.steps],
        "accounts_by_step": _by_name(found.accounts_by_step()),
        "honest_organisations_touched": len(touched),
        "organisations_touched": touched,
        "accounts_by_owner": {
            standing.value: _by_name(counts)
            for standing, counts in found.accounts_by_standing().items()
        },
        "waiting_for_approval": found.waiting(),
        "left_to_people": [step_as_object(step) for step in found.settled],
        "guards": dict(sorted(found.guards().items())),
        "campaigns": [cost.as_dict() for cost in costs],
        "page": str(page),
    }


_BEYOND = tuple(step for step in Step if step.rank > Step.TAG.rank)


def _tell(found: Replay, costs: Iterable[CampaignCost], policy: Policy, page: Path) -> None:
    say(
        f"{policy.source}, from {found.since:%Y-%m-%d %H:%M} to {found.until:%Y-%m-%d %H:%M} UTC, "
        "as if it had been in force and every approval given at once:"
    )
    counts = found.accounts_by_step()
    beyond = sum(counts[step] for step in _BEYOND)
    parts = ", ".join(f"{step.value} {counts[step]:,}" for step in Step if counts[step])
    say(f"{amount(beyond, 'account')} beyond tag. By hardest step: {parts or 'none at all'}.")
    for standing, by_step in found.accounts_by_standing().items():
        inside = ", ".join(f"{s.value} {by_step[s]:,}" for s in Step if by_step[s])
        say(f"  Owner {_OWNERS[standing.value]}: {inside}")
    touched = found.organisations_touched()
    say(
        f"{amount(len(touched), 'declared organisation')} with a step beyond tag, but for stolen "
        f"credentials{': ' + ', '.join(touched) if touched else ''}."
    )
    if found.waiting():
        say(f"{amount(found.waiting(), 'step')} would have waited for a second person.")
    for cost in costs:
        say(f"  {cost.in_words()}")
    for guard, count in found.guards().most_common():
        say(f"  Guard rail {guard}: {amount(count, 'step')}")
    say(f"Page with pictures: {page}")


_OWNERS = {
    "unknown": "not in the accounts table",
    "alone": "none, or verified by nobody",
    "partly": "verified in part",
    "declared": "declared and verified",
}
