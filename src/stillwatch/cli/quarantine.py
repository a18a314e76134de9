"""`stillwatch quarantine`: what imports could not read."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stillwatch.cli.output import emit_json, reports_errors, say

__all__ = ["command"]


@click.group(name="quarantine")
def command() -> None:
    """List the rows an import could not read."""


@command.command()
@click.option(
    "--lake", "lake_path", required=True, type=click.Path(path_type=Path), help="The lake's folder."
)
@click.option(
    "--limit",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Show at most so many rows.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def show(lake_path: Path, limit: int, as_json: bool) -> None:
    """Print file, line, reason and time of every row left out."""
    from stillwatch.lake.store import Lake
    from stillwatch.sources.quarantine import one_line, read_quarantine

    lake = Lake.open(lake_path)
    total = lake.rows("quarantine")
    rows = read_quarantine(lake.files("quarantine"), limit=limit)
    if as_json:
        entries = [
            {
                "file": row.file,
                "line": row.line,
                "reason": row.reason,
                "quarantined_at": row.quarantined_at.isoformat(),
            }
            for row in rows
        ]
        emit_json({"quarantined": total, "rows": entries})
        return
    for row in rows:
        place = f"{row.file}, line {row.line}" if row.line else row.file
        sys.stdout.write(one_line(f"{place}: {row.reason}") + "\n")
    if total > len(rows):
        say(f"{total - len(rows):,} more are not shown; see --limit.")
    elif not total:
        say("The quarantine is empty: every row was read.")
    else:
        say("Mend the rows in their files and import those again: what is known is passed over.")
