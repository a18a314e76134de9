"""What `stillwatch doctor` looks at: one function a part, each with what it says and what to do."""

from __future__ import annotations

import json
import platform
import ssl
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stillwatch import __version__
from stillwatch.cli.output import amount
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.cli.chosen_store import ChosenStore
    from stillwatch.lake.condition import Condition

__all__ = [
    "Check",
    "Deployment",
    "Health",
    "check_key",
    "check_lake",
    "check_program",
    "check_record",
    "check_scan",
    "check_server",
    "check_snapshot",
    "check_store",
]

# One package that only this extra brings.
_EXTRAS = {
    "gateway": "uvicorn",
    "receiver": "uvicorn",
    "postgresql": "psycopg",
    "redis": "redis",
    "spark": "pyspark",
}
_LEAST_FREE = 1_000_000_000
_QUARANTINE = 0.01
_SCAN_AGE = timedelta(days=2)
_APPEAL_AGE = timedelta(days=3)
_SKEW_SECONDS = 2.0
_SECONDS = 5.0


class Health(StrEnum):
    """How a part does."""

    OK = "ok"
    LOOK = "look"
    """It works; somebody should know."""
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    health: Health
    says: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return {
            "name": self.name,
            "health": self.health.value,
            "says": self.says,
            "remedy": self.remedy,
        }


@dataclass(frozen=True)
class Deployment:
    """What was named on the command line."""

    at: ChosenStore
    state: Path | None
    server_url: str | None

    @property
    def lake(self) -> Path | None:
        return self.at.lake

    @cached_property
    def condition(self) -> Condition:
        """How the lake does: read once, for the parts that ask."""
        from stillwatch.lake.condition import condition_of

        assert self.lake is not None
        return condition_of(self.lake)


def check_program(_: Deployment) -> Iterator[Check]:
    """The version, Python, and which extras are there."""
    present = sorted(name for name, package in _EXTRAS.items() if find_spec(package))
    missing = sorted(set(_EXTRAS) - set(present))
    says = f"stillwatch {__version__} on Python {platform.python_version()}"
    extras = f"; with {', '.join(present) or 'no extra'}"
    without = f", without {', '.join(missing)}" if missing else ""
    yield Check("program", Health.OK, f"{says}{extras}{without}.")


def check_key(deployment: Deployment) -> Iterator[Check]:
    """The key of the keyed tokens, and whether it is the lake's."""
    key = deployment.at.key()
    if key is None:
        yield Check(
            "key",
            Health.LOOK,
            "there is no key: nothing can be imported, and nobody acted on.",
            "Run `stillwatch keys init`, or name the key with --key-file.",
        )
        return
    if deployment.lake is not None:
        from stillwatch.lake.manifest import MANIFEST
        from stillwatch.lake.store import Lake

        if (deployment.lake / MANIFEST).exists():
            Lake.open(deployment.lake).manifest.require_key(key.fingerprint, lake=deployment.lake)
    yield Check("key", Health.OK, f"its fingerprint is {key.fingerprint}.")


def check_lake(deployment: Deployment) -> Iterator[Check]:
    """Files that are missing, room, what could not be read, and who may look into it."""
    assert deployment.lake is not None
    found = deployment.condition
    if found.missing:
        yield Check(
            "lake",
            Health.WRONG,
            f"{len(found.missing):,} of its files are missing, the first {found.missing[0]}.",
            f"Run `stillwatch lake check --lake {deployment.lake}`.",
        )
    else:
        moment = f"{found.last_commit_at:%Y-%m-%d %H:%M} UTC"
        yield Check(
            "lake", Health.OK, f"{amount(found.exchanges, 'exchange')}, last changed {moment}."
        )
    mode = stat.S_IMODE(deployment.lake.stat().st_mode)
    if mode & 0o077:
        yield Check(
            "lake",
            Health.LOOK,
            f"others may look into it (its mode is {mode:04o}).",
            f"Run `chmod 700 {deployment.lake}` unless a group is to read it.",
        )
    if found.free_bytes < _LEAST_FREE:
        yield Check(
            "disk",
            Health.LOOK,
            f"{found.free_bytes / 1e9:.1f} GB are free.",
            "Make room: an import writes before it removes.",
        )
    if found.quarantine_share is not None and found.quarantine_share > _QUARANTINE:
        yield Check(
            "quarantine",
            Health.LOOK,
            f"{found.quarantine_share:.1%} of the last day's rows could not be read.",
            f"Run `stillwatch quarantine show --lake {deployment.lake}`.",
        )


def check_scan(deployment: Deployment) -> Iterator[Check]:
    """Whether there is a scan, how old it is, and whether its findings still hold."""
    from stillwatch.lake.store import Lake

    assert deployment.lake is not None
    found = deployment.condition
    again = f"Run `stillwatch scan --lake {deployment.lake}`, or let `stillwatch watch` do it."
    if found.last_scan_at is None:
        yield Check("scan", Health.LOOK, "this lake was never scanned.", again)
        return
    notes = Lake.open(deployment.lake).findings_directory / "scan.json"
    if json.loads(notes.read_text(encoding="utf-8")).get("stale"):
        yield Check("scan", Health.LOOK, "its findings are stale: something was erased.", again)
    elif found.last_commit_at - found.last_scan_at > _SCAN_AGE:
        yield Check("scan", Health.LOOK, "the lake changed days after its last scan.", again)
    else:
        moment = f"{found.last_scan_at:%Y-%m-%d %H:%M} UTC"
        yield Check("scan", Health.OK, f"{amount(len(found.campaigns), 'campaign')} on {moment}.")


