"""`stillwatch import`: logs of a gateway or provider into a lake."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stillwatch.cli.output import (
    amount,
    emit_json,
    peak_memory_bytes,
    people,
    reports_errors,
    say,
)
from stillwatch.cli.set_option import fills_of
from stillwatch.records import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stillwatch.cli.import_table import Filled
    from stillwatch.identity import KeySource
    from stillwatch.lake.call_events import CallNews
    from stillwatch.lake.network import NetworkNews
    from stillwatch.lake.writer import Added
    from stillwatch.sources.adapter import Adapter
    from stillwatch.sources.pipeline import Intake

__all__ = ["command"]

_SHOWN_COLUMNS = 8


@click.command(name="import")
@click.option(
    "--format",
    "log_format",
    help="One of canonical, otlp, litellm, litellm-spend, bedrock, openai, anthropic, envoy, "
    "generic.",
)
@click.argument("inputs", nargs=-1, metavar="INPUT...", type=click.Path(path_type=Path))
@click.option(
    "--lake",
    "lake_path",
    type=click.Path(path_type=Path),
    help="The lake's folder; made if it is not there.",
)
@click.option(
    "--map",
    "map_file",
    type=click.Path(path_type=Path),
    help="For generic: a TOML file that says where each column lies.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Fill a column where the source says nothing; may be repeated.",
)
@click.option("--key-file", type=click.Path(path_type=Path), help="The key of the tokens.")
@click.option("--key-command", help="A command that prints the key.")
@click.option(
    "--detect",
    "detected",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Say which format a file has, and import nothing.",
)
@click.option(
    "--explain",
    "explained",
    type=click.IntRange(min=1),
    metavar="ROW",
    help="Print how one row of INPUT is read, by the number that the quarantine gives it (its "
    "line; the header of CSV is line 1), and import nothing.",
)
@click.option(
    "--mended",
    is_flag=True,
    help="INPUT was mended: what the quarantine holds of it leaves the quarantine.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def command(
    log_format: str | None,
    inputs: tuple[Path, ...],
    lake_path: Path | None,
    map_file: Path | None,
    assignments: tuple[str, ...],
    key_file: Path | None,
    key_command: str | None,
    detected: Path | None,
    explained: int | None,
    mended: bool,
    as_json: bool,
) -> None:
    """Take logs of a gateway or provider into a lake.

    INPUT is a file or a folder, compressed with gzip or not. What cannot be read goes to the
    quarantine, and the rest is imported. Importing the same file twice changes nothing.
    An import needs --format, INPUT and --lake; --explain no lake, and --detect none of them.
    """
    if detected is not None:
        from stillwatch.cli.import_preview import print_detected

        print_detected(detected, as_json=as_json)
        return
    adapter = _adapter(log_format, inputs, map_file)
    fills = fills_of(assignments)
    key = _key_source(key_file, key_command)
    if explained is not None:
        from stillwatch.cli.import_preview import print_explained

        print_explained(inputs, explained, adapter=adapter, key=key, fills=fills, as_json=as_json)
        return
    if lake_path is None:
        raise _missing("--lake", "Name the lake's folder; it is made if it is not there.")
    _import(adapter, inputs, lake_path, fills, key, mended=mended, as_json=as_json)


def _adapter(log_format: str | None, inputs: tuple[Path, ...], map_file: Path | None) -> Adapter:
    from stillwatch.sources.adapter import ImportRequest, load_adapter

    if log_format is None:
        raise _missing("--format", "`stillwatch import --detect FILE` says which format fits.")
    if not inputs:
        raise _missing("INPUT", "Name the files or folders that hold the log.")
    if map_file is not None and log_format != "generic":
        raise InputError(
            f"the format {log_format!r} takes no map.",
            where="--map",
            remedy="Leave it out, or give --format generic.",
        )
    return load_adapter(log_format, ImportRequest(inputs, map_file))


def _key_source(file: Path | None, command: str | None) -> KeySource:
    from stillwatch.identity import KeySource

    return KeySource.chosen(file=file, command=command)


def _missing(what: str, remedy: str) -> InputError:
    return InputError(f"{what} is missing.", where="stillwatch import", remedy=remedy)


def _import(
    adapter: Adapter,
    inputs: tuple[Path, ...],
    lake_path: Path,
    fills: dict[str, str],
    key: KeySource,
    *,
    mended: bool,
    as_json: bool,
) -> None:
    from collections import Counter
    from datetime import UTC, datetime

    from stillwatch.cli.import_table import Filled, known_columns, unable
    from stillwatch.cli.key_of_lake import key_of_lake
    from stillwatch.identity import Tokeniser
    from stillwatch.lake.readers import reading
    from stillwatch.lake.store import Lake
    from stillwatch.sources.mending import Mending
    from stillwatch.sources.pipeline import input_files, take_in
    from stillwatch.sources.quarantine import one_line
    from stillwatch.sources.reading_process import is_worth_a_process

    started = time.monotonic()
    passed_over: Counter[str] = Counter()
    paths = input_files(inputs, passed_over)
    for folder, number in passed_over.items():
        say(f"Passed over in {one_line(folder)}, for a `.` or `_` before the name: {number:,}.")
    tokeniser = Tokeniser(key_of_lake(key, lake_path))
    click.get_current_context().with_resource(reading(lake_path))
    lake = Lake.open_or_create(lake_path, tokeniser.fingerprint)
    now, settled = datetime.now(UTC), 0
    with (
        lake.writer() as writer,
        _progress(len(paths), filled := Filled(writer)) as on_file,
    ):
        mending = Mending(filled) if mended else None
        intake = take_in(
            paths,
            adapter=adapter,
            tokeniser=tokeniser,
            fills=fills,
            now=now,
            destination=mending or filled,
            on_file=on_file,
            in_two_processes=is_worth_a_process(paths),
        )
        if mending:
            settled = mending.settle(paths, lake.files("quarantine"), now)
    if mended:
        still = writer.added.calls.kept if writer.added.calls else 0
        say(f"{amount(settled - still, 'row')} left the quarantine.")
    lacking = unable(filled.known() | known_columns(lake))
    seconds = time.monotonic() - started
    _report(intake, writer.added, filled.shares(), lacking, lake_path, seconds, as_json=as_json)


@contextmanager
def _progress(files: int, filled: Filled) -> Iterator[Callable[[Path], None]]:
    """A line that moves on a terminal, with the rows so far; silence elsewhere."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeElapsedColumn(),
        console=people,
        transient=True,
        disable=not people.is_terminal,
    ) as bar:
        task = bar.add_task("Reading", total=files + 1, rows="")

        def show_rows() -> None:
            bar.update(task, rows=amount(filled.rows.total(), "row"))

        filled.after_rows = show_rows
        yield lambda _path: bar.advance(task)


