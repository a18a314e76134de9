"""Requests and answers of OpenAI's API, as whoever serves or proxies it logs them.

Read are chat completions, responses and the older completions, one call a line, and the two
files of a batch. How to write such a log: `docs/sources/openai.md`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from stillwatch.records import ExchangeStatus
from stillwatch.sources.batches import BatchLine
from stillwatch.sources.logged_call import LoggedCall
from stillwatch.sources.messages import Answer, Request, read_request
from stillwatch.sources.provider_adapter import ProviderAdapter
from stillwatch.sources.provider_rows import first_whole, is_of_another_kind, status_of_failure
from stillwatch.sources.values import identifier, mapping, text

__all__ = ["OpenaiAdapter"]


@dataclass(slots=True)
class OpenaiAdapter(ProviderAdapter):
    """Reads chat completions, responses, completions and batches."""

    name: ClassVar[str] = "openai"
    account_header: ClassVar[str] = "openai-organization"
    request_id_header: ClassVar[str] = "x-request-id"
    batch_mark: ClassVar[tuple[str, str]] = ("object", "batch")
    not_model_calls: ClassVar[tuple[str, ...]] = (
        *("/embeddings", "/moderations", "/images", "/audio", "/files", "/uploads", "/models"),
        *("/fine_tuning", "/vector_stores", "/batches", "/realtime", "/videos", "/input_tokens"),
    )
    other_format: ClassVar[str] = (
        "This is a call of Anthropic's API: import it with `--format anthropic`."
    )

    def batch_lines(self, value: Mapping[str, Any]) -> list[BatchLine]:
        line = _batch_line(value)
        return [line] if line else []

    def is_passed_over(self, call: LoggedCall) -> bool:
        """Embeddings and the like, and answers that are lists of things rather than words."""
        lists = call.answered.get("object") == "list"
        return lists or is_of_another_kind(call, self.not_model_calls)

    def is_of_the_other(self, call: LoggedCall) -> bool:
        return call.path.endswith("/messages") or call.answered.get("type") == "message"

    def request_of(self, asked: Mapping[str, Any]) -> Request:
        return read_request(
            next((asked[k] for k in ("messages", "input", "prompt") if asked.get(k)), None),
            instructions=asked.get("instructions"),
        )

    def conversation_of(self, asked: Mapping[str, Any]) -> str | None:
        conversation = asked.get("conversation")
        return identifier(conversation) or identifier(mapping(conversation).get("id"))

    def own_columns(self, call: LoggedCall, answer: Answer) -> dict[str, Any]:
        asked, usage = call.asked, mapping(call.answered.get("usage"))
        own = {
            "input_tokens": first_whole(usage, "prompt_tokens", "input_tokens"),
            "output_tokens": first_whole(usage, "completion_tokens", "output_tokens"),
            "reasoning_tokens": _reasoning_tokens(usage),
            "max_output_tokens": first_whole(
                asked, "max_completion_tokens", "max_output_tokens", "max_tokens"
            ),
            "endpoint": _endpoint(call),
            "end_user_raw": identifier(asked.get("safety_identifier"))
            or identifier(asked.get("user")),
            "cache_key_raw": text(asked.get("prompt_cache_key")),
        }
        if call.answered.get("status") == "failed" and status_of_failure(call) is None:
            own["status"] = ExchangeStatus.ERROR.value
        return own


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


def _endpoint(call: LoggedCall) -> str:
    """By URL, or by what only one of both has."""
    if "/responses" in call.path or call.answered.get("object") == "response":
        return "responses"
    asked = call.asked
    return "responses" if "input" in asked and "messages" not in asked else "chat"


def _reasoning_tokens(usage: Mapping[str, Any]) -> Any:
    for name in ("completion_tokens_details", "output_tokens_details"):
        if (tokens := first_whole(mapping(usage.get(name)), "reasoning_tokens")) is not None:
            return tokens
    return None
