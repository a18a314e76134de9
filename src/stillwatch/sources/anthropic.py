"""Requests and answers of Anthropic's Messages API, as whoever serves or proxies it logs them.

Read are messages, one call a line, and requests and results of message batches. How to write
such a log: `docs/sources/anthropic.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from stillwatch.sources.batches import BatchLine
from stillwatch.sources.logged_call import LoggedCall
from stillwatch.sources.messages import Answer, Request, read_request
from stillwatch.sources.provider_adapter import ProviderAdapter
from stillwatch.sources.provider_rows import first_whole
from stillwatch.sources.values import identifier, mapping, sequence, text, whole

__all__ = ["AnthropicAdapter"]

_INPUT_TOKENS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


@dataclass(slots=True)
class AnthropicAdapter(ProviderAdapter):
    """Reads messages and message batches."""

    name: ClassVar[str] = "anthropic"
    account_header: ClassVar[str] = "anthropic-organization-id"
    request_id_header: ClassVar[str] = "request-id"
    batch_mark: ClassVar[tuple[str, str]] = ("type", "message_batch")
    not_model_calls: ClassVar[tuple[str, ...]] = (
        *("/count_tokens", "/files", "/models", "/batches", "/organizations", "/skills"),
    )
    other_format: ClassVar[str] = (
        "This is a call of OpenAI's API: import it with `--format openai`."
    )

    def batch_lines(self, value: Mapping[str, Any]) -> list[BatchLine]:
        return _batch_lines(value)

    def is_of_the_other(self, call: LoggedCall) -> bool:
        return call.path.endswith(("/completions", "/responses")) or "choices" in call.answered

    def request_of(self, asked: Mapping[str, Any]) -> Request:
        return read_request(asked.get("messages"), instructions=asked.get("system"))

    def own_columns(self, call: LoggedCall, answer: Answer) -> dict[str, Any]:
        asked, answered = call.asked, call.answered
        usage = mapping(answered.get("usage"))
        return {
            "input_tokens": _input_tokens(usage),
            "output_tokens": usage.get("output_tokens"),
            "reasoning_tokens": first_whole(
                mapping(usage.get("output_tokens_details")), "thinking_tokens", "reasoning_tokens"
            ),
            "max_output_tokens": asked.get("max_tokens"),
            "end_user_raw": identifier(mapping(asked.get("metadata")).get("user_id")),
            "refusal_category": text(mapping(answered.get("stop_details")).get("category")),
        }


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
