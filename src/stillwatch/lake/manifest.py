"""The manifest: which files are the lake. Replacing it is the commit."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from stillwatch.records import InputError, flush_to_disk, private_file

__all__ = ["HISTORIES", "MANIFEST", "NETWORK", "TABLES", "Manifest", "Part"]

MANIFEST = "manifest.json"
HISTORIES = {
    "accounts": "account_history",
    "credentials": "credential_history",
    "model_releases": "model_release_history",
}
"""By table, where the rows are that a later import took the place of, with the moment of it."""
NETWORK = "network"
"""What proxies saw of requests, by day."""

TABLES = (
    "exchanges",
    "sketches",
    NETWORK,
    "accounts",
    "credentials",
    "model_releases",
    "quarantine",
    *HISTORIES.values(),
)
"""All tables of a lake; each has a folder."""

_FORMAT = 1
# No scan takes longer; then the files that an import replaced may go.
_RETIRED_KEPT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Part:
    """One Parquet file of a table.

    Attributes:
        path: Relative to the lake.
        rows: How many it has.
        sha256: Of its bytes, in hexadecimal; empty where an early version wrote it.
    """

    path: str
    rows: int
    sha256: str = ""

    @property
    def place(self) -> str:
        """Day and name: the same for exchanges and the sketches beside them, of any version."""
        day, _, name = self.path.partition("/")[2].rpartition("/")
        return f"{day}/{name.removesuffix('.parquet').partition('-')[0]}"

    @property
    def next_path(self) -> str:
        """The path of the file that replaces this one, at the same place among the others."""
        folder, _, name = self.path.removesuffix(".parquet").rpartition("/")
        stem, _, version = name.partition("-")
        return f"{folder}/{stem}-{int(version or 0) + 1}.parquet"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of each table, in order.

    Attributes:
        key_fingerprint: Of the key under which all tokens in the lake were made.
        tables: Table name to its parts. Parts of `exchanges` and `sketches` run in parallel.
        retired: Replaced files that a reader of an earlier manifest may still be reading, with
            the time of their replacement.
        erased_at: When something was last erased; empty if nothing ever was. Who has read the
            lake before may not put there what it made of that.
    """

    key_fingerprint: str
    tables: dict[str, tuple[Part, ...]] = field(default_factory=dict)
    retired: dict[str, str] = field(default_factory=dict)
    erased_at: str = ""

    def parts(self, table: str) -> tuple[Part, ...]:
        return self.tables.get(table, ())

    def with_parts(self, added: dict[str, list[Part]]) -> Manifest:
        """The same with more parts, days in order."""
        tables = dict(self.tables)
        for table, parts in added.items():
            tables[table] = tuple(sorted((*self.parts(table), *parts), key=lambda p: p.path))
        return replace(self, tables=tables)

    def with_replaced(self, table: str, part: Part, *, now: datetime) -> Manifest:
        """The same with one part in place of all parts of `table`."""
        gone = {old.path: now.isoformat() for old in self.parts(table)}
        return replace(
            self,
            tables={**self.tables, table: (part,)},
            retired={**self._still_retired(now), **gone},
        )

    def with_parts_replaced(
        self, table: str, new_by_old: Mapping[Part, Part], *, now: datetime
    ) -> Manifest:
        """The same with other parts of `table` in the places of some; of many at the cost of one."""
        parts = tuple(new_by_old.get(part, part) for part in self.parts(table))
        gone = {old.path: now.isoformat() for old in new_by_old}
        return replace(
            self,
            tables={**self.tables, table: parts},
            retired={**self._still_retired(now), **gone},
        )

    def with_others(
        self, table: str, *, gone: Collection[Part], new: Iterable[Part], now: datetime
    ) -> Manifest:
        """The same with some parts of `table` taken out and others put in, days in order."""
        left = [part for part in self.parts(table) if part not in gone]
        return replace(
            self,
            tables={**self.tables, table: tuple(sorted((*left, *new), key=lambda p: p.path))},
            retired={**self._still_retired(now), **{p.path: now.isoformat() for p in gone}},
        )

    def named_at(self, now: datetime) -> set[str]:
        """The files that someone may be reading: the lake's, and those replaced lately."""
        current = {part.path for parts in self.tables.values() for part in parts}
        return current | set(self._still_retired(now))

    def _still_retired(self, now: datetime) -> dict[str, str]:
        oldest = now - _RETIRED_KEPT
        return {
            p: when for p, when in self.retired.items() if datetime.fromisoformat(when) > oldest
        }

    def require_key(self, key_fingerprint: str, *, lake: Path) -> None:
        """Refuse work under another key: its tokens would agree with none in the lake.

        Raises:
            InputError: The fingerprints differ.
        """
        if key_fingerprint != self.key_fingerprint:
            raise InputError(
                f"this lake was made under the key {self.key_fingerprint}, "
                f"and the key given is {key_fingerprint}.",
                where=str(lake),
                remedy="Name the lake's own key with --key-file or --key-command; if it was "
                "rotated, the key as it is since, which `stillwatch keys import` brings to "
                "another machine. Or import into a new lake.",
            )

    def write(self, lake: Path) -> None:
        """Commit: after this every new reader sees these files, and before it none does."""
        content = {
            "format": _FORMAT,
            "key_fingerprint": self.key_fingerprint,
            "tables": {
                name: [{"path": p.path, "rows": p.rows, "sha256": p.sha256} for p in parts]
                for name, parts in sorted(self.tables.items())
            },
            "retired": self.retired,
            **({"erased_at": self.erased_at} if self.erased_at else {}),
        }
        with private_file(lake / MANIFEST) as partial:
            partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            flush_to_disk(partial)
        flush_to_disk(lake)

    @classmethod
    def read(cls, lake: Path) -> Manifest:
        """The manifest of the lake in this folder.

        Raises:
            InputError: There is no lake here, or a newer version of stillwatch made it.
        """
        path = lake / MANIFEST
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls._from_json(content, path)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InputError(
                "there is no lake here.",
                where=str(lake),
                remedy="Make one with `stillwatch import … --lake DIR`.",
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                "the lake's manifest cannot be read.",
                where=str(path),
                remedy="Bring it back from a backup, or import the logs into a new lake.",
            ) from error

    @classmethod
    def _from_json(cls, content: dict[str, Any], path: Path) -> Manifest:
        if content["format"] != _FORMAT:
            raise InputError(
                f"this lake has format {content['format']}, and this version reads {_FORMAT}.",
                where=str(path),
                remedy="Use the version of stillwatch that made it, or a newer one.",
            )
        return cls(
            key_fingerprint=content["key_fingerprint"],
            tables={
                name: tuple(
                    Part(str(p["path"]), int(p["rows"]), str(p.get("sha256", ""))) for p in parts
                )
                for name, parts in content["tables"].items()
            },
            retired=dict(content["retired"]),
            erased_at=str(content.get("erased_at", "")),
        )