def _report(
    intake: Intake,
    added: Added,
    shares: dict[str, dict[str, float]],
    lacking: dict[str, list[str]],
    lake_path: Path,
    seconds: float,
    *,
    as_json: bool,
) -> None:
    from stillwatch.cli.import_table import NEEDS, say_filled
    from stillwatch.sources.quarantine import one_line

    quarantined = intake.quarantined + (added.calls.waiting if added.calls else 0)
    if as_json:
        emit_json(
            {
                "read": intake.read,
                "imported": added.imported,
                "duplicates": added.duplicates,
                "known_otherwise": added.otherwise,
                "told_before": added.told_before,
                "corrected": added.corrected,
                "quarantined": quarantined,
                "seconds": round(seconds, 3),
                "peak_memory_bytes": peak_memory_bytes(),
                "emptied_values": dict(intake.emptied),
                "emptied_first": intake.emptied_at,
                "dropped_columns": intake.dropped,
                "remarks": dict(intake.remarks),
                "filled": shares,
                "signals": [signal for signal in NEEDS if signal not in lacking],
                "signals_lacking": lacking,
                **({"network": _counts(added.network)} if added.network else {}),
                **({"calls": _counts_of_calls(added.calls)} if added.calls else {}),
            }
        )
    say(
        f"Read {amount(intake.read, 'row')}: {added.imported:,} imported, {added.duplicates:,} known "
        f"already, {quarantined:,} quarantined, in {seconds:.1f} s."
    )
    _say_corrections(added)
    if added.network:
        _say_network(added.network)
    if added.calls:
        _say_calls(added.calls)
    for name, number in intake.emptied.most_common(_SHOWN_COLUMNS):
        were = "was" if number == 1 else "were"
        values = f"{amount(number, 'value')} of {one_line(name)}"
        at = f" The first: {intake.emptied_at[name]}." if name in intake.emptied_at else ""
        say(f"{values} {were} not of its type and {were} left empty.{at}")
    for what, number in intake.remarks.most_common(_SHOWN_COLUMNS):
        say(f"{number:,} {'time' if number == 1 else 'times'}: {one_line(what)}")
    for name, reason in list(intake.dropped.items())[:_SHOWN_COLUMNS]:
        say(f"Column {one_line(name)} was not taken: {reason}.")
    if quarantined:
        say(f"First in the quarantine: {intake.first_reason or _first_waiting(added)}")
        say(f"See all of it with `stillwatch quarantine show --lake {lake_path}`.")
    if not intake.read:
        say(
            "Nothing was there to read: the files are empty, or hold nothing but what is passed over."
        )
        return
    if added.calls and added.calls.waiting == intake.read:
        raise InputError(
            "this log tells calls by their events alone, and the lake has no span of them.",
            remedy="Import the traces, then this log again with --mended; or both at once, in any "
            "order.",
        )
    if quarantined == intake.read:
        raise InputError(
            "nothing in the input could be used.",
            remedy="Mend what the quarantine names; if it is of another format, "
            "`stillwatch import --detect FILE` says of which.",
        )
    say_filled(shares, lacking)
    if added.network and not shares and not added.network.joined:
        say("Next: import the log that tells the exchanges of these requests into the same lake.")
    else:
        say(f"Next: `stillwatch scan --lake {lake_path}`.")


