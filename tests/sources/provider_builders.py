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
FAILURES = {
    "rate_limited": (429, "rate_limit_exceeded"),
    "error": (500, "server_error"),
    "blocked": (403, "account_deactivated"),
}
OF_THE_ANSWER = ("output_text", "input_tokens", "output_tokens", "reasoning_tokens")
# What a provider writes around a call under the columns' own names.
IN_ENVELOPES = (
    *("account_id", "exchange_id", "conversation_id", "batch_id", "access_path"),
    *("client_asn", "client_country", "client_network", "tls_fingerprint", "retention"),
)
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


def openai_line(row: dict[str, Any]) -> dict[str, Any]:
    """The row as a proxy in front of OpenAI's API logs it."""
    wanted, is_chat = row.get("settings") or {}, row["endpoint"] != "responses"
    turns = _turns(row)
    body: dict[str, Any] = {
        "model": row.get("model"),
        "max_completion_tokens" if is_chat else "max_output_tokens": row.get("max_output_tokens"),
        "temperature": row.get("temperature"),
        "top_p": wanted.get("top_p"),
        "prompt_cache_key": row.get("cache_key_raw"),
        "safety_identifier": row.get("end_user_raw"),
        "metadata": row.get("client_metadata_raw"),
        "tools": [
            {"type": "function", **({"function": {"name": n}} if is_chat else {"name": n})}
            for n in row.get("tool_names", [])
        ],
        "top_logprobs": wanted.get("logprobs"),
    }
    if is_chat:
        system = (
            [{"role": "developer", "content": row["system_text"]}] if "system_text" in row else []
        )
        body |= {name: wanted.get(name) for name in ("n", "seed", "reasoning_effort")}
        body |= {"messages": system + turns, "logprobs": wanted.get("logprobs") is not None or None}
    else:
        blocks = row.get("reasoning_blocks_presented_raw", [])
        sealed = [{"type": "reasoning", "encrypted_content": b, "summary": []} for b in blocks]
        body |= {
            "instructions": row.get("system_text"),
            "input": [*turns[:-1], *sealed, *turns[-1:]],
            "reasoning": {"effort": wanted.get("reasoning_effort")},
        }
    return _line(row, path="/v1/chat/completions" if is_chat else "/v1/responses", body=body)


def _openai_answer(row: dict[str, Any]) -> dict[str, Any]:
    refused = row["status"] == "refused"
    if row["endpoint"] == "responses":
        kind = "refusal" if refused else "output_text"
        part = {"type": kind, "refusal" if refused else "text": row.get("output_text")}
        sealed = {"type": "reasoning", "encrypted_content": row.get("reasoning_block_issued_raw")}
        return {
            "object": "response",
            **_ended(row.get("stop_reason")),
            "output": [sealed, {"type": "message", "role": "assistant", "content": [part]}],
            "usage": {
                "input_tokens": row.get("input_tokens"),
                "output_tokens": row.get("output_tokens"),
                "output_tokens_details": {"reasoning_tokens": row.get("reasoning_tokens")},
            },
        }
    message = {"role": "assistant", "refusal" if refused else "content": row.get("output_text")}
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": row["stop_reason"]}],
        "usage": {
            "prompt_tokens": row.get("input_tokens"),
            "completion_tokens": row.get("output_tokens"),
            "completion_tokens_details": {"reasoning_tokens": row.get("reasoning_tokens")},
        },
    }


def _ended(reason: str | None) -> dict[str, Any]:
    """How a response says why it ended: it was completed, or what cut it short."""
    if reason == "completed":
        return {"status": "completed"}
    return {"status": "incomplete", "incomplete_details": {"reason": reason}}


def anthropic_line(row: dict[str, Any]) -> dict[str, Any]:
    """The row as a proxy in front of Anthropic's API logs it."""
    wanted, turns = row.get("settings") or {}, _turns(row)
    if blocks := row.get("reasoning_blocks_presented_raw"):
        thoughts = [{"type": "thinking", "thinking": "", "signature": block} for block in blocks]
        begins = 1 if row.get("earlier_messages") else 0
        said = [{"type": "text", "text": turn["content"]} for turn in turns[1 : begins + 1]]
        turns[begins : 2 * begins] = [{"role": "assistant", "content": [*thoughts, *said]}]
    body = {
        "model": row.get("model"),
        "max_tokens": row.get("max_output_tokens"),
        "temperature": row.get("temperature"),
        "top_p": wanted.get("top_p"),
        "output_config": {"effort": wanted.get("reasoning_effort")},
        "system": row.get("system_text"),
        "messages": turns,
        "metadata": {"user_id": row["end_user_raw"]} if "end_user_raw" in row else None,
        "tools": [{"name": name} for name in row.get("tool_names", [])],
    }
    return _line(row, path="/v1/messages", body=body)


def _anthropic_answer(row: dict[str, Any]) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    if row.get("reasoning_block_issued_raw"):
        signature = row["reasoning_block_issued_raw"]
        content.append({"type": "thinking", "thinking": "Hm.", "signature": signature})
    content.append({"type": "text", "text": row.get("output_text", "")})
    return {
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": row["stop_reason"],
        "usage": {
            "input_tokens": row.get("input_tokens"),
            "output_tokens": row.get("output_tokens"),
            "output_tokens_details": {"thinking_tokens": row.get("reasoning_tokens")},
        },
    }


def _turns(row: dict[str, Any]) -> list[dict[str, Any]]:
    roles = ("user", "assistant")
    earlier = row.get("earlier_messages", [])
    turns = [{"role": roles[i % 2], "content": text} for i, text in enumerate(earlier)]
    if "input_text" in row:
        turns.append({"role": "user", "content": row["input_text"]})
    return turns + ([{"role": "assistant", "content": "1."}] if row.get("prefill") else [])


def _turn_is_known_elsewhere(row: dict[str, Any]) -> bool:
    """Whether whoever serves the talk counts its turns, and the messages do not show them."""
    shown = len(row.get("earlier_messages", [])) // 2 if "input_text" in row else None
    return row.get("turn_index") not in (None, shown)


def _line(row: dict[str, Any], *, path: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"User-Agent": row.get("user_agent")}
    if "credential_raw" in row:
        headers |= {"Authorization": f"Bearer {row['credential_raw']}"}
    code, answer = 200, _anthropic_answer if path == "/v1/messages" else _openai_answer
    if row["status"] in FAILURES:
        code, name = FAILURES[row["status"]]
        received = {"error": {"type": name, "code": name, "message": "No."}}
    else:
        received = answer(row)
    if "request_id" in row:
        headers |= {"X-Request-Id": row["request_id"]}
    return {
        **{name: row[name] for name in IN_ENVELOPES if name in row},
        **({"endpoint": "batch"} if row["endpoint"] == "batch" else {}),
        **({"turn_index": row["turn_index"]} if _turn_is_known_elsewhere(row) else {}),
        "client_ip": row.get("client_ip_raw"),
        "started_at": row["started_at"].isoformat(),
        "finished_at": row["finished_at"].isoformat() if "finished_at" in row else None,
        "request": {
            "method": "POST",
            "url": f"https://api.example{path}",
            "headers": headers,
            "body": json.dumps(body),
        },
        "response": {"status_code": code, "headers": {}, "body": json.dumps(received)},
    }
