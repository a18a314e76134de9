"""Which ids a lake has already, asked at the cost of what is asked and not of what is there.

Beside the exchanges, in `.ids`, lie few files ("runs") of digests: each covers some of the lake's
files, sorted, and is looked into without being read. They count for nothing: what none covers is
covered by a new one, made of the exchanges. A digest only says where to look. The id there is read
and compared, so two ids with one digest stay two.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.lake.manifest import Manifest, Part
from stillwatch.lake.parquet_source import parquet_source
from stillwatch.lake.smallest import smallest
from stillwatch.records import StillwatchError, flush_to_disk

__all__ = ["KNOWN_IDS", "KnownIds", "is_worth_asking", "leave_out_gone"]

KNOWN_IDS = ".ids"
"""The folder of the runs in a lake; whoever finds one missing makes it anew."""

_FORMAT = 1
_ABOUT = b"stillwatch"
_DIGEST = "md5_number_lower(exchange_id) as digest"
# A run has as many at least before it is left alone; two of them fit into memory.
_ENOUGH_IDS = 4_000_000
_MOST_RUNS = 8
# Of more news than this, digests would take much memory: then the engine compares the ids.
_MOST_ASKED = 1_000_000


@dataclass(frozen=True, slots=True)
class _Run:
    """Digests of the ids of some files.

    Attributes:
        parts: The files, laid end to end.
        digests: Sorted.
        rows: Of each digest, which row of all these rows has the id.
    """

    parts: tuple[Part, ...]
    digests: npt.NDArray[np.uint64]
    rows: npt.NDArray[np.uint32]
    path: Path | None = None

    def starts(self) -> npt.NDArray[np.int64]:
        """The first row of each file."""
        return np.cumsum([0, *(part.rows for part in self.parts)])[:-1]

    def of_parts(self, wanted: set[Part]) -> _Run:
        """The same without other files."""
        keep = np.array([part in wanted for part in self.parts])
        if keep.all():
            return self
        lengths = np.where(keep, [part.rows for part in self.parts], 0)
        moved = self.starts() - np.cumsum([0, *lengths])[:-1]
        of = np.searchsorted(self.starts(), self.rows, side="right") - 1
        stays = keep[of]
        rows = (self.rows[stays] - moved[of[stays]]).astype(np.uint32)
        kept = tuple(part for part in self.parts if part in wanted)
        return _Run(kept, self.digests[stays], rows)


@dataclass(frozen=True, slots=True)
class KnownIds:
    """The ids of a lake.

    Attributes:
        workplace: A folder of ours, on the lake's file system.
    """

    lake: Path
    workplace: Path
    database: duckdb.DuckDBPyConnection

    def among(self, staged: Sequence[Path], stored: Sequence[Part]) -> pa.Array:
        """The ids of the stored files that may be ids of the staged ones: all that are, few that are not.

        Raises:
            StillwatchError: A stored file cannot be read.
        """
        query = f"select {_DIGEST} from {parquet_source(staged)}"
        asked = np.unique(self.database.sql(query).fetchnumpy()["digest"])
        runs = self._covering(stored)
        wanted = set(stored)
        rows_by_part: dict[Part, list[npt.NDArray[np.int64]]] = {}
        for run in runs:
            starts = run.starts()
            rows = run.rows[_places(run.digests, asked)].astype(np.int64)
            of = np.searchsorted(starts, rows, side="right") - 1
            for number in np.unique(of):
                if run.parts[number] in wanted:
                    found = rows_by_part.setdefault(run.parts[number], [])
                    found.append(rows[of == number] - starts[number])
        ids = [
            piece
            for part, found in rows_by_part.items()
            for piece in _ids_at(self.lake / part.path, np.unique(np.concatenate(found)))
        ]
        self._tend(runs, wanted)
        return pa.chunked_array(ids, pa.string()).combine_chunks()

    def are_true(self, parts: set[Part]) -> bool:
        """Whether what is kept of these files is what they hold."""
        for run in (stored.of_parts(parts) for stored in _stored_runs(self.lake)):
            made = self._made(run.parts)
            same = np.array_equal(made.digests, run.digests)
            if not same or not np.array_equal(made.rows, run.rows):
                return False
        return True

    def _covering(self, parts: Sequence[Part]) -> list[_Run]:
        """Runs that cover all of these files together; those that are missing are made."""
        runs = _stored_runs(self.lake)
        covered = {part for run in runs for part in run.parts}
        missing = [part for part in parts if part not in covered]
        for some in _in_runs(missing):
            runs.append(_store(self._made(some), lake=self.lake, workplace=self.workplace))
        return runs

    def _tend(self, runs: list[_Run], wanted: set[Part]) -> None:
        """Keep runs few, and without much of files that are gone."""
        seen: set[Part] = set()
        live: dict[str, tuple[_Run, set[Part]]] = {}
        for run in sorted(runs, key=lambda run: len(run.rows), reverse=True):
            own = (wanted & set(run.parts)) - seen
            seen |= own
            live[str(len(live))] = (run, own)
        sizes = [Part(name, sum(p.rows for p in own)) for name, (_, own) in live.items()]
        merged = {size.path for size in smallest(sizes, _MOST_RUNS, _ENOUGH_IDS)}
        merged |= {s.path for s in sizes if 2 * s.rows < len(live[s.path][0].rows)}
        if not merged:
            return
        pieces = [run.of_parts(own) for name, (run, own) in live.items() if name in merged and own]
        if pieces:
            _store(_joined(pieces), lake=self.lake, workplace=self.workplace)
        for name in merged:
            _remove(live[name][0])

    def _made(self, parts: Sequence[Part]) -> _Run:
        """A run over these files, read from them."""
        digests, rows = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
        start = 0
        for part in parts:
            source = parquet_source([self.lake / part.path])
            source = source.removesuffix(")") + ", file_row_number = true)"
            found = self.database.sql(
                f"select {_DIGEST}, file_row_number from {source}"
            ).fetchnumpy()
            if len(found["digest"]) != part.rows:
                raise _unreadable(self.lake / part.path)
            digests.append(found["digest"])
            rows.append(found["file_row_number"] + start)
            start += part.rows
        return _sorted(tuple(parts), np.concatenate(digests), np.concatenate(rows))


def is_worth_asking(staged: int, stored: int) -> bool:
    """Whether so few rows are news that looking for each beats comparing with all."""
    return staged < stored and staged <= _MOST_ASKED


def leave_out_gone(lake: Path, workplace: Path) -> None:
    """Keep no digest of a file that the lake does not name any more, for what was in it is erased."""
    wanted = set(Manifest.read(lake).parts("exchanges"))
    for run in _stored_runs(lake):
        if not wanted.issuperset(run.parts):
            left = run.of_parts(wanted)
            if left.parts:
                _store(left, lake=lake, workplace=workplace)
            _remove(run)


def _stored_runs(lake: Path) -> list[_Run]:
    found = (_opened(path) for path in sorted((lake / KNOWN_IDS).glob("*.arrow")))
    return [run for run in found if run is not None]


def _store(run: _Run, *, lake: Path, workplace: Path) -> _Run:
    """Put it beside the lake. Where there is no room for it, it is made anew the next time."""
    with suppress(OSError):
        name = f"{uuid.uuid4().hex}.arrow"
        prepared, path = workplace / name, lake / KNOWN_IDS / name
        parts = [[part.path, part.rows, part.sha256] for part in run.parts]
        about = json.dumps({"format": _FORMAT, "parts": parts}).encode()
        batch = pa.record_batch({"digest": run.digests, "row": run.rows})
        batch = batch.replace_schema_metadata({_ABOUT: about})
        os.close(os.open(prepared, os.O_CREAT | os.O_WRONLY, 0o600))
        with pa.OSFile(str(prepared), "wb") as file, pa.ipc.new_file(file, batch.schema) as out:
            out.write_batch(batch)
        # Half a run that counts as whole would let ids in twice.
        flush_to_disk(prepared)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        os.replace(prepared, path)
        return _Run(run.parts, run.digests, run.rows, path)
    return run


def _opened(path: Path) -> _Run | None:
    """A run that another process has not removed meanwhile, and that is of this version."""
    try:
        with pa.ipc.open_file(pa.memory_map(str(path))) as file:
            about = json.loads((file.schema.metadata or {})[_ABOUT])
            parts = tuple(Part(p, int(rows), sha) for p, rows, sha in about["parts"])
            batch = file.get_batch(0)
        digests, rows = (
            batch.column(name).to_numpy(zero_copy_only=True) for name in ("digest", "row")
        )
        if about["format"] == _FORMAT and len(digests) == sum(part.rows for part in parts):
            return _Run(parts, digests, rows, path)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        pass
    return None


def _remove(run: _Run) -> None:
    if run.path is not None:
        with suppress(OSError):
            run.path.unlink(missing_ok=True)


def _joined(runs: Sequence[_Run]) -> _Run:
    starts = np.cumsum([0, *(len(run.rows) for run in runs)])
    rows = [run.rows.astype(np.int64) + s for run, s in zip(runs, starts, strict=False)]
    parts = tuple(part for run in runs for part in run.parts)
    return _sorted(parts, np.concatenate([r.digests for r in runs]), np.concatenate(rows))


def _sorted(
    parts: tuple[Part, ...], digests: npt.NDArray[np.uint64], rows: npt.NDArray[np.int64]
) -> _Run:
    order = np.lexsort((rows, digests))
    return _Run(parts, digests[order], rows[order].astype(np.uint32))


def _in_runs(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Groups of files, each with enough rows for a run, but the last."""
    some: list[Part] = []
    for part in parts:
        some.append(part)
        if sum(p.rows for p in some) >= _ENOUGH_IDS:
            yield some
            some = []
    if some:
        yield some


