"""`stillwatch explain ID`: why a campaign, account or group was found, or was not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stillwatch.cli.chosen_store import ChosenStore, store_option
from stillwatch.cli.explained_refusal import (
    action_of_reference,
    refusal_as_object,
    refusal_in_words,
)
from stillwatch.cli.output import emit_json, reports_errors, say
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.dossier import Explanation

__all__ = ["command", "findings_folder_of"]

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(name="explain")
@click.argument("wanted", metavar="ID")
@click.option("--findings", "findings_folder", type=_FOLDER, help="What `scan --out` wrote.")
@click.option("--lake", "lake_folder", type=_FOLDER, help="A lake: its latest scan is taken.")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def command(
    wanted: str,
    findings_folder: Path | None,
    lake_folder: Path | None,
    store_url: str | None,
    as_json: bool,
) -> None:
    """Say in words why a campaign or account was found, or was not.

    ID is a campaign, an account, a group that was weighed, or the reference that a refused customer
    was shown: then it is told what was done, and why of the account. An account that neither the findings
    nor the log they were made of know is an error.
    """
    from stillwatch.dossier import explain, visible
    from stillwatch.records import read_findings

    folder = findings_folder_of(findings_folder, lake_folder)
    findings = read_findings(folder)
    log = [lake_folder] if lake_folder else [Path(path) for path in findings.notes.get("log", ())]
    there = bool(log) and all(path.exists() for path in log)
    action = action_of_reference(wanted, ChosenStore(store_url, lake_folder))
    if action is not None:
        for line in refusal_in_words(action):
            say(visible(line))
    explanation = explain(
        findings,
        action.account_id if action else wanted,
        is_in_log=partial(_is_in_log, log) if there and action is None else None,
    )
    if as_json:
        told = explanation.as_dict() | {"stale": findings.notes.get("stale", [])}
        if action is not None:
            told |= {"id": wanted, "kind": "refusal", "refusal": refusal_as_object(action)}
        emit_json(told)
    for note in findings.notes.get("stale", ()):
        say(visible(f"These findings are stale: {note['reason']}. Scan again."))
    place = f"--lake {lake_folder}" if lake_folder else f"--findings {folder}"
    _tell(explanation, folder, place=place)


def findings_folder_of(findings: Path | None, lake: Path | None) -> Path:
    """The folder of findings that was asked for, of the two ways to name one.

    Raises:
        InputError: Both or neither was given, or there is no lake.
    """
    if (findings is None) == (lake is None):
        raise InputError(
            "give either --findings or --lake." if findings is None else "give only one of both.",
            where="--findings, --lake",
            remedy="For example --findings DIR.",
        )
    if findings is not None:
        return findings
    from stillwatch.lake.store import Lake

    assert lake is not None
    return Lake.open(lake).findings_directory


def _is_in_log(log: Iterable[Path], account: str) -> bool:
    """Whether the exchanges or accounts of canonical files, or of a lake, name this account."""
    from stillwatch.lake.log import parquet_files
    from stillwatch.lake.manifest import MANIFEST
    from stillwatch.lake.store import Lake

    files: list[Path] = []
    for path in log:
        if (path / MANIFEST).exists():
            lake = click.get_current_context().with_resource(Lake.reading(path))
            files += [*lake.files("exchanges"), *lake.files("accounts")]
        else:
            files += parquet_files(path)
    return _is_named_in(files, account)


def _is_named_in(files: Sequence[Path], account: str) -> bool:
    """Asks all files at once, and halves of them only where one cannot be read."""
    import duckdb

    from stillwatch.lake.parquet_source import parquet_source

    if not files:
        return False
    query = f"select 1 from {parquet_source(files)} where account_id = $account limit 1"
    try:
        return duckdb.execute(query, {"account": account}).fetchone() is not None
    except duckdb.Error:
        # A file that cannot be read is one that the scan left out, too.
        half = len(files) // 2
        return half > 0 and any(
            _is_named_in(part, account) for part in (files[:half], files[half:])
        )


def _tell(explanation: Explanation, folder: Path, *, place: str) -> None:
    from stillwatch.dossier import visible

    say(visible(explanation.verdict))
    for line in explanation.lines:
        say(visible(line))
    if explanation.reasons:
        say("Why not:" if explanation.cleared else "Why:")
    for reason in explanation.reasons:
        say(visible(f"  - {reason.text}"))
        say(visible(f"    observed: {reason.observed}; usual: {reason.baseline}"))
        if reason.evidence:
            more = len(reason.evidence) - 3
            shown = ", ".join(reason.evidence[:3]) + (f" and {more} more" if more > 0 else "")
            say(visible(f"    see exchanges {shown}"))
    for line in explanation.honest:
        say(visible(line))
    page = folder / "dossier" / f"{explanation.id}.html"
    if explanation.kind == "campaign" and page.is_file():
        say(visible(f"The dossier is {page}"))
    for campaign in explanation.facts.get("campaigns", []):
        say(visible(f"Next: stillwatch explain {campaign['campaign_id']} {place}"))
