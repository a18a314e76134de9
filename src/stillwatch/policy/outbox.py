"""The outbox: notices that were raised, until each channel has taken them or time has run out.

A folder with one file a notice, `{notice, waiting: {channel: {attempts, next_at}}}`, and
`told.json`, which remembers what was told, so that the same thing is told once and not every minute.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from stillwatch.policy.notices import Notice
from stillwatch.policy.webhook import DeliveryError
from stillwatch.records import StillwatchError, flush_to_disk, private_file

__all__ = ["Channel", "Delivered", "Outbox"]

_TOLD = "told.json"
_SUFFIX = ".notice.json"
_FIRST_WAIT = timedelta(seconds=10)
_LONGEST_WAIT = timedelta(minutes=15)
# Two days of a receiver that is away: after that nobody waits for the notice any more.
_MOST_ATTEMPTS = 200
# Whoever can raise notices must not be able to fill the disk.
_MOST_WAITING = 1_000
_TOLD_AGAIN_AFTER = timedelta(days=1)


class Channel(Protocol):
    """Where notices go."""

    @property
    def name(self) -> str:
        """One word; what waits for a channel that is gone is dropped."""

    def send(self, notice: Notice, *, now: datetime) -> None:
        """Deliver one notice, or raise `DeliveryError`."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one round.

    Attributes:
        sent: Deliveries, one a notice and channel.
        waiting: Notices that wait for another try.
        given_up: Deliveries that will not be tried again.
        failures: What channels said, for people: `channel: what`.
    """

    sent: int = 0
    waiting: int = 0
    given_up: int = 0
    failures: tuple[str, ...] = ()


@dataclass(slots=True)
class _Kept:
    path: Path
    notice: Notice
    waiting: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Outbox:
    """The folder, and the channels that empty it.

    One process at a time calls it: `stillwatch notices` holds the folder's lock.
    """

    folder: Path
    channels: Sequence[Channel] = field(default_factory=tuple)

    def raise_all(self, notices: Iterable[Notice], *, now: datetime) -> int:
        """Keep what is new; says how many were.

        A state that lasts is told again after a day, an event never. What is over (no notice with
        its key is among these) is forgotten, and told anew should it come back.

        Raises:
            StillwatchError: Too many wait already; the oldest stay.
        """
        told = self._told()
        current = {notice.key: notice for notice in notices}
        kept = {key: moment for key, moment in told.items() if key in current}
        room = _MOST_WAITING - sum(1 for _ in self._files())
        fresh = [
            notice
            for key, notice in current.items()
            if key not in kept
            or (not notice.kind.is_told_once and now - kept[key] >= _TOLD_AGAIN_AFTER)
        ]
        for notice in fresh[: max(0, room)]:
            waiting = {
                one.name: {"attempts": 0, "next_at": now.isoformat()} for one in self.channels
            }
            stamp = notice.raised_at.strftime("%Y%m%dT%H%M%S%f")
            path = self.folder / f"{stamp}-{notice.notice_id}{_SUFFIX}"
            self._write(path, {"notice": notice.as_json(), "waiting": waiting})
            kept[notice.key] = now
        if kept != told:
            self._write(
                self.folder / _TOLD, {key: moment.isoformat() for key, moment in kept.items()}
            )
        if len(fresh) > room:
            raise StillwatchError(
                f"{len(fresh) - max(0, room)} notices found no room: {_MOST_WAITING} wait already.",
                where=str(self.folder),
                remedy="See why the webhook or the mail server takes none: `stillwatch notices "
                "test`.",
            )
        return len(fresh)

    def deliver(self, *, now: datetime) -> Delivered:
        """Try all that is due, oldest first.

        A channel that fails is left alone for the rest of the round: the next notice would only
        wait for it as long.
        """
        by_name = {channel.name: channel for channel in self.channels}
        sent = given_up = left = 0
        failures: dict[str, str] = {}
        for kept in self._read_all():
            for name in list(kept.waiting):
                state = kept.waiting[name]
                if name not in by_name:
                    del kept.waiting[name]
                elif name not in failures and datetime.fromisoformat(state["next_at"]) <= now:
                    try:
                        by_name[name].send(kept.notice, now=now)
                    except DeliveryError as error:
                        failures[name] = str(error)
                        given_up += self._postpone(kept, name, now)
                    else:
                        del kept.waiting[name]
                        sent += 1
            left += self._put_back(kept)
        said = tuple(f"{name}: {what}" for name, what in failures.items())
        return Delivered(sent, left, given_up, said)

    def _postpone(self, kept: _Kept, name: str, now: datetime) -> int:
        """Try again later, or never: 1 if never."""
        attempts = int(kept.waiting[name]["attempts"]) + 1
        if attempts >= _MOST_ATTEMPTS:
            del kept.waiting[name]
            return 1
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(attempts - 1, 20))
        kept.waiting[name] = {"attempts": attempts, "next_at": (now + wait).isoformat()}
        return 0

    def _put_back(self, kept: _Kept) -> int:
        """Write what still waits; 1 if anything does."""
        if not kept.waiting:
            kept.path.unlink(missing_ok=True)
            return 0
        self._write(kept.path, {"notice": kept.notice.as_json(), "waiting": kept.waiting})
        return 1

    def _read_all(self) -> Iterator[_Kept]:
        for path in self._files():
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                notice = Notice.from_json(content["notice"])
                waiting = {str(name): dict(state) for name, state in content["waiting"].items()}
            except (ValueError, KeyError, TypeError, AttributeError):
                path.unlink(missing_ok=True)  # half a file would stand in the way for ever
                continue
            yield _Kept(path, notice, waiting)

    def _files(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from sorted(self.folder.glob(f"*{_SUFFIX}"))

    def _told(self) -> dict[str, datetime]:
        try:
            content = json.loads((self.folder / _TOLD).read_text(encoding="utf-8"))
            return {str(key): datetime.fromisoformat(moment) for key, moment in content.items()}
        except (FileNotFoundError, ValueError, TypeError, AttributeError):
            return {}  # told twice is better than not at all

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with private_file(path) as partial:
            partial.write_text(json.dumps(content) + "\n", encoding="utf-8")
            flush_to_disk(partial)