def _places(
    digests: npt.NDArray[np.uint64], asked: npt.NDArray[np.uint64]
) -> npt.NDArray[np.int64]:
    """Where any of the digests that are asked for stand; both are sorted, the second has no two alike."""
    at = np.searchsorted(digests, asked)
    inside = at < len(digests)
    at = at[inside][digests[at[inside]] == asked[inside]]
    found = [at]
    while len(at):  # ids of one digest stand side by side
        at = at[at + 1 < len(digests)]
        at = at[digests[at + 1] == digests[at]] + 1
        found.append(at)
    return np.concatenate(found)


def _ids_at(path: Path, rows: npt.NDArray[np.int64]) -> Iterator[pa.Array]:
    """The ids of some rows of a file; of the file, no more is read than the groups they are in."""
    try:
        with pq.ParquetFile(path) as file:
            lengths = [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)]
            starts = np.cumsum([0, *lengths])
            of = np.searchsorted(starts, rows, side="right") - 1
            for group in np.unique(of):
                column = file.read_row_group(int(group), columns=["exchange_id"])["exchange_id"]
                taken = column.take(pa.array(rows[of == group] - starts[group]))
                yield from taken.cast(pa.string()).chunks
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path) from error


def _unreadable(path: Path) -> StillwatchError:
    return StillwatchError(
        "the exchanges of the lake cannot be read.",
        where=str(path),
        remedy="The lake is as it was. See `stillwatch lake check`.",
    )
