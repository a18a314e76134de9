"""Reading and writing the logs of providers, for tests."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stillwatch.sources.adapter import Adapter, Gathering, ParsedRow, Unreadable

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
# What a proxy sees, and an application does not.
NOT_IN_PAIRS = frozenset({"credential_raw", "client_ip_raw", "user_agent"})
_OF_THE_RECORDING = ("exchange_id", "started_at", "finished_at")


def items_of(adapter: Adapter, *paths: Path) -> list[ParsedRow | Unreadable]:
    """All that the adapter says of these files, batches included."""
    items = [item for path in paths for item in adapter.read(path)]
    if isinstance(adapter, Gathering):
        items += [item for _, item in adapter.remaining()]
    return [item for item in items if isinstance(item, ParsedRow | Unreadable)]


def rows_of(adapter: Adapter, *paths: Path) -> list[dict[str, Any]]:
    """The rows of these files, of which all must be readable."""
    items = items_of(adapter, *paths)
    assert all(isinstance(item, ParsedRow) for item in items), items
    return [item.row for item in items if isinstance(item, ParsedRow)]


def row_of(adapter: Adapter, line: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The row of one line."""
    (row,) = rows_of(adapter, lines_in(folder / "log", [line]))
    return row


def told(adapter: Adapter, path: Path) -> list[dict[str, Any]]:
    """The rows without the times and ids of the recording, and the SDK's headers."""
    rows = []
    for row in rows_of(adapter, path):
        kept = {name: value for name, value in row.items() if name not in _OF_THE_RECORDING}
        metadata = kept.pop("client_metadata_raw", {})
        said = {
            k: v for k, v in metadata.items() if not k.startswith(("x-stainless-", "anthropic-"))
        }
        rows.append(kept | ({"client_metadata_raw": said} if said else {}))
    return rows


def lines_in(path: Path, lines: list[Any]) -> Path:
    """A file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
