"""`stillwatch doctor`: is this deployment as it should be, and what to do where it is not?"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import click

from stillwatch.cli.chosen_store import ChosenStore, store_options
from stillwatch.cli.doctor_checks import (
    Check,
    Deployment,
    Health,
    check_key,
    check_lake,
    check_program,
    check_record,
    check_scan,
    check_server,
    check_snapshot,
    check_store,
)
from stillwatch.cli.output import FAILED, amount, emit_json, reports_errors, say
from stillwatch.records import StillwatchError

__all__ = ["command"]

_ABOUT_THE_LAKE = (check_lake, check_scan, check_snapshot)
_ABOUT_THE_STORE = (check_store, check_record)


@click.command("doctor")
@click.option(
    "--server", "server_url", metavar="URL", help="A server of `stillwatch serve`, to be asked."
)
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where that server keeps its snapshot, if not in the lake's folder.",
)
@store_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def command(
    server_url: str | None,
    state: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Check an installation: its parts, keys, lake, store, record, snapshot and server.

    What was not named is not checked. Nothing is changed. Exit status: 1 where something is wrong;
    what is only worth a look leaves it 0.
    """
    deployment = Deployment(at, state, server_url)
    checks = list(_all(deployment))
    wrong = [check for check in checks if check.health is Health.WRONG]
    if as_json:
        emit_json({"ok": not wrong, "checks": [check.as_dict() for check in checks]})
    for check in checks:
        say(f"{_MARKS[check.health]} {check.name}: {check.says}")
        if check.remedy:
            say(f"       {check.remedy}")
    look = sum(check.health is Health.LOOK for check in checks)
    say(f"{amount(len(checks), 'check')}: {len(wrong)} wrong, {look} worth a look.")
    if wrong:
        sys.exit(FAILED)


_MARKS = {Health.OK: "ok    ", Health.LOOK: "look  ", Health.WRONG: "WRONG "}


def _all(deployment: Deployment) -> Iterator[Check]:
    parts: list[Callable[[Deployment], Iterable[Check]]] = [check_program, check_key]
    if deployment.lake is not None:
        parts += _ABOUT_THE_LAKE
    if deployment.lake is not None or deployment.at.url is not None:
        parts += _ABOUT_THE_STORE
    if deployment.server_url is not None:
        parts.append(check_server)
    for part in parts:
        name = part.__name__.removeprefix("check_")
        try:
            yield from part(deployment)
        except StillwatchError as error:
            where = f" ({error.where})" if error.where else ""
            yield Check(name, Health.WRONG, f"{error.what.rstrip('.')}{where}.", error.remedy)
        except OSError as error:
            yield Check(name, Health.WRONG, f"the system reported: {error.strerror or error}.")
