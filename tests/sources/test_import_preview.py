"""`import --explain`: how a row of a log is read, and what is shown of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bedrock_builders import LOG, LOGS
from import_builders import Desk, exchange_rows

FIXTURES = Path(__file__).parent / "fixtures"
LITELLM = FIXTURES / "litellm-1.106.2"
OTLP = FIXTURES / "opentelemetry-instrumentation-genai-openai-1.3b0"
GENERIC = FIXTURES / "generic-published-schemas"
MAPS = Path(__file__).parents[2] / "docs" / "sources" / "maps"


def _with_key(desk: Desk) -> Path:
    key = desk.folder / "key"
    key.write_text("07" * 32)
    key.chmod(0o600)
    return key


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("import",), "--format"),
        (("import", "--format", "otlp"), "INPUT"),
        (("import", "--format", "litellm", LITELLM), "--lake"),
    ],
)
def test_what_an_import_lacks_is_said(words: tuple[Any, ...], missing: str, desk: Desk) -> None:
    """`--detect` needs no format and `--explain` no lake, but an import needs all of them."""
    outcome = desk.command(*words)

    assert outcome.status == 2
    assert f"{missing} is missing" in outcome.words


def _explained(desk: Desk, log_format: str, path: Path, row: int, *options: Any) -> dict[str, Any]:
    words = ["import", "--format", log_format, path, "--explain", str(row), *options]
    outcome = desk.command(*words, "--key-file", _with_key(desk))
    assert outcome.status == 0, outcome.words
    return outcome.report


@pytest.mark.parametrize(
    ("log_format", "path", "row", "options"),
    [
        ("bedrock", LOG, 1, ()),
        ("litellm", LITELLM / "standard_logging_payload.ndjson", 3, ()),
        ("litellm-spend", LITELLM / "spend_logs.ndjson", 2, ()),
        ("otlp", OTLP / "otlp.jsonl", 1, ()),
        ("openai", FIXTURES / "openai-3.57.0" / "http.jsonl", 1, ()),
        ("generic", GENERIC / "langfuse.jsonl", 1, ("--map", MAPS / "langfuse.toml")),
    ],
)
def test_a_row_is_shown_as_the_import_reads_it(
    log_format: str, path: Path, row: int, options: tuple[Any, ...], desk: Desk
) -> None:
    """The columns are those of the lake; nothing is written, and no text is shown."""
    readings = _explained(desk, log_format, path, row, *options)["readings"]
    assert not desk.lake_path.exists()

    key = desk.folder / "key"
    words = ["import", "--format", log_format, path, "--lake", desk.lake_path, *options]
    assert desk.command(*words, "--key-file", key).status == 0
    stored = {row["output_digest"]: row for row in desk.rows("exchanges")}

    for reading in readings:
        columns = reading["columns"]
        lake = stored[columns.get("output_digest")]
        assert set(columns) == {name for name, value in lake.items() if value is not None}
        assert columns["started_at"] == lake["started_at"].isoformat()
        assert columns["account_id"] == f"{len(lake['account_id'])} characters"
        assert "character" in columns["input_text"]
        assert not set(columns) & set(reading["absent"])


def test_generic_says_where_each_value_came_from(desk: Desk) -> None:
    """Whoever writes a map sees which path led where."""
    path, options = GENERIC / "langfuse.jsonl", ("--map", MAPS / "langfuse.toml")

    (reading,) = _explained(desk, "generic", path, 1, *options)["readings"]

    assert reading["origins"]["input_tokens"] == "usage_details.input"
    assert reading["columns"]["input_tokens"] == "10"


def test_canonical_columns_are_explained(desk: Desk) -> None:
    """Parquet comes as columns, not as rows; the row is found all the same."""
    path = desk.parquet("x.parquet", exchange_rows(40))

    (reading,) = _explained(desk, "canonical", path, 33)["readings"]

    assert (
        reading["columns"]["started_at"] == exchange_rows(1, first=32)[0]["started_at"].isoformat()
    )


def test_a_row_for_the_quarantine_has_its_reason(desk: Desk) -> None:
    """The same words that `quarantine show` would have."""
    path = desk.jsonl("x.jsonl", [*exchange_rows(2), {"account_id": "a", "input_text": "hi"}])

    (reading,) = _explained(desk, "canonical", path, 3)["readings"]

    assert reading["table"] is None
    assert reading["reason"].startswith("column started_at: a required value is missing")


def test_set_is_heeded(desk: Desk) -> None:
    """What the import would fill is filled here."""
    path = desk.jsonl("x.jsonl", [{"started_at": "2026-03-01", "account_id": "", "model": "m"}])

    (reading,) = _explained(desk, "canonical", path, 1, "--set", "account_id=acme")["readings"]

    assert reading["columns"]["account_id"] == "4 characters"


@pytest.mark.parametrize("row", [11, 13, 999])
def test_a_row_of_which_nothing_comes_is_said(row: int, desk: Desk) -> None:
    """An embedding is passed over; the file ends before."""
    words = ["import", "--format", "bedrock", LOG, "--explain", str(row)]

    outcome = desk.command(*words, "--key-file", _with_key(desk))

    assert outcome.status == 2
    assert f"nothing comes from row {row}" in outcome.words


def test_one_file_is_explained_at_a_time(desk: Desk) -> None:
    """A folder has many rows of one number."""
    words = ["import", "--format", "bedrock", LOGS, "--explain", "1"]

    outcome = desk.command(*words, "--key-file", _with_key(desk))

    assert outcome.status == 2
    assert "Name one file" in outcome.words


def test_a_first_look_needs_no_key(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key, tokens are under one of the moment, and that is said."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(desk.folder))

    outcome = desk.command("import", "--format", "bedrock", LOG, "--explain", "1")

    assert outcome.status == 0
    assert "no key yet" in outcome.words
    assert not list(desk.folder.iterdir())


SECRETS = ("sk-planted-secret", "planted@person.example", "203.0.113.77")
_PLANTED_MAP = """
[columns]
account_id = "who"
started_at = "at"
credential_raw = "key"
client_ip_raw = "ip"
end_user_raw = "mail"
client_metadata_raw = "meta"
input_tokens = "mail"
[messages]
request = "asked"
"""


def _planted(log_format: str) -> tuple[list[dict[str, Any]], str | None]:
    """A good and a bad row of a format, with secrets wherever it may carry them."""
    key, mail, address = SECRETS
    metadata = {"mail": mail, mail: "1", "key": key}
    if log_format == "litellm-spend":
        row = json.loads((LITELLM / "spend_logs.ndjson").read_text().splitlines()[0])
        row |= {"end_user": mail, "requester_ip_address": address}
        request = json.loads(row["proxy_server_request"])
        request |= {"user": mail, "metadata": {"requester_metadata": metadata}}
        row["proxy_server_request"] = json.dumps(request)
        return [row, row | {"startTime": key}], None
    record = {"who": "a", "at": "2026-03-01", "key": key, "ip": address, "mail": mail}
    record |= {"meta": metadata, "asked": {"user": mail, "messages": [], "metadata": metadata}}
    return [record, record | {"at": address}, {mail: key}], _PLANTED_MAP


@pytest.mark.parametrize("log_format", ["litellm-spend", "generic"])
def test_planted_secrets_reach_neither_lake_nor_words(log_format: str, desk: Desk) -> None:
    """Nor does `--explain` or `--detect` show them, of good rows or of bad ones."""
    rows, map_text = _planted(log_format)
    log = desk.jsonl("log.jsonl", rows)
    options: tuple[Any, ...] = ()
    if map_text:
        (desk.folder / "map.toml").write_text(map_text)
        options = ("--map", desk.folder / "map.toml")
    words = ["import", "--format", log_format, log, *options, "--key-file", _with_key(desk)]

    outcomes = [desk.command(*words, "--lake", desk.lake_path)]
    outcomes += [desk.command(*words, "--explain", str(n + 1)) for n in range(len(rows))]
    outcomes.append(desk.command("import", "--detect", log))

    assert outcomes[0].report["imported"] == 1
    assert outcomes[0].report["quarantined"] == len(rows) - 1
    everything = json.dumps([desk.rows(t) for t in ("exchanges", "quarantine")], default=str)
    everything += "".join(o.words + json.dumps(o.report) for o in outcomes)
    for secret in SECRETS:
        assert secret not in everything
        assert not any(secret.encode() in data for data in desk.snapshot().values())


def test_no_text_of_a_row_is_shown(desk: Desk) -> None:
    """Whatever a column holds, words of the log are shown by their length alone."""
    row = exchange_rows(1)[0] | dict.fromkeys(
        ("model", "status", "endpoint", "stop_reason", "user_agent", "access_path", "region"),
        SECRETS[1],
    )
    row |= {"tool_names": [SECRETS[1]], "settings": {"reasoning_effort": SECRETS[1]}}

    report = _explained(desk, "canonical", desk.jsonl("x.jsonl", [row]), 1)

    assert SECRETS[1] not in json.dumps(report)
    assert report["readings"][0]["columns"]["status"] == "22 characters"
