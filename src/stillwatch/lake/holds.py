"""Holds: while one is open, nothing of what it is about is erased.

They lie in `holds.json` of a lake, as `{"format": 1, "holds": [{"id", "account", "reason",
"opened_at", "until"}]}`. Whoever must keep evidence for a while (a dispute, an appeal, a court)
writes one through this module and takes it away when the reason is gone.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stillwatch.lake.manifest import Manifest
from stillwatch.lake.workplace import locked
from stillwatch.records import InputError, flush_to_disk, private_file

__all__ = ["HOLDS", "Hold", "add_hold", "open_holds", "read_holds", "release_hold"]

HOLDS = "holds.json"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Hold:
    """A reason to keep what would be erased.

    Attributes:
        account: Whose rows it is about, as the lake names the account; None for the whole lake.
        until: When it ends by itself; None if only by its release.
    """

    hold_id: str
    account: str | None
    reason: str
    opened_at: datetime
    until: datetime | None = None


def read_holds(lake: Path) -> list[Hold]:
    """All holds that were not released, oldest first.

    Raises:
        InputError: The file cannot be read, so nobody knows what is held.
    """
    path = lake / HOLDS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != _FORMAT:
            raise InputError(
                f"the holds have format {content['format']}, and this version reads {_FORMAT}.",
                where=str(path),
                remedy="Use the version of stillwatch that wrote them.",
            )
        return [
            Hold(
                str(one["id"]),
                None if one["account"] is None else str(one["account"]),
                str(one["reason"]),
                _moment(one["opened_at"]),
                None if one["until"] is None else _moment(one["until"]),
            )
            for one in content["holds"]
        ]
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "the holds cannot be read, so nobody knows what must be kept.",
            where=str(path),
            remedy="Bring the file back from a backup. Without it nothing is erased.",
        ) from error


def open_holds(lake: Path, now: datetime) -> list[Hold]:
    """The holds that have not ended."""
    return [hold for hold in read_holds(lake) if hold.until is None or now < hold.until]


def add_hold(lake: Path, *, account: str | None, reason: str, until: datetime | None) -> Hold:
    """Open a hold.

    Raises:
        InputError: There is no lake here.
    """
    Manifest.read(lake)
    hold = Hold(uuid.uuid4().hex[:12], account, reason, datetime.now(UTC), until)
    with locked(lake):
        _write(lake, [*read_holds(lake), hold])
    return hold


def release_hold(lake: Path, hold_id: str) -> Hold:
    """End a hold.

    Raises:
        InputError: There is no such hold, or no lake.
    """
    Manifest.read(lake)
    with locked(lake):
        holds = read_holds(lake)
        for hold in holds:
            if hold.hold_id == hold_id:
                _write(lake, [other for other in holds if other is not hold])
                return hold
    raise InputError(
        f"there is no hold {hold_id!r}.",
        where=str(lake / HOLDS),
        remedy=f"`stillwatch lake hold list --lake {lake}` shows those there are.",
    )


def _write(lake: Path, holds: list[Hold]) -> None:
    content = {
        "format": _FORMAT,
        "holds": [
            {
                "id": hold.hold_id,
                "account": hold.account,
                "reason": hold.reason,
                "opened_at": hold.opened_at.isoformat(),
                "until": hold.until.isoformat() if hold.until else None,
            }
            for hold in holds
        ],
    }
    with private_file(lake / HOLDS) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        flush_to_disk(partial)
    flush_to_disk(lake)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
