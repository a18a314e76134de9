"""Writes the files of a lake anew without what is to be erased."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stillwatch.lake.check import damage_of, unpaired
from stillwatch.lake.erasure_rules import (
    Mask,
    Rule,
    Wanted,
    is_before,
    is_in,
    rules_by_account,
    rules_by_age,
)
from stillwatch.lake.manifest import Manifest, Part
from stillwatch.lake.network import days_around
from stillwatch.lake.part_file import ROWS_AT_ONCE, PartFile
from stillwatch.records import EXCHANGES, TIMESTAMP, InputError

__all__ = ["Erasing", "Outcome"]

_TEXTS = ("system_text", "input_text", "output_text")
# What stillwatch itself puts beside the canonical columns. Other text came from a source.
_OURS = {*EXCHANGES.names, "request_id", "network_log"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What becomes of a file.

    Attributes:
        rows: How many of its rows are erased, or lose their text.
        new: The file in its place; None if no row is left, or none was written.
    """

    rows: int
    new: Part | None = None


@dataclass(slots=True)
class Erasing:
    """Finds what is to be erased, file by file, and writes what stays.

    Attributes:
        folder: Where files are prepared.
        held: Accounts whose rows stay when age alone would erase them.
        dry_run: Write nothing.
    """

    lake: Path
    folder: Path
    wanted: Wanted
    held: frozenset[str]
    dry_run: bool = False
    _manifest: Manifest = field(default_factory=lambda: Manifest(""))
    _outcomes: dict[tuple[str, Part], Outcome | None] = field(default_factory=dict)
    _requests: dict[Part, set[str]] = field(default_factory=dict)
    _held_rows: dict[Part, int] = field(default_factory=dict)
    _accounts: dict[Part, frozenset[str]] = field(default_factory=dict)

    def prepare(self, manifest: Manifest) -> None:
        """Look through every file that was not yet, and write anew those that change.

        Raises:
            InputError: A file is damaged, or exchanges have no sketches beside them.
        """
        if broken := unpaired(manifest):
            where = self.lake / "exchanges" / min(broken)
            raise self._damaged(where, "no sketches lie row for row beside it.")
        self._manifest = manifest
        sketches = {part.place: part for part in manifest.parts("sketches")}
        for part in manifest.parts("exchanges"):
            if ("exchanges", part) not in self._outcomes:
                self._look_at_exchanges(part, sketches[part.place])
        if self.wanted.text_only:
            return
        for table, rule in self._rules().items():
            # What goes from these depends on the exchanges, so they are looked at each time.
            for part in manifest.parts(table):
                self._outcomes[table, part] = self._look_at(table, part, rule)

    @property
    def held_rows(self) -> int:
        """How many exchanges stay only since a hold on their account is open."""
        return sum(self._held_rows.get(part, 0) for part in self._manifest.parts("exchanges"))

    def changed(self) -> dict[str, dict[Part, Outcome]]:
        """By table, the files of the manifest of which something is erased."""
        found: dict[str, dict[Part, Outcome]] = {}
        for table, parts in self._manifest.tables.items():
            for part in parts:
                if outcome := self._outcomes.get((table, part)):
                    found.setdefault(table, {})[part] = outcome
        return found

    def _look_at_exchanges(self, part: Part, sketch: Part) -> None:
        both = (("exchanges", part), ("sketches", sketch))
        self._outcomes |= dict.fromkeys(both)
        if self._is_young(part):
            return
        if self.wanted.before and not self.wanted.text_only and not self.held:
            self._outcomes |= {key: Outcome(part.rows) for key in both}
            return
        gone = self._gone_exchanges(part)
        if not gone.any():
            return
        if self.wanted.text_only:
            self._outcomes["exchanges", part] = self._written(
                "exchanges", part, part.next_path, gone, _without_text
            )
            return
        if self.wanted.accounts:
            self._requests[part] = set(self._request_ids(part, gone))
        for table, one in both:
            self._outcomes[table, one] = self._written(
                table, one, one.next_path, gone, _without_rows
            )

    def _is_young(self, part: Part) -> bool:
        before = self.wanted.before
        return before is not None and _day(part) >= before.date().isoformat()

    def _gone_exchanges(self, part: Part) -> Mask:
        """Which rows of a file are to be erased; of texts, those that still have some."""
        texts = self._text_columns(part) if self.wanted.text_only else []
        masks = [np.zeros(0, np.bool_)]
        for batch in self._batches("exchanges", part, ["account_id", *texts]):
            names = batch.column("account_id")
            filled = [np.asarray(batch.column(name).is_valid(), np.bool_) for name in texts]
            mask = np.logical_or.reduce(filled) if texts else np.ones(batch.num_rows, np.bool_)
            if self.wanted.before is None:
                mask = mask & is_in(names, self.wanted.accounts)
            else:
                held = mask & is_in(names, self.held)
                self._held_rows[part] = self._held_rows.get(part, 0) + int(held.sum())
                mask = mask & ~held
            masks.append(mask)
        return np.concatenate(masks)

    def _text_columns(self, part: Part) -> list[str]:
        schema = pq.read_schema(self.lake / part.path)
        return [item.name for item in schema if _holds_text(item)] or ["input_text"]

    def _request_ids(self, part: Part, gone: Mask) -> Iterator[str]:
        """The ids under which a proxy's log may know the erased exchanges."""
        first = 0
        for batch in self._batches("exchanges", part, ["exchange_id", "request_id"]):
            mask = pa.array(gone[first : first + batch.num_rows])
            for column in batch.columns:
                for name in column.filter(mask).drop_null().to_pylist():
                    yield name
                    # Exchanges of a source are stored as `source:id`; a proxy knows the id alone.
                    yield name.partition(":")[2] or name
            first += batch.num_rows

    def _rules(self) -> dict[str, Rule]:
        exchanges = self._manifest.parts("exchanges")
        if self.wanted.before is None:
            by_day: dict[str, set[str]] = {}
            for part in exchanges:
                for day in days_around([_day(part)], 1) if part in self._requests else ():
                    by_day.setdefault(day, set()).update(self._requests[part])
            return rules_by_account(self.wanted.accounts, by_day)
        return rules_by_age(
            self.wanted.before,
            closed=self._closed_accounts(self.wanted.before),
            held=self.held,
            held_days=days_around((_day(p) for p in exchanges if self._held_rows.get(p)), 1),
        )

    def _closed_accounts(self, before: datetime) -> frozenset[str]:
        """Accounts that were closed before, for good, and of which no exchange is left."""
        closed: set[str] = set()
        for part in self._manifest.parts("accounts"):
            columns = ["account_id", "closed_at", "restored_at"]
            for batch in self._batches("accounts", part, columns):
                over = is_before(batch.column("closed_at"), before)
                over &= np.asarray(batch.column("restored_at").is_null(), np.bool_)
                closed |= set(batch.column("account_id").filter(pa.array(over)).to_pylist())
        closed -= self.held
        for part in filter(self._is_young, self._manifest.parts("exchanges") if closed else ()):
            if part not in self._accounts:
                self._accounts[part] = frozenset(self._names_in(part))
            closed -= self._accounts[part]
        return frozenset(closed)

    def _names_in(self, part: Part) -> Iterator[str]:
        for batch in self._batches("exchanges", part, ["account_id"]):
            yield from batch.column("account_id").unique().to_pylist()

    def _look_at(self, table: str, part: Part, rule: Rule) -> Outcome | None:
        masks = [rule.goes(batch) for batch in self._batches(table, part, rule.columns)]
        gone = np.concatenate([np.zeros(0, np.bool_), *masks])
        if not gone.any():
            return None
        name = f"{Path(part.path).parent}/{uuid.uuid4().hex}.parquet"
        return self._written(table, part, name, gone, _without_rows)

    def _written(
        self,
        table: str,
        part: Part,
        name: str,
        gone: Mask,
        without: Callable[[pa.RecordBatch, Mask], pa.RecordBatch],
    ) -> Outcome:
        rows = int(gone.sum())
        if self.dry_run:
            return Outcome(rows)
        if damage := damage_of(self.lake, table, part):
            raise self._damaged(self.lake / part.path, damage)
        first = 0
        with PartFile(self.folder, name) as new, pq.ParquetFile(self.lake / part.path) as old:
            for batch in old.iter_batches(ROWS_AT_ONCE):
                new.write(without(batch, gone[first : first + batch.num_rows]))
                first += batch.num_rows
        return Outcome(rows, new.part() if new.rows else None)

    def _batches(self, table: str, part: Part, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of a file; those that it lacks are null."""
        path = self.lake / part.path
        try:
            with pq.ParquetFile(path) as file:
                there = [name for name in columns if name in file.schema_arrow.names]
                # Without a column a batch would have no rows.
                some = there or file.schema_arrow.names[:1]
                for batch in file.iter_batches(ROWS_AT_ONCE, columns=some):
                    found = [
                        batch.column(name) if name in there else _nulls(name, batch.num_rows)
                        for name in columns
                    ]
                    yield pa.RecordBatch.from_arrays(found, names=list(columns))
        except (pa.ArrowException, OSError) as error:
            damage = damage_of(self.lake, table, part) or "the file cannot be read."
            raise self._damaged(path, damage) from error

    def _damaged(self, path: Path, damage: str) -> InputError:
        return InputError(
            f"nothing was erased: {damage}",
            where=str(path),
            remedy=f"See `stillwatch lake check --lake {self.lake}`.",
        )


def _day(part: Part) -> str:
    return Path(part.path).parent.name


def _holds_text(item: pa.Field) -> bool:
    is_text = pa.types.is_string(item.type) or pa.types.is_large_string(item.type)
    return item.name in _TEXTS or (is_text and item.name not in _OURS)


def _nulls(name: str, rows: int) -> pa.Array:
    return pa.nulls(rows, TIMESTAMP if name.endswith("_at") else pa.string())


def _without_rows(batch: pa.RecordBatch, gone: Mask) -> pa.RecordBatch:
    return batch.filter(pa.array(~gone))


def _without_text(batch: pa.RecordBatch, gone: Mask) -> pa.RecordBatch:
    mask = pa.array(gone)
    columns = [
        pc.if_else(mask, pa.scalar(None, item.type), column) if _holds_text(item) else column
        for item, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)
