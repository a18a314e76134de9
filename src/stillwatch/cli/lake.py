"""`stillwatch lake`: is a lake whole, how is it made whole, and how are its files kept few?"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from stillwatch.cli.lake_forget import forget, hold, remove_replaced_files
from stillwatch.cli.output import FAILED, amount, emit_json, people, reports_errors, say

__all__ = ["command"]

_lake = click.option(
    "--lake", "lake_path", required=True, type=click.Path(path_type=Path), help="The lake's folder."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_now = click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="Remove replaced files at once if no stillwatch reads them, and not after a day.",
)
_SHOWN = 20


@click.group(name="lake")
def command() -> None:
    """Check a lake, repair it, merge its small files, or erase from it.

    All may run while others import and scan.
    """


command.add_command(forget)
command.add_command(hold)


@command.command()
@_lake
@_json
@reports_errors
def check(lake_path: Path, as_json: bool) -> None:
    """Read every file of a lake and say what is wrong.

    Files must be there, be those that were written, and hold each row once. Exit status 1 when
    something is wrong. What a killed import left is named, but it counts for nothing: that is not
    wrong.
    """
    from stillwatch.lake.check import check_lake

    started = time.monotonic()
    with _progress() as on_file:
        checked = check_lake(lake_path, on_file=on_file)
    if as_json:
        emit_json(
            {
                "ok": not checked.problems,
                "problems": [
                    {"where": p.where, "what": p.what, "remedy": p.remedy} for p in checked.problems
                ],
                "files": checked.files,
                "bytes": checked.size,
                "rows": checked.rows,
                "files_without_digest": checked.without_digest,
                "leftovers": [str(path) for path in checked.leftovers],
                "at_work": checked.working,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
    for problem in checked.problems[:_SHOWN]:
        say(f"{problem.where}: {problem.what} {problem.remedy}")
    if len(checked.problems) > _SHOWN:
        say(f"{len(checked.problems) - _SHOWN:,} more are not shown; see --json.")
    if checked.without_digest:
        say(f"{checked.without_digest:,} files have no digest: an early version wrote them.")
    if checked.leftovers:
        say(
            f"{len(checked.leftovers):,} files and folders were left by commands that were killed, "
            "and count for nothing. The next import removes them, or `stillwatch lake repair`."
        )
    if checked.problems:
        sys.exit(FAILED)
    say(
        f"The lake is whole: {checked.rows.get('exchanges', 0):,} exchanges in {checked.files:,} "
        f"files ({checked.size:,} bytes)."
    )


@command.command()
@_lake
@click.option(
    "--set-aside",
    is_flag=True,
    help="Take damaged files out of the lake as well; what exists of them is kept in `damaged`.",
)
@_json
@reports_errors
def repair(lake_path: Path, set_aside: bool, as_json: bool) -> None:
    """Remove what killed commands left, and set damaged files aside if asked.

    No row goes without --set-aside. With it the lake can be used without the damaged rows, and
    importing their logs again brings them back.
    """
    from stillwatch.lake.repair import DAMAGED, repair_lake

    repaired = repair_lake(lake_path, set_aside=set_aside)
    if as_json:
        emit_json(
            {
                "removed": [str(path) for path in repaired.removed],
                "set_aside": [str(path) for path in repaired.set_aside],
                "rows_set_aside": repaired.rows,
            }
        )
    say(f"Removed {len(repaired.removed):,} files and folders that killed commands left.")
    if not set_aside:
        return
    for table, rows in repaired.rows.items():
        say(f"Set aside {rows:,} rows of {table}.")
    if repaired.set_aside:
        say(f"What exists of their files is in {lake_path / DAMAGED}. Import their logs again.")
        say("Exchanges there that can be read go back with `stillwatch import --format canonical`.")
    else:
        say("No file is damaged.")


@command.command()
@_lake
@click.option(
    "--files-a-day",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Leave a day alone that has no more files.",
)
@_now
@_json
@reports_errors
def compact(lake_path: Path, files_a_day: int, at_once: bool, as_json: bool) -> None:
    """Merge a day's many small files into few, in one step.

    Rows, their sketches and findings stay as they are. Of a day with more than --files-a-day, the
    smallest go together, and a file only with those that are as large as itself. Exit status 1 when
    a file is damaged: what would be merged with it stays.
    """
    from stillwatch.lake.compaction import compact_lake

    started = time.monotonic()
    done = compact_lake(lake_path, most_files=files_a_day)
    removed = remove_replaced_files(lake_path) if at_once else None
    if as_json:
        emit_json(
            {
                "files_before": done.before,
                "files": done.after,
                "merged": done.merged,
                "rows": done.rows,
                "overtaken": done.overtaken,
                "problems": [
                    {"where": p.where, "what": p.what, "remedy": p.remedy} for p in done.problems
                ],
                "removed": removed,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
    for problem in done.problems[:_SHOWN]:
        say(f"{problem.where}: {problem.what} {problem.remedy}")
    say(
        f"Merged {amount(done.merged, 'file')} with {amount(done.rows, 'row')}: the lake had "
        f"{amount(done.before, 'file')} and has {done.after:,}."
    )
    if done.overtaken:
        say(f"{done.overtaken:,} stay, since others replaced some meanwhile. Run this again.")
    if done.merged and not at_once:
        say(_GOES_LATER)
    if done.problems:
        sys.exit(FAILED)


_GOES_LATER = (
    "The files they take the place of stay for a day, for those who read them; the first import or "
    "`stillwatch lake repair` after that removes them."
)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar over the files; quiet when standard error is not a terminal."""
    from rich.progress import Progress

    with Progress(console=people, disable=not people.is_terminal, transient=True) as progress:
        task = progress.add_task("Checking", total=None)
        yield lambda done, of: progress.update(task, completed=done, total=of)
