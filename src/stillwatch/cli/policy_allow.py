"""`stillwatch policy allow`: organisations that no step reaches, each with a reason and an end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stillwatch.cli.chosen_store import ChosenStore, store_options
from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.who_asks import signed_in, token_option

if TYPE_CHECKING:
    from stillwatch.policy.store.allowed import Allowed

__all__ = ["allow"]

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(name="allow")
def allow() -> None:
    """Keep steps from an organisation for a time; see who is kept from them; end it early.

    An approver does it, with a reason. A credential of such an organisation that was found stolen is
    still acted on, after a second person's approval.
    """


@allow.command()
@click.argument("organisation")
@click.option("--reason", required=True, help="For the record.")
@click.option(
    "--days", type=click.IntRange(min=1, max=366), required=True, help="For how many days."
)
@token_option
@store_options
@_json
@reports_errors
def add(
    organisation: str,
    reason: str,
    days: int,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Keep steps from ORGANISATION, as `organization_id` of the accounts names it.

    Steps that are in force already stay: end them with `rollback`, or by an appeal.
    """
    now = datetime.now(UTC)
    with at.opened_with_key() as store:
        by = signed_in(store, token_file)
        entry = store.allowed.add(organisation, reason, now + timedelta(days=days), by, now=now)
    if as_json:
        emit_json(_as_object(entry))
    say(f"Allowed until {entry.ends_at:%Y-%m-%d %H:%M} UTC. Its id is {entry.allowed_id}.")


@allow.command(name="list")
@token_option
@store_options
@_json
@reports_errors
def list_(
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """List the organisations that are kept from steps now."""
    from stillwatch.policy.store import PrincipalRole

    with at.opened_with_key() as store:
        signed_in(store, token_file).require(PrincipalRole.VIEWER)
        found = store.allowed.valid(now=datetime.now(UTC))
    if as_json:
        emit_json({"allowed": [_as_object(entry) for entry in found]})
        return
    for entry in found:
        until = f"{entry.ends_at:%Y-%m-%d %H:%M}"
        click.echo(
            f"{entry.allowed_id}\t{entry.organization_id}\tuntil {until}\tby {entry.by}\t"
            f"{entry.reason}"
        )
    say(f"{amount(len(found), 'organisation')} allowed.")


@allow.command()
@click.argument("allowed_id")
@token_option
@store_options
@_json
@reports_errors
def remove(
    allowed_id: str,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """End an exception before its time, by the id that `list` shows."""
    with at.opened_with_key() as store:
        by = signed_in(store, token_file)
        store.allowed.remove(allowed_id, by, now=datetime.now(UTC))
    if as_json:
        emit_json({"allowed_id": allowed_id, "removed": True})
    say("It is allowed no more.")


def _as_object(entry: Allowed) -> dict[str, Any]:
    return {
        "allowed_id": entry.allowed_id,
        "organisation": entry.organization_id,
        "reason": entry.reason,
        "ends_at": entry.ends_at,
        "by": entry.by,
    }
