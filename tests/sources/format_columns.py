"""Which canonical columns each format carries, measured by imports of one small log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from import_builders import Desk
from rendered_logs import LogFormat, Row, Rows

from stillwatch.records import EXCHANGES

__all__ = [
    "COLUMNS",
    "carried",
    "import_whole",
    "lake_rows",
    "markdown",
    "signs_of",
    "table_of_page",
    "telling_rows",
    "through_a_proxy",
]

# Not of a row: which sender's log it is, whoever imports says.
COLUMNS = tuple(name for name in EXCHANGES.names if name != "source_id")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "formats.md"
_BEGIN, _END = "<!-- measured: begin -->", "<!-- measured: end -->"
_OF_THE_PROXY = frozenset({"client_ip_raw", "tls_fingerprint", "user_agent"})
_START = datetime(2026, 3, 1, 12, 0, 0, 250_001, tzinfo=UTC)
# Texts that a format may take for something else than what somebody said.
_TEXTS = (
    "Why is the sea salty?\r\n\r\nAnswer in one line.\r\n",
    "  What is dew,\n\n\nand what is fog?\t",
    "Größe, cafe\u0301, 海, 🌊 and a \u2028 break",
    '{"messages": [{"role": "user", "content": "Is this a prompt?"}]}',
    '["a", "b"]',
    "null",
    "1,000",
    "Hidden Markov models",
    'He said "stop", and \'no\'; a,b\n"c"',
    "Human: and what of this?\n\nAssistant: a turn",
    "data: {}\n\ndata: [DONE]\n\n",
    "[a link](https://example.org) & <b>tags</b>",
)


def telling_rows() -> Rows:
    """Exchanges that fill every column, and end in every way."""
    rows = [_chat(number, text) for number, text in enumerate(_TEXTS)]
    rows += [_responses(number) for number in range(20, 24)]
    for number, status in enumerate(("refused", "rate_limited", "blocked", "error"), 30):
        rows.append(_failed(_chat(number, f"Question {number}"), status))
    withheld = _chat(40, "Nobody may read this.") | {"retention": "no_text"}
    texts = ("system_text", "input_text", "output_text", "earlier_messages", "prefill")
    rows.append({n: v for n, v in withheld.items() if n not in (*texts, "turn_index")})
    kept_by_us = _chat(41, "And then?") | {"turn_index": 7}
    rows.append({n: v for n, v in kept_by_us.items() if n != "earlier_messages"})
    batched = _chat(42, "One of many.") | {"endpoint": "batch", "batch_id": "batch-7"}
    return [*rows, batched, _chat(43, "One, two,") | {"prefill": True}]


def _row(number: int, text: str) -> Row:
    started = _START + timedelta(seconds=61 * number)
    return {
        "exchange_id": f"ex-{number}",
        "account_id": f"acct-{number % 3}",
        "started_at": started,
        "finished_at": started + timedelta(milliseconds=1_207, microseconds=13),
        "credential_raw": f"sk-live-{number % 4}-abcdefghij0123",
        "conversation_id": f"conv-{number}",
        "access_path": ("api", "app", "reseller")[number % 3],
        "model": ("m-large", "m-small")[number % 2],
        "system_text": f"Be brief. {text}",
        "input_text": text,
        "output_text": f"{text} is an answer, too: {text}",
        "tool_names": ["look_up", f"tool_{number % 2}"],
        "input_tokens": 10 + number,
        "output_tokens": 20 + number,
        "reasoning_tokens": number,
        "max_output_tokens": 64 + number,
        "temperature": 0.1 * (number % 5) + 0.05,
        "client_ip_raw": f"203.0.113.{number}" if number % 2 else f"2001:db8:{number:x}::7",
        "client_asn": 64_500 + number % 3,
        "client_country": ("NO", "KE")[number % 2],
        "client_network": ("hosting", "residential")[number % 2],
        "user_agent": f"weaver-sdk/3.{number % 2}",
        "tls_fingerprint": f"t13d151{number % 7}h2_8daaf6152771_02713d6af862",
        "end_user_raw": f"end-user-{number % 5}",
        "client_metadata_raw": {"course": f"course-{number % 2}", "sdk": "weaver"},
        "cache_key_raw": f"prefix-{number % 2}",
        "status": "ok",
        "retention": "full",
    }


def _chat(number: int, text: str) -> Row:
    earlier = [f"{text} (asked)", f"{text} (answered)"] * (number % 3)
    return _row(number, text) | {
        "endpoint": "chat",
        "turn_index": len(earlier) // 2,
        "earlier_messages": earlier,
        "prefill": False,
        "stop_reason": ("end_turn", "max_tokens")[number % 2],
        "settings": _settings(n=1 + number % 2, top_p=0.9, seed=number, logprobs=1 + number % 3),
    }


def _responses(number: int) -> Row:
    text = f"Question {number}"
    return _row(number, text) | {
        "endpoint": "responses",
        "turn_index": 1,
        "earlier_messages": [f"{text} (asked)", f"{text} (answered)"],
        "prefill": False,
        "stop_reason": ("completed", "max_tokens")[number % 2],
        "settings": _settings(top_p=0.5, reasoning_effort=("low", "high")[number % 2]),
        "reasoning_block_issued_raw": f"block-{number}",
        "reasoning_blocks_presented_raw": [f"block-{number - 10}", f"block-{number - 9}"],
    }


def _settings(**stated: Any) -> dict[str, Any]:
    return dict.fromkeys(("n", "top_p", "seed", "logprobs", "reasoning_effort")) | stated


def _failed(row: Row, status: str) -> Row:
    if status == "refused":
        return row | {"status": status, "stop_reason": "refusal"}
    lost = ("output_text", "output_tokens", "input_tokens", "reasoning_tokens", "stop_reason")
    return {name: value for name, value in row.items() if name not in lost} | {"status": status}


def through_a_proxy(rows: Rows) -> tuple[Rows, list[dict[str, Any]]]:
    """The rows as a service behind Envoy logs them, and Envoy's own lines of the same requests."""
    behind, lines = [], []
    for number, row in enumerate(rows):
        request_id = f"request-{number}"
        behind.append({n: v for n, v in row.items() if n not in _OF_THE_PROXY})
        behind[-1]["request_id"] = request_id
        lines.append(
            {
                "start_time": row["started_at"].isoformat(),
                "request_id": request_id,
                "downstream_remote_address_without_port": row["client_ip_raw"],
                "tls_ja4_fingerprint": row["tls_fingerprint"],
                "user_agent": row["user_agent"],
                "duration": 1_207,
            }
        )
    return behind, lines


