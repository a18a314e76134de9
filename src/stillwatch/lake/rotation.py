"""A lake under an older state of its key becomes one under the key as it is now."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.identity import Key, Tokeniser, with_newer_tokens
from stillwatch.lake.check import damage_of
from stillwatch.lake.manifest import HISTORIES, NETWORK, Manifest, Part
from stillwatch.lake.part_file import ROWS_AT_ONCE, PartFile, move_into_lake
from stillwatch.lake.readers import reading
from stillwatch.lake.workplace import locked, workplace
from stillwatch.records import InputError

__all__ = ["Rotated", "key_then", "rotate_lake"]

# The others hold no tokens: models, and lines of files. Sketches hold the ids of exchanges.
_SMALL = ("accounts", "credentials")
_TABLES = ("exchanges", "sketches", NETWORK, *_SMALL, *(HISTORIES[table] for table in _SMALL))
_PAIRED = ("exchanges", "sketches")


@dataclass(frozen=True, slots=True)
class Rotated:
    """What became of a lake.

    Attributes:
        before: The fingerprint it had.
        files: How many were written anew; none where the lake was at this key already.
        rows: How many rows they hold; sketches, which lie beside exchanges, are not counted.
    """

    before: str
    files: int = 0
    rows: int = 0


def key_then(lake: Path, key: Key) -> Key:
    """The state of `key` that the lake is under.

    Raises:
        InputError: It is under another key, or there is no lake.
    """
    manifest = Manifest.read(lake)
    then = key.when(manifest.key_fingerprint)
    if then is None:
        manifest.require_key(key.fingerprint, lake=lake)
    return then or key


def rotate_lake(lake: Path, key: Key) -> Rotated:
    """Write all tokens of the lake anew, and its key's fingerprint, in one commit.

    Files are prepared while others may commit; what they add meanwhile is written anew under the
    lake's lock. Whoever is importing under the older state then is refused at their commit.

    Raises:
        InputError: The lake is under another key, or one of its files is damaged.
    """
    then = key_then(lake, key)
    beyond = key.since(then)
    if beyond is None:
        return Rotated(then.fingerprint)
    with workplace(lake) as folder, reading(lake):
        rewriting = _Rewriting(lake, folder / "parts", Tokeniser(beyond))
        rewriting.prepare(Manifest.read(lake))
        with locked(lake):
            current = Manifest.read(lake)
            current.require_key(then.fingerprint, lake=lake)
            rewriting.prepare(current)
            now, written = datetime.now(UTC), rewriting.written(current)
            manifest = replace(current, key_fingerprint=key.fingerprint)
            for table, new_by_old in written.items():
                manifest = manifest.with_parts_replaced(table, new_by_old, now=now)
            new = [part for new_by_old in written.values() for part in new_by_old.values()]
            move_into_lake(new, folder=rewriting.folder, lake=lake)
            manifest.write(lake)
    rows = sum(p.rows for t, parts in written.items() if t != "sketches" for p in parts)
    return Rotated(then.fingerprint, len(new), rows)


@dataclass(slots=True)
class _Rewriting:
    """The new files, and which old one each goes in the place of."""

    lake: Path
    folder: Path
    newer: Tokeniser
    _new: dict[Part, Part] = field(default_factory=dict)

    def prepare(self, manifest: Manifest) -> None:
        """Write every file anew that is not yet."""
        for table in _TABLES:
            for part in manifest.parts(table):
                if part not in self._new:
                    self._new[part] = self._rewritten(table, part)

    def written(self, manifest: Manifest) -> dict[str, dict[Part, Part]]:
        """By table, the new file of each old one that the manifest names."""
        return {table: {p: self._new[p] for p in manifest.parts(table)} for table in _TABLES}

    def _rewritten(self, table: str, part: Part) -> Part:
        """The file row for row, so that sketches stay beside their exchanges."""
        path = self.lake / part.path
        if damage := damage_of(self.lake, table, part):
            raise InputError(
                damage,
                where=str(path),
                remedy=f"The lake is as it was. See `stillwatch lake check --lake {self.lake}`.",
            )
        folder = Path(part.path).parent
        name = part.next_path if table in _PAIRED else f"{folder}/{uuid.uuid4().hex}.parquet"
        with PartFile(self.folder, name) as new, pq.ParquetFile(path) as old:
            for batch in old.iter_batches(ROWS_AT_ONCE):
                rows = with_newer_tokens(pa.Table.from_batches([batch]), self.newer)
                for carried in rows.combine_chunks().to_batches():
                    new.write(carried)
        return new.part()
