"""Rows of LiteLLM_SpendLogs, made by a real proxy, told as exchanges."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from litellm_exchanges import EXPECTED, PLAIN

from stillwatch.sources.adapter import ParsedRow, Remark, Unreadable
from stillwatch.sources.litellm_spend import BROKEN_REQUEST, CUT_SHORT, LitellmSpendAdapter

FIXTURES = Path(__file__).parent / "fixtures" / "litellm-1.106.2"
ROWS = FIXTURES / "spend_logs.ndjson"
NO_PROMPTS = FIXTURES / "spend_logs_no_prompts.ndjson"
RECORDED = ("exchange_id", "started_at", "finished_at")
# Where the table says more than the callback: estimates for failures, and the whole request.
MORE: dict[int, dict[str, Any]] = {
    5: {"input_tokens": 12},
    6: {"input_tokens": 9},
    7: {
        "settings": {
            "n": None,
            "top_p": None,
            "seed": None,
            "logprobs": None,
            "reasoning_effort": "low",
        }
    },
}


def _items(path: Path) -> list[ParsedRow | Unreadable | Remark]:
    return list(LitellmSpendAdapter().read(path))


def _rows(path: Path) -> list[dict[str, Any]]:
    items = [item for item in _items(path) if not isinstance(item, Remark)]
    assert all(isinstance(item, ParsedRow) for item in items), items
    return [item.row for item in items if isinstance(item, ParsedRow)]


def _told(path: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in RECORDED} for row in _rows(path)]


def _row(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(ROWS.read_text().splitlines()[0])
    return row | changes


def _row_of(tmp_path: Path, row: dict[str, Any]) -> dict[str, Any]:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(row))
    (told,) = _rows(path)
    return told


def test_the_table_tells_what_the_callback_told() -> None:
    """The same eight requests give the same exchanges, whichever of the two was recorded."""
    expected = [row | MORE.get(number, {}) for number, row in enumerate(EXPECTED)]

    assert _told(ROWS)[:8] == expected


@pytest.mark.parametrize(
    ("stored", "said"),
    [('{"messages": [{"role": "us', [BROKEN_REQUEST]), ("{}", []), ("", []), (None, [])],
)
def test_a_request_that_was_cut_off_is_told(
    stored: str | None, said: list[str], tmp_path: Path
) -> None:
    """The row is kept, and whoever imports learns that its prompt is lost."""
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(_row(proxy_server_request=stored)))

    items = _items(path)

    assert [item.what for item in items if isinstance(item, Remark)] == said
    assert len(items) == 1 + len(said)


def test_ids_and_times_are_those_of_the_row() -> None:
    """The id is the call's, not the provider's answer's; times are to the microsecond."""
    for told, line in zip(_rows(ROWS), ROWS.read_text().splitlines(), strict=True):
        row = json.loads(line)
        assert told["exchange_id"] == row["litellm_call_id"]
        assert told["started_at"].isoformat() == row["startTime"]
        assert told["finished_at"].isoformat() == row["endTime"]


def test_rows_of_versions_without_a_call_id_are_named_by_the_request_id(tmp_path: Path) -> None:
    """The table's own key is all that older versions have."""
    row = _row()
    del row["litellm_call_id"]

    assert _row_of(tmp_path, row)["exchange_id"] == row["request_id"]


def test_rows_without_bodies_bring_no_text() -> None:
    """Without `store_prompts_in_spend_logs` there is no prompt, and the row says so."""
    (row,) = _told(NO_PROMPTS)

    assert row["retention"] == "no_text"
    assert not row.keys() & {"system_text", "input_text", "output_text", "turn_index", "prefill"}
    assert row["account_id"] == PLAIN["account_id"]
    assert row["client_ip_raw"] == PLAIN["client_ip_raw"]


def test_what_litellm_cut_is_said_and_its_words_are_taken_out() -> None:
    """A long prompt is stored with a note in its middle; the note is no wording of the client."""
    assert [i for i in _items(ROWS) if isinstance(i, Remark)] == [Remark(CUT_SHORT)]
    text = _rows(ROWS)[-1]["input_text"]
    assert text.startswith("Count the words. dew dew")
    assert "litellm" not in text
    assert "safeguard" not in text
    assert "\n…\n" in text


def _as_csv(path: Path) -> Path:
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def _as_page(path: Path) -> Path:
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    for row in rows:  # the proxy's API gives the JSON columns as objects
        for name in ("metadata", "messages", "response", "proxy_server_request", "request_tags"):
            row[name] = json.loads(row[name])
    path.write_text(json.dumps({"data": rows, "total": len(rows)}, indent=1))
    return path


def _as_array(path: Path) -> Path:
    path.write_text("[" + ",".join(ROWS.read_text().splitlines()) + "]")
    return path


@pytest.mark.parametrize("export", [_as_csv, _as_page, _as_array])
def test_every_export_of_the_table_tells_the_same(export: Any, tmp_path: Path) -> None:
    """CSV of the database, a page of the proxy's API, and an array hold the rows of the lines."""
    assert _rows(export(tmp_path / "export")) == _rows(ROWS)


@pytest.mark.parametrize(
    "started", ["2026-03-01 12:00:00.5", "2026-03-01T12:00:00.500Z", "2026-03-01T13:00:00.5+01:00"]
)
def test_a_time_without_a_zone_is_utc(started: str, tmp_path: Path) -> None:
    """PostgreSQL's column has no zone, and LiteLLM writes UTC into it."""
    row = _row_of(tmp_path, _row(startTime=started))

    assert row["started_at"].isoformat() == "2026-03-01T12:00:00.500000+00:00"


def test_the_account_is_chosen_as_for_payloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One setting serves both logs of a proxy, so that their accounts are the same."""
    monkeypatch.setenv("STILLWATCH__LITELLM__ACCOUNT", "user_api_key_team_id")

    assert _row_of(tmp_path, _row())["account_id"] == "team-north"


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b'{"request_id": "r", "startTime":', [1]),
        (b'[1]\n"text"\n7\n', [1, 2, 3]),
        (b'{"other": 1}\n', [1]),
        (b'{"data": [{"other": 1}]}\n', [1]),
        (b"a,b\n1,2\n", [2]),
        (b"request_id,startTime\nr,2026-03-01,x\n", [2]),
        (b'request_id,startTime\n"r\xff",2026-03-01\n', [2]),
        (b"\x1f\x8b\x08broken", [1]),
    ],
)
def test_broken_input_is_reported_by_its_line(
    content: bytes, lines: list[int], tmp_path: Path
) -> None:
    """Each line that holds no row has its own entry, and nothing raises."""
    path = tmp_path / "rows"
    path.write_bytes(content)
    items = _items(path)

    assert [item.line for item in items if isinstance(item, Unreadable)] == lines
    assert not any(isinstance(item, ParsedRow) for item in items)


@pytest.mark.parametrize(
    ("changes", "lacking"),
    [
        ({"startTime": "yesterday"}, "started_at"),
        (
            {"user": None, "team_id": "", "organization_id": "", "api_key": "", "metadata": "{}"},
            "account_id",
        ),
    ],
)
def test_a_row_without_account_or_time_says_so(
    changes: dict[str, Any], lacking: str, tmp_path: Path
) -> None:
    """Such a row is left to the quarantine, which names the column."""
    assert _row_of(tmp_path, _row(**changes))[lacking] is None


def test_calls_that_answer_nobody_are_passed_over(tmp_path: Path) -> None:
    """Embeddings are neither exchanges nor errors."""
    path = tmp_path / "rows"
    path.write_text(json.dumps(_row(call_type="aembedding")))

    assert _items(path) == []
