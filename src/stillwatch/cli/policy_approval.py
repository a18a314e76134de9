"""`stillwatch policy waiting|approve|refuse`: the second person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stillwatch.cli.chosen_store import ChosenStore, store_options
from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.who_asks import signed_in, token_option
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.policy.store import Store
    from stillwatch.records import Action

__all__ = ["approve", "refuse", "waiting"]

_AnyCommand = TypeVar("_AnyCommand", bound=Callable[..., Any])

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def _chosen_options(command: _AnyCommand) -> _AnyCommand:
    command = click.option(
        "--campaign", metavar="CAMPAIGN", help="All that waits for this campaign."
    )(command)
    return click.argument("action_ids", metavar="[ACTION]...", nargs=-1)(command)


@click.command()
@token_option
@store_options
@_json
@reports_errors
def waiting(
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """List the steps that wait for a second person, oldest first, with what they rest on."""
    from stillwatch.policy.store import PrincipalRole

    with at.opened_with_key() as store:
        signed_in(store, token_file).require(PrincipalRole.VIEWER)
        store.actions.expire(now=datetime.now(UTC))
        found = store.actions.waiting()
    if as_json:
        emit_json({"waiting": [_as_object(action) for action in found]})
        return
    for action in found:
        subject = "" if action.subject == action.account_id else f" {action.subject}"
        span = f"{action.begins_at:%Y-%m-%d %H:%M} to {action.ends_at:%Y-%m-%d %H:%M}"
        click.echo(
            f"{action.action_id}\t{action.step} of {action.scope}{subject}\t{action.account_id}\t"
            f"{span}\tby {action.proposed_by}\t{action.reason}"
        )
    say(f"{amount(len(found), 'step')} waiting.")
    if found:
        say(f"Next: stillwatch policy approve {found[0].action_id}, or refuse it with a reason.")


@click.command()
@_chosen_options
@token_option
@store_options
@_json
@reports_errors
def approve(
    action_ids: tuple[str, ...],
    campaign: str | None,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Put in force what somebody else proposed: all of it, or nothing."""
    with at.opened_with_key() as store:
        by = signed_in(store, token_file)
        now = datetime.now(UTC)
        store.actions.expire(now=now)
        count = store.actions.approve(_chosen(store, action_ids, campaign), by, now=now)
    if as_json:
        emit_json({"approved": count})
    say(f"{amount(count, 'step')} approved. Gateways obey from the moment at which each begins.")


@click.command()
@_chosen_options
@click.option("--reason", required=True, help="For the record; no customer sees it.")
@token_option
@store_options
@_json
@reports_errors
def refuse(
    action_ids: tuple[str, ...],
    campaign: str | None,
    reason: str,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Say no to steps that wait. They are not proposed again."""
    with at.opened_with_key() as store:
        by = signed_in(store, token_file)
        chosen = _chosen(store, action_ids, campaign)
        count = store.actions.refuse(chosen, by, reason, now=datetime.now(UTC))
    if as_json:
        emit_json({"refused": count})
    say(f"{amount(count, 'step')} refused.")


def _chosen(store: Store, action_ids: tuple[str, ...], campaign: str | None) -> list[str]:
    if bool(action_ids) == bool(campaign):
        raise InputError(
            "say which steps, once.",
            where="ACTION, --campaign",
            remedy="Give the ids that `stillwatch policy waiting` shows, or a campaign.",
        )
    if campaign is None:
        return list(action_ids)
    found = [a.action_id for a in store.actions.waiting() if a.campaign_id == campaign]
    if not found:
        raise InputError(
            "nothing waits for this campaign.",
            where=campaign[:64],
            remedy="`stillwatch policy waiting` shows what does.",
        )
    return found


def _as_object(action: Action) -> dict[str, Any]:
    return {
        "action_id": action.action_id,
        "campaign_id": action.campaign_id,
        "account_id": action.account_id,
        "scope": action.scope.value,
        "subject": action.subject,
        "step": action.step.value,
        "begins_at": action.begins_at,
        "ends_at": action.ends_at,
        "proposed_by": action.proposed_by,
        "reason": action.reason,
    }