def lake_rows(desk: Desk, chosen: LogFormat, rows: Rows) -> list[dict[str, Any]]:
    """The exchanges of the desk's lake after an import of the log, in their order of time."""
    desk.folder.mkdir(parents=True, exist_ok=True)
    import_whole(desk, chosen.words(rows, desk.folder / "log"), len(rows))
    return sorted(desk.rows("exchanges"), key=lambda row: row["started_at"])


def import_whole(desk: Desk, words: Sequence[str | Path], count: int | None) -> dict[str, Any]:
    """The report of an import that must read so many rows, if it is said how many, and lose none.

    The key is that of all desks in one folder.
    """
    key = desk.folder.parent / "key"
    if not key.exists():
        assert desk.command("keys", "init", "--key-file", key).status == 0
    outcome = desk.command("import", *words, "--lake", desk.lake_path, "--key-file", key)
    assert outcome.status == 0, outcome.words
    report = outcome.report
    assert count in (None, report["read"])
    assert report["quarantined"] == 0, report
    assert not report["emptied_values"], report
    return report


def carried(wanted: list[dict[str, Any]], found: list[dict[str, Any]]) -> dict[str, str]:
    """Column to how the found rows have it, as the page writes it.

    `✓` as wanted; `part` of the rows, or of the value; `own`, another value; `–`, nothing.
    """
    signs = {}
    for name in COLUMNS:
        pairs = [(a.get(name), b.get(name)) for a, b in zip(wanted, found, strict=True)]
        if all(a == b for a, b in pairs):
            signs[name] = "✓"
        elif not any(b is not None for _, b in pairs):
            signs[name] = "–"
        else:
            signs[name] = "part" if any(a == b is not None for a, b in pairs) else "own"
    return signs


def markdown(signs: Mapping[str, Mapping[str, str]]) -> str:
    """The table of the page: a row a column of the log, a column a format."""
    lines = [f"| column | {' | '.join(f'`{name}`' for name in signs)} |"]
    lines.append("|---" * (len(signs) + 1) + "|")
    for column in COLUMNS:
        lines.append(f"| `{column}` | {' | '.join(of[column] for of in signs.values())} |")
    return "\n".join(lines)


def table_of_page() -> str:
    """The table as the page has it."""
    return PAGE.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0].strip()


def signs_of(adapter: str) -> dict[str, str]:
    """Column to what the page says of it for a format."""
    header, _, *lines = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in table_of_page().splitlines()
    ]
    place = header.index(adapter)
    return {cells[0]: cells[place] for cells in lines}
