"""Requests and answers of Anthropic's Messages API, as whoever serves or proxies it logs them.

Read are messages, one call a line, and requests and results of message batches. How to write
such a log: `docs/sources/anthropic.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from stillwatch.sources.account_names import configured_names
from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.batches import BatchFiles, BatchLine
from stillwatch.sources.call_lines import Told, told_of_file
from stillwatch.sources.logged_call import NO_OBJECT, LoggedCall, read_call
from stillwatch.sources.messages import (
    read_answer,
    read_request,
    read_settings,
    read_tool_names,
)
from stillwatch.sources.provider_rows import (
    ACCOUNT_FIELDS,
    account_of,
    caller_columns,
    first_whole,
    is_of_another_kind,
    sdk_metadata,
    status_of,
    without_redacted_text,
)
from stillwatch.sources.values import mapping, sequence, text, whole

__all__ = ["AnthropicAdapter"]

_ACCOUNT_FIELDS = (*ACCOUNT_FIELDS, "response.headers.anthropic-organization-id")
_NOT_MODEL_CALLS = ("/count_tokens", "/files", "/models", "/batches", "/organizations", "/skills")
_OTHER_FORMAT = "This is a call of OpenAI's API: import it with `--format openai`."
_INPUT_TOKENS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


@dataclass(slots=True)
class AnthropicAdapter:
    """Reads logged calls and message batches, as lines, arrays or documents, gzip or not.

    Args:
        account_fields: Names of the log that say who is billed, in order of preference.
    """

    name: ClassVar[str] = "anthropic"

    account_fields: tuple[str, ...] = field(
        default_factory=lambda: configured_names("anthropic", _ACCOUNT_FIELDS)
    )
    batches: BatchFiles = field(default_factory=BatchFiles)

    def read(self, path: Path) -> Iterator[ParsedRow | Unreadable]:
        """The exchanges of one file; lines of a batch wait for `remaining`."""
        return told_of_file(path, lambda line, value: self._told(path, line, value))

    def remaining(self) -> Iterator[tuple[Path, ParsedRow | Unreadable]]:
        """The exchanges of the batches, once every file has been read."""
        yield from self.batches.remaining(self._row_or_reason)

    def _told(self, path: Path, line: int, value: object) -> Told:
        if isinstance(value, dict):
            if value.get("type") == "message_batch":
                self.batches.keep_batch(path, value)
                return None
            lines = _batch_lines(value)
            for batch_line in lines:
                account = account_of(batch_line.around, self.account_fields)
                self.batches.keep(path, line, batch_line, account=account)
            if lines:
                return None
        return self._row_or_reason(value)

    def _row_or_reason(self, value: object) -> Told:
        call = read_call(value)
        if isinstance(call, str):
            return call
        if is_of_another_kind(call, _NOT_MODEL_CALLS):
            return None
        if call.request is None:
            return NO_OBJECT
        if call.path.endswith(("/completions", "/responses")) or "choices" in call.answered:
            return _OTHER_FORMAT
        return self._row(call)

    def _row(self, call: LoggedCall) -> dict[str, Any]:
        asked, answered = call.asked, call.answered
        request = read_request(asked.get("messages"), instructions=asked.get("system"))
        answer = read_answer(call.answer)
        usage = mapping(answered.get("usage"))
        metadata = mapping(asked.get("metadata"))
        row = caller_columns(
            call, account_fields=self.account_fields, request_id_header="request-id"
        )
        row |= {
            "turn_index": request.turn_index,
            "model": text(asked.get("model")) or text(answered.get("model")),
            "system_text": request.system_text,
            "input_text": request.input_text,
            "output_text": answer.text,
            "tool_names": read_tool_names(asked.get("tools")),
            "input_tokens": _input_tokens(usage),
            "output_tokens": usage.get("output_tokens"),
            "reasoning_tokens": first_whole(
                mapping(usage.get("output_tokens_details")), "thinking_tokens", "reasoning_tokens"
            ),
            "max_output_tokens": asked.get("max_tokens"),
            "temperature": asked.get("temperature"),
            "settings": read_settings({**asked, "reasoning_effort": _effort(asked)}),
            "status": status_of(call, answer),
            "stop_reason": answer.stop_reason,
            "endpoint": "batch" if call.envelope.get("endpoint") == "batch" else "chat",
            "prefill": request.prefill,
            "end_user_raw": text(metadata.get("user_id")),
            "client_metadata_raw": sdk_metadata(call),
            "earlier_messages": request.earlier_messages,
            "reasoning_block_issued_raw": answer.reasoning_block,
            "reasoning_blocks_presented_raw": request.reasoning_blocks,
            "refusal_category": text(mapping(answered.get("stop_details")).get("category")),
        }
        return without_redacted_text(row)


def _batch_lines(value: Mapping[str, Any]) -> list[BatchLine]:
    """What a line holds of a batch: a request, a result, or the call that made the batch."""
    custom_id = text(value.get("custom_id"))
    if custom_id is None:
        made = mapping(value.get("body")) or value
        requests = [mapping(item) for item in sequence(made.get("requests"))]
        around = {k: v for k, v in value.items() if k not in ("requests", "body")}
        found = [_batch_lines({**around, **request}) for request in requests if request]
        return [line for lines in found for line in lines]
    around = {k: v for k, v in value.items() if k not in ("custom_id", "params", "result", "id")}
    result = mapping(value.get("result"))
    if result:
        message = mapping(result.get("message"))
        kind = text(result.get("type")) or "errored"
        error = result.get("error") if kind == "errored" else {"type": kind}
        answer = {"response": message or None, "error": None if message else error or kind}
        return [BatchLine(custom_id, around, None, answer, text(message.get("id")))]
    if mapping(value.get("params")):
        return [BatchLine(custom_id, around, {"request": mapping(value["params"])}, None)]
    return []


def _input_tokens(usage: Mapping[str, Any]) -> int | None:
    """All that was read: what came from the cache, Anthropic counts apart."""
    counts = [n for name in _INPUT_TOKENS if (n := whole(usage.get(name))) is not None]
    return sum(counts) if counts else None


def _effort(asked: Mapping[str, Any]) -> str | None:
    """The effort that was asked for; of the older way to say it, the budget in tokens."""
    thinking = mapping(asked.get("thinking"))
    budget = whole(thinking.get("budget_tokens"))
    kind = text(thinking.get("type"))
    return (
        text(mapping(asked.get("output_config")).get("effort"))
        or (str(budget) if budget is not None else None)
        or (kind if kind not in ("enabled", "disabled") else None)
    )