def _say_corrections(added: Added) -> None:
    if added.otherwise:
        say(
            f"{added.otherwise:,} of those known say something else, or more, than the exchange "
            "that has their id (account, time, model or text), and that one stays. Where two senders "
            "use the same ids, `--set source_id=NAME` keeps them apart; where the id is not one of a "
            "single exchange, leave exchange_id out, and one is made."
        )
    if added.told_before:
        say(
            f"{added.told_before:,} of those known say what was corrected since, and the correction "
            "stays. Where the earlier value holds again, say since when (restored_at), or add a "
            "column with the date of the table."
        )
    if added.corrected:
        say(f"{added.corrected:,} say what a later row of this import says otherwise: that holds.")


def _counts_of_calls(calls: CallNews) -> dict[str, int]:
    return {name: getattr(calls, name) for name in ("filled", "alone", "waiting")}


def _say_calls(calls: CallNews) -> None:
    if calls.filled:
        say(f"{amount(calls.filled, 'exchange')} got what events in this log say of their calls.")
    if calls.waiting:
        say(f"Waiting in the quarantine for their spans: {amount(calls.waiting, 'event')}.")
    if calls.alone:
        say(
            f"Told by events alone, with the time of their end: {amount(calls.alone, 'exchange')}. "
            "What only spans say is missing; import the traces before such a log."
        )


def _first_waiting(added: Added) -> str:
    return f"{added.calls.first}: {added.calls.reason}" if added.calls else ""


def _counts(network: NetworkNews) -> dict[str, int]:
    names = ("joined", "doubled", "contested", "waiting")
    return {name: getattr(network, name) for name in names}


def _say_network(network: NetworkNews) -> None:
    say(
        f"{network.joined:,} exchanges got their network from a proxy's log; {network.waiting:,} "
        "requests of such logs wait for their exchange."
    )
    if network.doubled:
        say(f"{network.doubled:,} of them had several rows there; the first was taken.")
    if network.contested:
        say(
            f"{network.contested:,} exchanges got none: an id stood for several addresses or "
            "accounts. Import the outermost proxy's log, and let it set the ids."
        )
