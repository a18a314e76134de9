"""`stillwatch export-findings`: campaigns as events for a SIEM."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.outside_lakes import require_outside_lakes

__all__ = ["command"]

_FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(name="export-findings")
@click.option("--findings", "findings_folder", type=_FOLDER, help="What `scan --out` wrote.")
@click.option("--lake", "lake_folder", type=_FOLDER, help="A lake: its latest scan is taken.")
@click.option(
    "--format",
    "event_format",
    type=click.Choice(["ocsf"]),
    default="ocsf",
    show_default=True,
    help="OCSF 1.8, Detection Finding (class 2004).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="One event a line.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def command(
    findings_folder: Path | None,
    lake_folder: Path | None,
    event_format: str,
    out: Path,
    as_json: bool,
) -> None:
    """Write each campaign of a scan as an event for a SIEM, one JSON object a line.

    The events name accounts as the log does, and hold neither prompts nor addresses: they are for
    whoever has the log.
    """
    from stillwatch import __version__
    from stillwatch.cli.explain import findings_folder_of
    from stillwatch.dossier.ocsf import detection_findings
    from stillwatch.records import private_file, read_findings

    require_outside_lakes(out)
    findings = read_findings(findings_folder_of(findings_folder, lake_folder))
    events = detection_findings(findings, version=__version__, made_at=datetime.now(UTC))
    written = 0
    with private_file(out) as partial, partial.open("w", encoding="utf-8") as lines:
        for event in events:
            lines.write(json.dumps(event) + "\n")
            written += 1
    if as_json:
        emit_json({"format": event_format, "findings": written})
    say(f"Wrote {amount(written, 'finding')} to {out}.")
