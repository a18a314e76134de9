"""Requests and answers of OpenAI's API, as whoever serves or proxies it logs them.

Read are chat completions, responses and the older completions, one call a line, and the two
files of a batch. How to write such a log: `docs/sources/openai.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from stillwatch.records import ExchangeStatus
from stillwatch.sources.account_names import configured_names
from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.batches import BatchFiles, BatchLine
from stillwatch.sources.call_lines import Told, told_of_file
from stillwatch.sources.logged_call import NO_OBJECT, LoggedCall, read_call
from stillwatch.sources.messages import (
    Answer,
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
    status_of_failure,
    without_redacted_text,
)
from stillwatch.sources.values import mapping, text

__all__ = ["OpenaiAdapter"]

# The answer's header is the provider's word; the request's is the client's, and is not asked.
_ACCOUNT_FIELDS = (*ACCOUNT_FIELDS, "response.headers.openai-organization")
_NOT_MODEL_CALLS = (
    *("/embeddings", "/moderations", "/images", "/audio", "/files", "/uploads", "/models"),
    *("/fine_tuning", "/vector_stores", "/batches", "/realtime", "/videos", "/input_tokens"),
)
_OTHER_FORMAT = "This is a call of Anthropic's API: import it with `--format anthropic`."


@dataclass(slots=True)
class OpenaiAdapter:
    """Reads logged calls and batch files, as lines, arrays or documents, gzip or not.

    Args:
        account_fields: Names of the log that say who is billed, in order of preference.
    """

    name: ClassVar[str] = "openai"

    account_fields: tuple[str, ...] = field(
        default_factory=lambda: configured_names("openai", _ACCOUNT_FIELDS)
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
            if value.get("object") == "batch":
                self.batches.keep_batch(path, value)
                return None
            if (batch_line := _batch_line(value)) is not None:
                account = account_of(batch_line.around, self.account_fields)
                self.batches.keep(path, line, batch_line, account=account)
                return None
        return self._row_or_reason(value)

    def _row_or_reason(self, value: object) -> Told:
        call = read_call(value)
        if isinstance(call, str):
            return call
        if _answers_nobody(call):
            return None
        if call.request is None:
            return NO_OBJECT
        if call.path.endswith("/messages") or call.answered.get("type") == "message":
            return _OTHER_FORMAT
        return self._row(call)

    def _row(self, call: LoggedCall) -> dict[str, Any]:
        asked, answered = call.asked, call.answered
        request = read_request(
            next((asked[k] for k in ("messages", "input", "prompt") if asked.get(k)), None),
            instructions=asked.get("instructions"),
        )
        answer = read_answer(call.answer)
        usage = mapping(answered.get("usage"))
        row = caller_columns(
            call, account_fields=self.account_fields, request_id_header="x-request-id"
        )
        row["conversation_id"] = row["conversation_id"] or _conversation(asked)
        row |= {
            "turn_index": None if _continues(asked) else request.turn_index,
            "model": text(asked.get("model")) or text(answered.get("model")),
            "system_text": request.system_text,
            "input_text": request.input_text,
            "output_text": answer.text,
            "tool_names": read_tool_names(asked.get("tools") or asked.get("functions")),
            "input_tokens": first_whole(usage, "prompt_tokens", "input_tokens"),
            "output_tokens": first_whole(usage, "completion_tokens", "output_tokens"),
            "reasoning_tokens": _reasoning_tokens(usage),
            "max_output_tokens": first_whole(
                asked, "max_completion_tokens", "max_output_tokens", "max_tokens"
            ),
            "temperature": asked.get("temperature"),
            "settings": read_settings(asked),
            "status": _status(call, answer),
            "stop_reason": answer.stop_reason,
            "endpoint": _endpoint(call),
            "prefill": request.prefill,
            "end_user_raw": text(asked.get("safety_identifier")) or text(asked.get("user")),
            "cache_key_raw": text(asked.get("prompt_cache_key")),
            "client_metadata_raw": sdk_metadata(call),
            "earlier_messages": request.earlier_messages,
            "reasoning_block_issued_raw": answer.reasoning_block,
            "reasoning_blocks_presented_raw": request.reasoning_blocks,
        }
        return without_redacted_text(row)


def _batch_line(value: Mapping[str, Any]) -> BatchLine | None:
    """A line of a batch's input or output file; None for anything else."""
    custom_id = text(value.get("custom_id"))
    if custom_id is None or "request" in value or ("body" in value and "response" in value):
        return None  # a call of which both halves are here
    around = {
        key: item
        for key, item in value.items()
        if key not in ("id", "custom_id", "method", "url", "body", "response", "error")
    }
    if "response" in value or "error" in value:
        answer = {"response": value.get("response"), "error": value.get("error")}
        return BatchLine(custom_id, around, None, answer, text(value.get("id")))
    if "body" in value:
        request = {key: value.get(key) for key in ("method", "url", "body")}
        return BatchLine(custom_id, around, {"request": request}, None)
    return None


def _answers_nobody(call: LoggedCall) -> bool:
    """Embeddings and the like, and answers that are lists of things rather than words."""
    lists = call.answered.get("object") == "list"
    return lists or is_of_another_kind(call, _NOT_MODEL_CALLS)


def _endpoint(call: LoggedCall) -> str:
    """`batch` comes from the batch's files; otherwise by URL, or by what only one of both has."""
    if call.envelope.get("endpoint") == "batch":
        return "batch"
    if "/responses" in call.path or call.answered.get("object") == "response":
        return "responses"
    asked = call.asked
    return "responses" if "input" in asked and "messages" not in asked else "chat"


def _continues(asked: Mapping[str, Any]) -> bool:
    """Earlier turns lie with the provider: how many they are, the request does not say."""
    return bool(asked.get("previous_response_id") or asked.get("conversation"))


def _conversation(asked: Mapping[str, Any]) -> str | None:
    conversation = asked.get("conversation")
    return text(conversation) or text(mapping(conversation).get("id"))


def _reasoning_tokens(usage: Mapping[str, Any]) -> Any:
    for name in ("completion_tokens_details", "output_tokens_details"):
        if (tokens := first_whole(mapping(usage.get(name)), "reasoning_tokens")) is not None:
            return tokens
    return None


def _status(call: LoggedCall, answer: Answer) -> str | None:
    if call.answered.get("status") == "failed" and status_of_failure(call) is None:
        return ExchangeStatus.ERROR.value
    return status_of(call, answer)