def check_store(deployment: Deployment) -> Iterator[Check]:
    """Whether it answers, whether two people can decide, and who waits."""
    if not deployment.at.is_there:
        yield Check(
            "store",
            Health.LOOK,
            "there is none: nothing can be put in force.",
            "`stillwatch user add NAME --role administrator` makes one.",
        )
        return
    now = datetime.now(UTC)
    with deployment.at.opened() as store:
        in_force = sum(store.actions.count_in_force(now=now).values())
        waiting = store.actions.count_waiting()
        appeals, oldest = store.appeals.count_open()
        roles = [p.roles for p in store.people.listed() if p.disabled_at is None and p.tokens]
    yield Check(
        "store",
        Health.OK,
        f"{amount(in_force, 'step')} in force, {amount(waiting, 'step')} waiting.",
    )
    approvers = sum("approver" in some for some in roles)
    if not any("administrator" in some for some in roles) or approvers < 2:
        yield Check(
            "people",
            Health.LOOK,
            f"there {'is' if approvers == 1 else 'are'} {approvers} who may approve.",
            "Two are needed: who proposes a step may not approve it. See `stillwatch user add`.",
        )
    else:
        yield Check("people", Health.OK, f"{len(roles)}, of whom {approvers} may approve.")
    if oldest is not None and now - oldest > _APPEAL_AGE:
        yield Check(
            "appeals",
            Health.LOOK,
            f"{appeals:,} are open, the oldest since {oldest:%Y-%m-%d}.",
            "`stillwatch appeal list` shows them.",
        )


def check_record(deployment: Deployment) -> Iterator[Check]:
    """Whether the audit log is whole."""
    from stillwatch.policy.store.audit_check import check_store as checked_store

    if not deployment.at.is_there:
        return
    with deployment.at.opened() as store:
        checked = checked_store(store)
    if checked.ok:
        yield Check("record", Health.OK, f"{amount(checked.records, 'record')}, whole by itself.")
    else:
        yield Check(
            "record",
            Health.WRONG,
            f"record {checked.first_bad} is wrong: {checked.why}.",
            "Somebody changed the database. See docs/people-and-audit.md.",
        )


def check_snapshot(deployment: Deployment) -> Iterator[Check]:
    """Whether what a server of decisions last made is signed, and as new as the store."""
    from stillwatch.enforcement.snapshot_sources import SIGNING_KEY, SNAPSHOT, STATE_FOLDER
    from stillwatch.enforcement.snapshot_writing import signed_header_in
    from stillwatch.identity import read_signing_key

    assert deployment.lake is not None
    folder = deployment.state or deployment.lake / STATE_FOLDER
    path = folder / SNAPSHOT
    if not path.exists():
        yield Check(
            "snapshot",
            Health.LOOK,
            "no server of decisions ever made one here.",
            f"Run `stillwatch serve --lake {deployment.lake}`, or name its folder with --state.",
        )
        return
    header = signed_header_in(path, read_signing_key(folder / SIGNING_KEY).public)
    if header is None:
        yield Check(
            "snapshot",
            Health.WRONG,
            "its signature does not hold.",
            f"Remove {path}; the server makes it anew.",
        )
        return
    with deployment.at.opened() as store:
        sequence = store.sequence()
    if header.sequence < sequence:
        yield Check(
            "snapshot",
            Health.WRONG,
            f"it is at {header.sequence:,}, and the store at {sequence:,}.",
            "See that `stillwatch serve` runs, and what its /metrics says of failures.",
        )
    else:
        yield Check(
            "snapshot", Health.OK, f"{amount(header.actions, 'action')}, as new as the store."
        )


def check_server(deployment: Deployment) -> Iterator[Check]:
    """Whether it answers, is ready, and has the right time."""
    url = (deployment.server_url or "").rstrip("/")
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError("this is no address of HTTP.", where="--server", remedy="Give http://…")
    status, told, clock = _asked(f"{url}/readyz")
    if status == 200:
        yield Check("server", Health.OK, f"it decides by snapshot {told.get('sequence')}.")
    elif status == 503:
        yield Check(
            "server",
            Health.WRONG,
            "it has no snapshot: every request passes.",
            "See that it reaches its store, or the server it fetches from.",
        )
    else:
        yield Check("server", Health.WRONG, f"it answers {status}.", "Is this `stillwatch serve`?")
        return
    if clock is not None and abs(clock) > _SKEW_SECONDS:
        yield Check(
            "clock",
            Health.LOOK,
            f"its clock and this one are {abs(clock):.0f} s apart.",
            "Steps begin and end by its clock: let both follow NTP.",
        )


def _asked(url: str) -> tuple[int, dict[str, Any], float | None]:
    """Status, JSON, and how many seconds the server's clock is ahead."""
    context = ssl.create_default_context() if url.startswith("https") else None
    request = urllib.request.Request(url, headers={"accept": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS, context=context) as answer:  # noqa: S310
            status, body, headers = answer.status, answer.read(65_536), answer.headers
    except urllib.error.HTTPError as error:
        status, body, headers = error.code, error.read(65_536), error.headers
    except urllib.error.URLError as error:
        raise InputError(
            f"it does not answer ({error.reason}).", where=url, remedy="See that it runs."
        ) from error
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    date = headers.get("date")
    clock = None
    if date:
        clock = (parsedate_to_datetime(date) - datetime.now(UTC)).total_seconds()
    return status, told if isinstance(told, dict) else {}, clock
