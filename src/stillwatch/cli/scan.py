"""`stillwatch scan`: find campaigns in an exchange log or a lake."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stillwatch import __version__
from stillwatch.cli.opened_log import GivenTables, lake_to_read, log_of_lake
from stillwatch.cli.output import FOUND, emit_json, peak_memory_bytes, people, reports_errors, say
from stillwatch.cli.outside_lakes import require_outside_lakes
from stillwatch.records import Findings, InputError, read_actors

if TYPE_CHECKING:
    from stillwatch.campaigns.scan import Progress, ScanSettings
    from stillwatch.lake.log import Log
    from stillwatch.lake.store import Lake

__all__ = ["command"]

_PATH = click.Path(path_type=Path)


class _SignalsOption(click.Option):
    """An option whose help lists the signals, which are imported only for that."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from stillwatch.campaigns.tells import SIGNALS

        record = super().get_help_record(ctx)
        return record and (record[0], f"{record[1]} Known: {', '.join(sorted(SIGNALS))}.")


@click.command("scan")
@click.option(
    "--exchanges", type=_PATH, multiple=True, help="Canonical Parquet, a file or a folder."
)
@click.option("--accounts", type=_PATH, help="Canonical Parquet of the accounts.")
@click.option("--credentials", type=_PATH, help="Canonical Parquet of the credentials.")
@click.option("--releases", type=_PATH, help="Canonical Parquet of the model releases.")
@click.option("--actors", type=_PATH, help="Profiles of known actors (JSON), to compare with.")
@click.option("--lake", type=_PATH, help="A lake, in place of --exchanges and --accounts.")
@click.option("--out", type=_PATH, help="Where the findings go; with --lake, into the lake.")
@click.option(
    "--until",
    metavar="TIMESTAMP",
    help="Take only what was known at this moment (UTC); a lake keeps such findings apart.",
)
@click.option("--fdr", type=float, default=0.01, show_default=True, help="False discovery rate.")
@click.option(
    "--timeline/--no-timeline", default=True, help="Find when each account was first flagged."
)
@click.option(
    "--joint",
    is_flag=True,
    help="Hold the rate over all daily looks together, not at each.",
)
@click.option(
    "--grid",
    type=int,
    metavar="HOURS",
    default=24,
    show_default=True,
    help="Date accounts on a grid of so many hours.",
)
@click.option(
    "--without",
    cls=_SignalsOption,
    metavar="A,B",
    help="Do not ask these signals, to see what they add.",
)
@click.option(
    "--engine",
    type=click.Choice(["duckdb", "spark"]),
    default="duckdb",
    show_default=True,
    help="Where the log is read and queried: here, or on Apache Spark.",
)
@click.option(
    "--master",
    metavar="URL",
    help="Of Spark: the cluster, such as spark://HOST:7077; this machine if absent.",
)
@click.option("--show-sql", is_flag=True, help="Print the named queries and stop.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@reports_errors
def command(
    exchanges: tuple[Path, ...],
    accounts: Path | None,
    credentials: Path | None,
    releases: Path | None,
    actors: Path | None,
    lake: Path | None,
    out: Path | None,
    until: str | None,
    fdr: float,
    timeline: bool,
    joint: bool,
    grid: int,
    without: str | None,
    engine: str,
    master: str | None,
    show_sql: bool,
    as_json: bool,
) -> None:
    """Find campaigns in an exchange log or a lake.

    Exit status: 0 nothing found, 3 at least one campaign found, 2 unusable input or arguments,
    1 the program failed, 130 interrupted.
    """
    from stillwatch.campaigns.scan import ScanSettings

    if show_sql:
        _print_queries()
        return
    _check(exchanges, lake, out, fdr, grid)
    _check_engine(engine, master)
    unasked = _signals(without)
    _spare_inputs(out, (*exchanges, accounts, credentials, releases, actors))
    started = time.monotonic()
    moment = _moment(until) if until else None
    profiles = tuple(read_actors(actors)) if actors else None
    given = GivenTables(exchanges, accounts, credentials, releases)
    snapshot = lake_to_read(lake) if lake else None
    log = log_of_lake(snapshot, moment) if snapshot else given.opened(moment)
    for problem in log.problems:
        say(f"Left out: {problem}")
    settings = ScanSettings(
        rate=fdr,
        with_timeline=timeline or joint,
        joint=joint,
        grid_hours=grid,
        without=unasked,
        profiles=profiles,
        looks=snapshot.looks_directory if snapshot else None,
    )
    with _on_engine(log, engine, master) as log:
        findings = _scan(log, settings, given, lake)
        folder, place = _write(findings, log, out, snapshot)
    seconds = time.monotonic() - started
    _tell(findings, folder, place)
    if as_json:
        emit_json(_as_object(findings, seconds))
    if findings.campaigns.num_rows:
        sys.exit(FOUND)


def _check(
    exchanges: tuple[Path, ...], lake: Path | None, out: Path | None, fdr: float, grid: int
) -> None:
    if bool(exchanges) == bool(lake):
        raise InputError(
            "give either --exchanges or --lake.",
            remedy="For canonical Parquet: --exchanges PATH --accounts FILE --out DIR.",
        )
    if exchanges and out is None:
        raise InputError("--out is missing.", remedy="Say where the findings go: --out DIR.")
    if not 0 < fdr < 1:
        raise InputError(
            f"--fdr {fdr:g} is not a rate.", remedy="Give a number between 0 and 1, such as 0.01."
        )
    if not 1 <= grid <= 24 or 24 % grid:
        raise InputError(
            f"--grid {grid} does not divide a day.", remedy="Give 1, 2, 3, 4, 6, 8, 12 or 24 hours."
        )
    if out is not None and out.exists() and not out.is_dir():
        raise InputError("this is a file, not a folder.", where=str(out), remedy="Give a folder.")


def _check_engine(engine: str, master: str | None) -> None:
    if master is not None and engine != "spark":
        raise InputError(
            f"--master {master} is of no use to --engine {engine}.", remedy="Add --engine spark."
        )


@contextmanager
def _on_engine(log: Log, engine: str, master: str | None) -> Iterator[Log]:
    """The log as the engine reads it, as long as the engine runs."""
    if engine == "duckdb":
        yield log
        return
    from stillwatch.lake.spark.log import on_spark
    from stillwatch.lake.spark.session import spark_session

    with spark_session(master) as session:
        yield on_spark(log, session)


def _spare_inputs(out: Path | None, inputs: Iterable[Path | None]) -> None:
    """Findings have file names of their own, and one of them is that of a log."""
    if out is None:
        return
    require_outside_lakes(out)
    for given in inputs:
        if given is None or not given.exists():
            continue
        folder = given if given.is_dir() else given.parent
        if folder.resolve() == out.resolve():
            raise InputError(
                "the findings would overwrite the log.",
                where=str(out),
                remedy="Give --out a folder that holds none of the input.",
            )


def _signals(given: str | None) -> frozenset[str]:
    from stillwatch.campaigns.tells import SIGNALS

    names = frozenset(part.strip() for part in (given or "").split(",") if part.strip())
    unknown = sorted(names - set(SIGNALS))
    if unknown:
        raise InputError(
            f"there is no signal {unknown[0]!r}.",
            where="--without",
            remedy=f"Known: {', '.join(sorted(SIGNALS)) or 'none that can be left out'}.",
        )
    return names


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(
            f"--until {text!r} is no timestamp.", remedy="Write it as 2026-01-31T12:00:00Z."
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _scan(log: Log, settings: ScanSettings, given: GivenTables, lake: Path | None) -> Findings:
    from stillwatch.campaigns.scan import scan

    read = [lake] if lake else [*given.exchanges, *([given.accounts] if given.accounts else [])]
    notes = {
        "command": shlex.join(["stillwatch", *sys.argv[1:]]),
        "version": __version__,
        "fdr": settings.rate,
        "scanned_at": datetime.now(UTC).isoformat(timespec="seconds"),
        # Where `explain` looks up whether there is an account that the findings do not name.
        "log": [str(path.absolute()) for path in read],
        # What `policy` reads of these findings, beside them.
        "tables": None if lake else given.noted(),
    }
    with _progress() as progress:
        return scan(log, settings, notes=notes, progress=progress)


@contextmanager
def _progress() -> Iterator[Progress]:
    """A line that moves on a terminal; silence elsewhere."""
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    words = {
        "read": "Reading and sketching exchanges",
        "weigh": "Linking accounts and weighing groups",
        "replay": "Replaying midnights",
    }
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TimeElapsedColumn(),
        console=people,
        transient=True,
        disable=not people.is_terminal,
    ) as bar:
        task = bar.add_task("Opening the log", total=None, done="")

        def progress(step: str, done: int, total: int) -> None:
            bar.update(
                task,
                description=words[step],
                total=total or None,
                completed=done,
                done=f"{done:,}" if done else "",
            )

        yield progress


def _write(
    findings: Findings, log: Log, out: Path | None, snapshot: Lake | None
) -> tuple[Path, str]:
    """Write them where they were asked for, else into the lake.

    Returns:
        Where they are, and the option with which `explain` finds them.
    """
    from stillwatch.dossier import write_dossiers
    from stillwatch.records import write_findings

    def write(folder: Path) -> None:
        write_findings(findings, folder)
        write_dossiers(findings, log, folder, command=str(findings.notes["command"]))

    if out is not None:
        write(out)
        return out, f"--findings {shlex.quote(str(out))}"
    assert snapshot is not None
    with snapshot.new_findings(log.until) as folder:
        write(folder)
    if log.until is None:
        return snapshot.findings_directory, f"--lake {shlex.quote(str(snapshot.path))}"
    apart = snapshot.findings_until(log.until)
    return apart, f"--findings {shlex.quote(str(apart))}"


def _tell(findings: Findings, out: Path, place: str) -> None:
    notes = findings.notes
    for reason, number in notes["left_out"].items():
        say(f"Left out: {number:,} exchange{'s' if number != 1 else ''}: {reason}.")
    for text in notes["missing_evidence"]:
        say(f"Missing evidence: {text}.")
    rows = findings.campaigns.to_pylist()
    if not rows:
        say(
            f"No campaign at a false discovery rate of {notes['fdr']:g}. "
            f"{findings.tested.num_rows} groups were weighed; see {out / 'tested.parquet'}."
        )
        return
    say(f"{len(rows)} campaign{'s' if len(rows) != 1 else ''} found.")
    for row in rows:
        say(f"  {row['campaign_id']}: {row['summary']}")
    say(f"Findings: {out}")
    for row in rows:
        say(f"Dossier: {out / 'dossier' / (row['campaign_id'] + '.html')}")
    say(f"Next: stillwatch explain {rows[0]['campaign_id']} {place}")


def _as_object(findings: Findings, seconds: float) -> dict[str, Any]:
    keys = ("campaign_id", "accounts", "exchanges", "fdr_q", "targets", "status", "summary")
    return {
        "campaigns": [{k: row[k] for k in keys} for row in findings.campaigns.to_pylist()],
        "missing_evidence": findings.notes["missing_evidence"],
        "left_out": findings.notes["left_out"],
        "groups_tested": findings.tested.num_rows,
        "seconds": round(seconds, 3),
        "peak_memory_bytes": peak_memory_bytes(),
    }


def _print_queries() -> None:
    from stillwatch.lake.queries import load_query, query_names

    for name in query_names():
        click.echo(f"-- {name}.sql\n{load_query(name)}")
