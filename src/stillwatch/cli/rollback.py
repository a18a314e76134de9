"""`stillwatch rollback`: every account of a campaign as it was."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from stillwatch.cli.chosen_store import ChosenStore, store_options
from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.who_asks import signed_in, token_option
from stillwatch.records import InputError

__all__ = ["command"]


@click.command("rollback")
@click.argument("campaign")
@click.option("--reason", default="rolled back", show_default=True, help="For the record.")
@token_option
@store_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def command(
    campaign: str,
    reason: str,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Undo all that was done for CAMPAIGN, as fast as it was done.

    Whatever waits, is in force or was written down ends. Nothing of this campaign is proposed again,
    of new members neither, until an approver takes it up with `policy apply --again`. What another
    campaign does to the same accounts stays.
    """
    with at.opened_with_key() as store:
        by = signed_in(store, token_file)
        if not store.actions.of_campaign(campaign):
            raise InputError(
                "nothing was ever done for this campaign.",
                where=campaign[:64],
                remedy="`stillwatch scan` prints the campaigns, `policy apply` acts on them.",
            )
        restored = store.actions.lift_campaign(campaign, by, reason, now=datetime.now(UTC))
    if as_json:
        emit_json({"campaign": campaign, "restored": len(restored), "accounts": restored})
    say(f"{amount(len(restored), 'account')} restored. Gateways let them pass within seconds.")
