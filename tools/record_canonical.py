"""Records the fixture of the format `canonical`: `python tools/record_canonical.py`.

DuckDB writes the tables of a small log, as a provider would from tables of its own: the exchanges
in each of the three encodings, the other tables as CSV. Identifiers are in clear, in the columns
that an import turns into tokens.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import duckdb

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "tests" / "sources" / "fixtures" / f"canonical-duckdb-{duckdb.__version__}"
KEYS = {"ada": "sk-ada-0123456789abcdef", "bo": "sk-bo-0123456789abcdef"}
EXCHANGES: list[dict[str, Any]] = [
    {
        "exchange_id": "x1",
        "account_id": "account-ada",
        "started_at": "2026-03-01T12:00:00.125Z",
        "finished_at": "2026-03-01T12:00:01.5Z",
        "conversation_id": "conversation-5",
        "turn_index": 0,
        "model": "large-1",
        "system_text": "Answer in one sentence.",
        "input_text": "Why is the sea salty?",
        "output_text": "Rivers carry dissolved minerals into it.",
        "tool_names": ["look_up_tide"],
        "input_tokens": 10,
        "output_tokens": 20,
        "temperature": 0.2,
        "client_ip_raw": "203.0.113.7",
        "credential_raw": KEYS["ada"],
        "user_agent": "weaver-sdk/3.1",
        "status": "ok",
        "stop_reason": "stop",
        "settings": {"n": 2, "top_p": 0.9, "seed": 7, "logprobs": 3, "reasoning_effort": "low"},
    },
    {
        "exchange_id": "x2",
        "account_id": "account-ada",
        "started_at": "2026-03-01T12:01:00Z",
        "conversation_id": "conversation-5",
        "turn_index": 1,
        "model": "large-1",
        "input_text": 'And why are rivers not? Quote "rain", please.',
        "output_text": "They are renewed by rain,\nday after day.",
        "client_ip_raw": "203.0.113.7",
        "credential_raw": KEYS["ada"],
        "status": "ok",
    },
    {
        "exchange_id": "x3",
        "account_id": "account-bo",
        "started_at": "2026-03-01T12:02:00Z",
        "model": "small-1",
        "input_text": "¿Cuándo hay marea alta en Bergen? ☔",
        "client_ip_raw": "2001:db8::20",
        "credential_raw": KEYS["bo"],
        "status": "rate_limited",
    },
]
ACCOUNTS: list[dict[str, Any]] = [
    {
        "account_id": "account-ada",
        "created_at": "2026-01-05T08:00:00Z",
        "status": "active",
        "plan": "team",
        "organization_id": "org-weavers",
        "organization_since": "2026-01-05T08:00:00Z",
        "organization_verified": "contract",
        "email_raw": "ada@weavers.example",
        "payment_raw": "4000 0000 0000 0002",
        "country": "NO",
    },
    {
        "account_id": "account-bo",
        "created_at": "2026-02-11T17:30:00Z",
        "status": "active",
        "plan": "individual",
        "organization_verified": "none",
        "email_raw": "bo@mail.example",
        "country": "KE",
    },
]
CREDENTIALS = [
    {"credential_raw": key, "account_id": f"account-{name}", "created_at": "2026-02-12T00:00:00Z"}
    for name, key in KEYS.items()
]
RELEASES = [
    {"model": "small-1", "released_at": "2025-11-03T00:00:00Z"},
    {"model": "large-1", "released_at": "2026-02-20T00:00:00Z"},
]


def main() -> None:
    """Write the fixture anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as scratch, duckdb.connect() as database:
        database.execute("set TimeZone = 'UTC'")
        tables = {
            "exchanges": EXCHANGES,
            "accounts": ACCOUNTS,
            "credentials": CREDENTIALS,
            "model_releases": RELEASES,
        }
        for name, rows in tables.items():
            path = Path(scratch) / name
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            database.execute(
                f"create table {name} as from read_json('{path}', format = 'newline_delimited')"
            )
        # A cell of CSV holds a list or a structure as JSON.
        flat = "* replace (to_json(tool_names) as tool_names, to_json(settings) as settings)"
        for query, file, how in (
            ("from exchanges", "exchanges.parquet", "format parquet"),
            ("from exchanges", "exchanges.jsonl", "format json"),
            (f"select {flat} from exchanges", "exchanges.csv", "format csv, header"),
            *((f"from {name}", f"{name}.csv", "format csv, header") for name in list(tables)[1:]),
        ):
            database.execute(f"copy ({query}) to '{FOLDER / file}' ({how})")


if __name__ == "__main__":
    main()
