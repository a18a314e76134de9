"""`stillwatch quarantine`: what imports could not read, and the way back into the lake."""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.outside_lakes import require_outside_lakes
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.sources.quarantine import QuarantinedRow

__all__ = ["command"]

_SHOWN = 8
# Where in its line a row breaks is another place each time.
_PLACE = re.compile(r" at (?:column|byte) [0-9]+")

_lake = click.option(
    "--lake", "lake_path", required=True, type=click.Path(path_type=Path), help="The lake's folder."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(name="quarantine")
def command() -> None:
    """List the rows an import could not read, or export them to be mended."""


@command.command()
@_lake
@click.option(
    "--limit",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Show at most so many rows; counts are of all.",
)
@click.option("--mended", "mended_too", is_flag=True, help="Show rows that were mended, too.")
@_json
@reports_errors
def show(lake_path: Path, limit: int, mended_too: bool, as_json: bool) -> None:
    """Print file, line and reason of every row left out, and count them by reason and file."""
    from stillwatch.lake.store import Lake
    from stillwatch.sources.quarantine import one_line, read_quarantine

    by_reason: Counter[str] = Counter()
    by_file: Counter[str] = Counter()
    rows: list[QuarantinedRow] = []
    mended = 0
    lake = click.get_current_context().with_resource(Lake.reading(lake_path))
    for row in read_quarantine(lake.files("quarantine")):
        if row.mended_at is None:
            by_reason[_PLACE.sub("", row.reason)] += 1
            by_file[row.file] += 1
        else:
            mended += 1
        if (row.mended_at is None or mended_too) and len(rows) < limit:
            rows.append(row)
    waiting = by_file.total()
    if as_json:
        entries = [
            {
                "file": row.file,
                "line": row.line,
                "reason": row.reason,
                "format": row.log_format,
                "quarantined_at": row.quarantined_at.isoformat(),
                "mended_at": row.mended_at.isoformat() if row.mended_at else None,
            }
            for row in rows
        ]
        emit_json(
            {
                "quarantined": waiting,
                "mended": mended,
                "by_reason": dict(by_reason.most_common()),
                "by_file": dict(by_file.most_common()),
                "rows": entries,
            }
        )
        return
    for row in rows:
        place = f"{row.file}, line {row.line}" if row.line else row.file
        note = " (mended)" if row.mended_at else ""
        sys.stdout.write(one_line(f"{place}: {row.reason}{note}") + "\n")
    if not waiting:
        say("The quarantine is empty: every row was read.")
        return
    for title, counts in (("reason", by_reason), ("file", by_file)):
        say(f"By {title}:")
        for name, number in counts.most_common(_SHOWN):
            say(f"{number:8,}  {one_line(name)}")
        if len(counts) > _SHOWN:
            say(f"          and {len(counts) - _SHOWN:,} more, see --json.")
    if waiting + mended * mended_too > len(rows):
        say(f"{waiting + mended * mended_too - len(rows):,} more rows are not shown; see --limit.")
    say(f"Next: `stillwatch quarantine export --lake {lake_path} --out DIR`, to mend them.")


@command.command()
@_lake
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="A new folder; the rows lie there in clear, readable by you only.",
)
@click.option("--changed", "changed_too", is_flag=True, help="Read files changed since, too.")
@_json
@reports_errors
def export(lake_path: Path, out: Path, changed_too: bool, as_json: bool) -> None:
    """Write the rows left out as they are in their files, to be mended and imported again.

    The lake holds no raw rows: they are read from the files that were imported, so run this in the
    folder of the import. `stillwatch import --mended` then takes them out of the quarantine.
    """
    from stillwatch.lake.store import Lake
    from stillwatch.sources.mending import export_rows
    from stillwatch.sources.quarantine import one_line, read_quarantine

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            "there is something here already.", where=str(out), remedy="Give a new folder."
        )
    require_outside_lakes(out)
    with Lake.reading(lake_path) as lake:
        rows = read_quarantine(lake.files("quarantine"))
        done = export_rows(rows, out, changed_too=changed_too)
    if as_json:
        emit_json({"exported": done.rows, "formats": sorted(done.formats), "left": done.left})
    say(f"Wrote {amount(done.rows, 'row')}.")
    for name, reason in list(done.left.items())[:_SHOWN]:
        how = "not written whole" if name in done.in_part else "not written"
        say(f"{one_line(name)} was {how}: {reason}")
    for name in sorted(done.formats):
        say(
            f"Next: mend them, and `stillwatch import --format {name} --mended {out / name} "
            f"--lake {lake_path}`."
        )
