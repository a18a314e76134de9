"""Looks that were weighed before: a midnight whose log has not changed is not weighed again.

A look is told by a digest of all it rests on, not by files or dates: of every exchange before its
moment, of what was known then of accounts, facts and handovers, of the program and of the libraries
that compute it. So it is used again exactly where weighing anew would give the same, whatever was
imported since, in whatever order; a late exchange, a second account of a card or another version
has another digest. What is kept are positions and figures: no name, no text.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from stillwatch.campaigns.looks import Look
from stillwatch.campaigns.reading import Evidence
from stillwatch.signals.account_attributes import CODED
from stillwatch.signals.places import ranked
from stillwatch.signals.traffic import Ragged, Traffic

__all__ = ["RememberedLooks"]

IntArray = npt.NDArray[np.int64]

DAY = 86_400_000_000
KEPT = 500  # looks; beyond these, what was used longest ago goes
_LIBRARIES = ("igraph", "numba", "numpy", "scipy")
_CODED_RECORDS = ("organisation", "domain", "payment", "network")
_LISTS = ("accounts", "named")  # of a look: one array a group


@dataclass(slots=True)
class RememberedLooks:
    """The looks of one log that are kept in a folder.

    Attributes:
        folder: Where they are kept; made when the first is.
        without: Signals that are not asked.
        used: How many looks were found there, and had not to be weighed.
    """

    folder: Path
    evidence: Evidence
    without: frozenset[str] = frozenset()
    used: int = 0
    _began: IntArray = field(init=False)
    _names: IntArray = field(init=False)
    _days: dict[int, bytes] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        traffic = self.evidence.traffic
        places = traffic.by_account
        self._began = places.order[places.starts[:-1]]  # each account has an exchange
        digests = [hashlib.sha256(str(n).encode()).digest()[:8] for n in traffic.account_names]
        self._names = np.frombuffer(b"".join(digests), np.int64)

    def recall(self, moment: int) -> tuple[str, Look | None]:
        """The digest of the look at a moment, and the look if it is kept, numbered as in this log."""
        key = self._key(moment)
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as stored:
                look = _unpacked(dict(stored))
            os.utime(self.folder / f"{key}.npz")
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return key, None  # none, or a file that broke off: it is weighed again
        self.used += 1
        return key, _renumbered(look, self._known(moment))

    def keep(self, key: str, moment: int, look: Look) -> None:
        """Keep a look for scans to come. A folder that cannot be written to keeps none."""
        known = self._known(moment)
        local = np.full(len(self._names) + 1, -1)  # the last is organisations'
        local[known] = np.arange(len(known))
        path = self.folder / f"{key}.npz"
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            part = self.folder / f".{key}.{os.getpid()}.part"
            with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as to:
                np.savez(to, **_packed(_renumbered(look, local)))  # type: ignore[arg-type]
            part.replace(path)
        except OSError:
            return

    def forget_old(self) -> None:
        """Remove what was used longest ago, and what killed scans have left."""
        try:
            kept = sorted(self.folder.glob("*.npz"), key=lambda p: p.stat().st_mtime)
            for path in [*kept[:-KEPT], *self.folder.glob(".*.part")]:
                path.unlink(missing_ok=True)
        except OSError:
            return

    def _known(self, moment: int) -> IntArray:
        """The accounts that had begun."""
        rows = int(np.searchsorted(self.evidence.traffic.started, moment))
        return np.flatnonzero(self._began < rows)

    def _key(self, moment: int) -> str:
        evidence, known = self.evidence, self._known(moment)
        digest = hashlib.sha256(_program() + ",".join(sorted(self.without)).encode())
        digest.update(self._traffic_before(moment))
        seen = evidence.sightings.until(moment, known)
        # What one account alone has shown so far, another may show later: it is nobody's fact yet.
        _, value = ranked(seen.value)
        holders = np.bincount(np.unique(value << 32 | seen.accounts) >> 32, minlength=1)
        shared = holders[value] > 1
        kinds = np.array([_number(kind) for kind in seen.kinds], np.int64)
        columns = [seen.accounts, seen.value, seen.exchanges, seen.first_seen]
        _add(digest, [kinds[seen.kind[shared]], *(column[shared] for column in columns)])
        records = replace(evidence.records.until(moment, known), names=())
        attributes = evidence.attributes.until(moment, known)
        _add(digest, _columns(records, _CODED_RECORDS))
        _add(digest, _columns(attributes, CODED))
        _add(digest, _columns(evidence.handovers.until(moment, known)))
        _add(digest, _columns(evidence.releases.until(moment)))
        return digest.hexdigest()[:40]

    def _traffic_before(self, moment: int) -> bytes:
        """A digest of the exchanges before a moment; days are added to those before them."""
        started = self.evidence.traffic.started
        midnight = moment // DAY * DAY
        if midnight not in self._days:
            earlier = [day for day in self._days if day < midnight]
            digest, since = b"", int(started[0]) // DAY * DAY
            if earlier:
                since = max(earlier)
                digest = self._days[since]
            for day in range(since + DAY, midnight + DAY, DAY):
                digest = self._with_exchanges(digest, day - DAY, day)
                self._days[day] = digest
        digest = self._days.get(midnight, b"")
        return digest if moment == midnight else self._with_exchanges(digest, midnight, moment)

    def _with_exchanges(self, before: bytes, since: int, until: int) -> bytes:
        traffic = self.evidence.traffic
        first, last = (int(n) for n in np.searchsorted(traffic.started, [since, until]))
        if first == last:
            return before
        digest = hashlib.sha256(before)
        _add(digest, [self._names[traffic.accounts[first:last]], *_exchanges(traffic, first, last)])
        return digest.digest()


def _exchanges(traffic: Traffic, first: int, last: int) -> Iterable[npt.NDArray[Any]]:
    """All columns of some exchanges but whose they are."""
    ids = traffic.exchange_ids.slice(first, last - first)
    yield np.frombuffer("\0".join(ids.to_pylist()).encode(), np.uint8)
    for column in fields(traffic):
        value = getattr(traffic, column.name)
        if isinstance(value, Ragged):
            starts = value.starts[first : last + 1]
            yield starts - starts[0]
            yield value.values[starts[0] : starts[-1]]
        elif isinstance(value, np.ndarray) and column.name not in {"account_names", "accounts"}:
            yield value[first:last]
        elif is_dataclass(value) and not isinstance(value, type):
            yield from (getattr(value, f.name)[first:last] for f in fields(value) if f.init)


def _columns(table: Any, coded: Iterable[str] = ()) -> Iterable[npt.NDArray[Any]]:
    """The columns of a table of accounts, handovers or releases; codes in their order alone."""
    for column in fields(table):
        value = getattr(table, column.name)
        if is_dataclass(value) and not isinstance(value, type):
            yield from _columns(value)
        elif column.name in coded:
            yield np.where(value < 0, -1, ranked(np.maximum(value, -1))[1])
        elif isinstance(value, np.ndarray):
            yield value
        else:
            yield np.frombuffer(repr(value).encode(), np.uint8)


def _add(digest: Any, columns: Iterable[npt.NDArray[Any]]) -> None:
    for column in columns:
        digest.update(f"{column.dtype}{column.shape}".encode())
        digest.update(np.ascontiguousarray(column).view(np.uint8).data)


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little", signed=True)


@cache
def _program() -> bytes:
    """A digest of the code that reads, links and weighs, and of the libraries it computes with."""
    digest = hashlib.sha256()
    for package in ("records", "lake", "signals", "linking", "campaigns"):
        for path in sorted(_sources(files(f"stillwatch.{package}")), key=str):
            digest.update(path.read_bytes())
    for library in _LIBRARIES:
        digest.update(f"{library} {version(library)}".encode())
    return digest.digest()


def _sources(folder: Any) -> Iterable[Any]:
    for path in folder.iterdir():
        if path.is_dir():
            yield from _sources(path)
        elif path.name.endswith((".py", ".sql", ".npz")):
            yield path


def _renumbered(look: Look, numbers: IntArray) -> Look:
    owners = look.owners
    return replace(
        look,
        accounts=[numbers[accounts] for accounts in look.accounts],
        named=[numbers[accounts] for accounts in look.named],
        owners=np.where(owners < 0, -1, numbers[owners]) if len(numbers) else owners,
    )


def _packed(look: Look) -> dict[str, npt.NDArray[Any]]:
    packed = {f.name: getattr(look, f.name) for f in fields(look) if f.name not in _LISTS}
    for name in _LISTS:
        groups: list[IntArray] = getattr(look, name)
        packed[name] = np.concatenate([np.zeros(0, np.int64), *groups])
        packed[f"{name}_sizes"] = np.array([len(group) for group in groups], np.int64)
    return packed


def _unpacked(stored: dict[str, npt.NDArray[Any]]) -> Look:
    lists = {}
    for name in _LISTS:
        cuts = np.cumsum(stored.pop(f"{name}_sizes"))
        lists[name] = np.split(stored.pop(name), cuts)[:-1]
    return Look(**lists, **stored)  # type: ignore[arg-type]
