"""A simulated world as whoever serves the model logs it: identifiers raw, histories as texts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from provider_builders import FAILURES, OF_THE_ANSWER

from stillwatch.simulation.rows import digest_of

__all__ = ["LoggedWorld", "logged"]

# Under which name the log holds what the world has a token of.
_RAW = {
    "client_ip": "client_ip_raw",
    "end_user_token": "end_user_raw",
    "cache_key": "cache_key_raw",
    "reasoning_signature_issued": "reasoning_block_issued_raw",
    "reasoning_signatures_presented": "reasoning_blocks_presented_raw",
}
# What an import makes of the log itself.
_MADE = ("client_net_token", "output_digest", "prefix_digests", "source_id")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LoggedWorld:
    """Rows of exchanges as adapters give them, and the provider's own tables beside them."""

    rows: list[Row]
    tables: list[Path]


def logged(world: Path, folder: Path) -> LoggedWorld:
    """The world as its provider logs it.

    Clients do not send again what failed, so earlier messages take turns; a call that failed is
    not billed; and a reasoning block goes over the API that has a place for it.
    """
    exchanges = ds.dataset(world / "exchanges").to_table().sort_by("started_at").to_pylist()
    said = _texts_by_digest(exchanges)
    return LoggedWorld([_row(exchange, said) for exchange in exchanges], _tables(world, folder))


def _texts_by_digest(exchanges: list[Row]) -> dict[str, tuple[str, str]]:
    """Digest of a message to who said it, and what."""
    said = {}
    for row in exchanges:
        for role, text in (("user", row["input_text"]), ("assistant", row["output_text"])):
            if text is not None:
                said[digest_of(text.encode())] = (role, text)
    return said


def _row(exchange: Row, said: dict[str, tuple[str, str]]) -> Row:
    row = {_RAW.get(n, n): value for n, value in exchange.items() if n not in _MADE}
    row["credential_raw"] = f"sk-{row.pop('credential_id')}"
    if (metadata := row.pop("client_metadata")) is not None:
        row["client_metadata_raw"] = json.loads(metadata)
    if row["status"] in FAILURES:
        row |= dict.fromkeys(OF_THE_ANSWER)
    if row["retention"] == "no_text":
        row["reasoning_blocks_presented_raw"] = None
    else:
        row["prefill"] = bool(row["prefill"])
        row["earlier_messages"] = _in_turns(exchange["prefix_digests"] or [], said)
        if row["earlier_messages"] or row["conversation_id"] is None:
            row["turn_index"] = len(row["earlier_messages"]) // 2
    if row["reasoning_block_issued_raw"] or row["reasoning_blocks_presented_raw"]:
        row["endpoint"] = "responses"
    return {name: value for name, value in row.items() if value not in (None, [], {})}


def _in_turns(digests: list[str], said: dict[str, tuple[str, str]]) -> list[str]:
    """The messages, the last of several by the same; foreign ones are not known but by digest."""
    turns: list[tuple[str, str]] = []
    for place, digest in enumerate(digests):
        role, text = said.get(digest, (("user", "assistant")[place % 2], f"Unknown: {digest}"))
        if turns and turns[-1][0] == role:
            turns.pop()
        if turns or role == "user":
            turns.append((role, text))
    if turns and turns[-1][0] == "user":
        turns.pop()
    return [text for _, text in turns]


def _tables(world: Path, folder: Path) -> list[Path]:
    """Accounts with their address at sign-up, keys as secrets, and releases."""
    accounts = pq.read_table(world / "accounts.parquet")
    names = [n if n != "signup_ip" else "signup_ip_raw" for n in accounts.column_names]
    accounts = accounts.rename_columns(names).drop_columns(["signup_net_token"])
    keys = pq.read_table(world / "credentials.parquet")
    secrets = [f"sk-{name}" for name in keys["credential_id"].to_pylist()]
    keys = keys.drop_columns(["credential_id"]).append_column("credential_raw", pa.array(secrets))
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(accounts, folder / "accounts.parquet")
    pq.write_table(keys, folder / "credentials.parquet")
    releases = folder / "model_releases.parquet"
    releases.write_bytes((world / "model_releases.parquet").read_bytes())
    return [folder / "accounts.parquet", folder / "credentials.parquet", releases]
