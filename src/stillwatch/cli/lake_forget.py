"""`stillwatch lake forget` and `hold`: what is erased, and what must wait."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stillwatch.cli.chosen_store import ChosenStore, store_option
from stillwatch.cli.forgotten_in_store import ForgottenInStore, forget_in_store
from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.lake.erasure_rules import Wanted
    from stillwatch.lake.forgetting import Forgotten
    from stillwatch.lake.holds import Hold

__all__ = ["forget", "hold", "remove_replaced_files"]

_lake = click.option(
    "--lake", "lake_path", required=True, type=click.Path(path_type=Path), help="The lake's folder."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_SHOWN = 20


@click.command()
@_lake
@click.option("--account", "accounts", multiple=True, help="As the lake names it; may be repeated.")
@click.option(
    "--account-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Accounts, one a line.",
)
@click.option(
    "--older-than",
    "days",
    type=click.IntRange(min=1),
    metavar="DAYS",
    help="What came before midnight (UTC) so many days ago.",
)
@click.option("--text-only", is_flag=True, help="Only the texts of exchanges; all else stays.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Remove replaced files at once if no stillwatch reads them, and not after a day.",
)
@store_option
@_json
@reports_errors
def forget(
    lake_path: Path,
    accounts: tuple[str, ...],
    account_file: Path | None,
    days: int | None,
    text_only: bool,
    dry_run: bool,
    at_once: bool,
    store_url: str | None,
    as_json: bool,
) -> None:
    """Erase accounts, or what is older than some days: whole rows, or texts alone.

    It reaches exchanges with their sketches, proxies' rows, accounts, credentials, histories, the
    quarantine and the findings in the lake, and names and appeals in its store. While a hold is open on an account or on the lake,
    naming it is refused; by age the rows of held accounts stay.
    """
    from stillwatch.lake.forgetting import forget as erase

    wanted = _wanted(accounts, account_file, days, text_only)
    done = erase(lake_path, wanted, dry_run=dry_run)
    removed = remove_replaced_files(lake_path) if at_once and not dry_run else None
    in_store = None if dry_run else forget_in_store(ChosenStore(store_url, lake_path), wanted)
    if as_json:
        emit_json(_as_object(done, dry_run, removed, in_store))
    _tell(done, lake_path, dry_run=dry_run, goes_later=removed is None)
    if in_store is not None and in_store.actions:
        say(f"{amount(in_store.actions, 'step')} in the store name a keyed token now.")
    if in_store is not None and in_store.appeals:
        say(f"Erased the words of {amount(in_store.appeals, 'appeal')}.")


def _wanted(
    accounts: tuple[str, ...], account_file: Path | None, days: int | None, text_only: bool
) -> Wanted:
    from stillwatch.lake.erasure_rules import Wanted

    if bool(accounts or account_file) == (days is not None):
        raise InputError(
            "say what to erase: accounts, or what is older than some days.",
            where="lake forget",
            remedy="Give --account or --account-file, or --older-than.",
        )
    if days is not None:
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return Wanted(before=today - timedelta(days=days), text_only=text_only)
    named = set(accounts)
    if account_file is not None:
        try:
            lines = account_file.read_text(encoding="utf-8-sig").splitlines()
        except UnicodeDecodeError as error:
            raise InputError(
                "this is no text in UTF-8.", where=str(account_file), remedy="Give one id a line."
            ) from error
        named |= {line.strip() for line in lines}
    named.discard("")
    if not named:
        raise InputError(
            "no account is named.",
            where=str(account_file or "--account"),
            remedy="Give one id a line, as the lake names the accounts.",
        )
    return Wanted(frozenset(named), text_only=text_only)


def _as_object(
    done: Forgotten, dry_run: bool, removed: int | None, in_store: ForgottenInStore | None
) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "rows": done.rows,
        "texts": done.texts,
        "held": done.held,
        "files": done.files,
        "findings": {
            "scans": done.findings.scans,
            "rows": done.findings.rows,
            "dossiers": done.findings.dossiers,
        },
        "not_reached": [str(p) for p in (*done.not_reached, *done.findings.not_reached)],
        "removed": removed,
        "store": None if in_store is None else asdict(in_store),
    }


def _tell(done: Forgotten, lake: Path, *, dry_run: bool, goes_later: bool) -> None:
    verb = "Would erase" if dry_run else "Erased"
    for table, rows in sorted(done.rows.items()):
        say(f"{verb} {amount(rows, 'row')} of {table}.")
    if done.texts:
        say(f"{verb} the text of {amount(done.texts, 'exchange')}; their sketches stay.")
    if done.findings.scans:
        say(
            f"{verb} {amount(done.findings.rows, 'row')} and {amount(done.findings.dossiers, 'page')} "
            f"in the findings of {amount(done.findings.scans, 'scan')}."
        )
    if not (done.rows or done.texts or done.findings.scans):
        say("The lake holds nothing of it.")
    if done.held:
        say(f"{amount(done.held, 'exchange')} stay: a hold on their account is open.")
    for path in (*done.not_reached, *done.findings.not_reached)[:_SHOWN]:
        say(f"Not searched, or not ours: {path}. Look at it, and remove it yourself.")
    if dry_run:
        return
    if done.findings.scans:
        say(
            f"What is left of these findings is marked as stale. Next: stillwatch scan --lake {lake}"
        )
    if done.files and goes_later:
        say(
            "The files that held it stay for a day, for those who read them; the first import or "
            "`stillwatch lake repair` after that removes them, and --now does so at once."
        )
    if done.files:
        say("Backups, exports and findings outside of the lake still have it.")


def remove_replaced_files(lake: Path) -> int | None:
    """Remove what was replaced, and say so; None where somebody reads."""
    from stillwatch.lake.readers import remove_replaced

    removed = remove_replaced(lake)
    if removed is None:
        say("Somebody is reading the lake, so replaced files stay; run this again with --now.")
    else:
        say(f"Removed {amount(removed, 'file')} that had been replaced or left behind.")
    return removed


@click.group()
def hold() -> None:
    """Keep what would be erased while there is a reason to."""


@hold.command()
@_lake
@click.option("--account", help="As the lake names it.")
@click.option("--everything", is_flag=True, help="Hold the whole lake.")
@click.option("--reason", required=True, help="Why, for whoever asks later; no names in it.")
@click.option("--until", metavar="TIMESTAMP", help="When it ends by itself (UTC).")
@_json
@reports_errors
def add(
    lake_path: Path,
    account: str | None,
    everything: bool,
    reason: str,
    until: str | None,
    as_json: bool,
) -> None:
    """Open a hold on an account, or on the whole lake."""
    from stillwatch.lake.holds import add_hold

    if bool(account) == everything:
        raise InputError(
            "say what is held.", where="hold add", remedy="Give either --account or --everything."
        )
    opened = add_hold(lake_path, account=account or None, reason=reason, until=_moment(until))
    if as_json:
        emit_json(_hold_as_object(opened))
    say(f"Opened the hold {opened.hold_id}.")


@hold.command(name="list")
@_lake
@_json
@reports_errors
def list_holds(lake_path: Path, as_json: bool) -> None:
    """Print the holds that were not released; those that ended by themselves, too."""
    from stillwatch.lake.holds import read_holds
    from stillwatch.lake.store import Lake
    from stillwatch.sources.quarantine import one_line

    holds = read_holds(Lake.open(lake_path).path)
    if as_json:
        emit_json({"holds": [_hold_as_object(one) for one in holds]})
        return
    for one in holds:
        of = "the whole lake" if one.account is None else f"account {one.account}"
        ends = f", until {one.until:%Y-%m-%d %H:%M} UTC" if one.until else ""
        line = f"{one.hold_id}: {of}, since {one.opened_at:%Y-%m-%d}{ends}: {one.reason}"
        sys.stdout.write(one_line(line) + "\n")
    if not holds:
        say("There is no hold.")


@hold.command()
@click.argument("hold_id", metavar="HOLD")
@_lake
@_json
@reports_errors
def release(hold_id: str, lake_path: Path, as_json: bool) -> None:
    """End a hold."""
    from stillwatch.lake.holds import release_hold

    released = release_hold(lake_path, hold_id)
    if as_json:
        emit_json(_hold_as_object(released))
    say(f"Released the hold {released.hold_id}.")


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"--until {text!r} is no timestamp.", remedy="Write it as 2026-01-31T12:00:00Z."
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _hold_as_object(one: Hold) -> dict[str, Any]:
    return {
        "id": one.hold_id,
        "account": one.account,
        "reason": one.reason,
        "opened_at": one.opened_at.isoformat(),
        "until": one.until.isoformat() if one.until else None,
    }
