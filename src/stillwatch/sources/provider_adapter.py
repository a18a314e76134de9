"""What adapters of a provider's API have in common: calls one a line, and the files of batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
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
    Answer,
    Request,
    goes_on_elsewhere,
    read_answer,
    read_settings,
    read_tool_names,
)
from stillwatch.sources.provider_rows import (
    ACCOUNT_FIELDS,
    account_of,
    caller_columns,
    is_of_another_kind,
    sdk_metadata,
    status_of,
)
from stillwatch.sources.values import stated, text

__all__ = ["ProviderAdapter"]


@dataclass(slots=True)
class ProviderAdapter(ABC):
    """Reads logged calls and batches, as lines, arrays or documents, gzip, zstd or plain.

    A provider's own adapter says how its batches and bodies look.

    Attributes:
        account_header: Of the answer, by which the provider names who is billed. A header of the
            request is the client's word, and is not asked.
        request_id_header: Of the answer, by which the provider names the call.
        batch_mark: The name and value by which a batch's own record is known.
        not_model_calls: Parts of URLs that are no calls of a model.
        other_format: The reason given for a call of the other provider's.
        account_fields: Names of the log that say who is billed, in order of preference.
    """

    name: ClassVar[str]
    account_header: ClassVar[str]
    request_id_header: ClassVar[str]
    batch_mark: ClassVar[tuple[str, str]]
    not_model_calls: ClassVar[tuple[str, ...]]
    other_format: ClassVar[str]

    account_fields: tuple[str, ...] = ()
    batches: BatchFiles = field(default_factory=BatchFiles)

    def __post_init__(self) -> None:
        known = (*ACCOUNT_FIELDS, f"response.headers.{self.account_header}")
        self.account_fields = self.account_fields or configured_names(self.name, known)

    def read(self, path: Path) -> Iterator[ParsedRow | Unreadable]:
        """The exchanges of one file; lines of a batch wait for `remaining`."""
        return told_of_file(path, lambda line, value: self._told(path, line, value))

    def remaining(self) -> Iterator[tuple[Path, ParsedRow | Unreadable]]:
        """The exchanges of the batches, once every file has been read."""
        yield from self.batches.remaining(self._row_or_reason)

    @abstractmethod
    def batch_lines(self, value: Mapping[str, Any]) -> list[BatchLine]:
        """What a value of a file holds of a batch; nothing for any other."""

    @abstractmethod
    def is_of_the_other(self, call: LoggedCall) -> bool:
        """Whether it is a call of the other provider's API."""

    @abstractmethod
    def request_of(self, asked: Mapping[str, Any]) -> Request:
        """The messages of a request's body."""

    @abstractmethod
    def own_columns(self, call: LoggedCall, answer: Answer) -> dict[str, Any]:
        """The columns that this provider alone fills in its way."""

    def conversation_of(self, asked: Mapping[str, Any]) -> str | None:
        """The conversation that a request's body names."""
        return None

    def is_passed_over(self, call: LoggedCall) -> bool:
        """Whether no model was asked for words."""
        return is_of_another_kind(call, self.not_model_calls)

    def _told(self, path: Path, line: int, value: object) -> Told:
        if isinstance(value, dict):
            mark, said = self.batch_mark
            if value.get(mark) == said:
                self.batches.keep_batch(path, value)
                return None
            lines = self.batch_lines(value)
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
        if self.is_passed_over(call):
            return None
        if call.request is None:
            return NO_OBJECT
        if self.is_of_the_other(call):
            return self.other_format
        return self._row(call)

    def _row(self, call: LoggedCall) -> dict[str, Any]:
        asked, answered = call.asked, call.answered
        request, answer = self.request_of(asked), read_answer(call.answer)
        row = caller_columns(
            call, account_fields=self.account_fields, request_id_header=self.request_id_header
        )
        row |= {
            "model": text(asked.get("model")) or text(answered.get("model")),
            "system_text": request.system_text,
            "input_text": request.input_text,
            "output_text": answer.text,
            "tool_names": read_tool_names(asked.get("tools") or asked.get("functions")),
            "temperature": asked.get("temperature"),
            "settings": read_settings(asked),
            "status": status_of(call, answer),
            "stop_reason": answer.stop_reason,
            "endpoint": "chat",
            "prefill": request.prefill,
            "client_metadata_raw": sdk_metadata(call),
            "earlier_messages": request.earlier_messages,
            "reasoning_block_issued_raw": answer.reasoning_block,
            "reasoning_blocks_presented_raw": request.reasoning_blocks,
            **self.own_columns(call, answer),
        }
        if row["turn_index"] is None and not goes_on_elsewhere(asked):
            row["turn_index"] = request.turn_index
        row["conversation_id"] = row["conversation_id"] or self.conversation_of(asked)
        if call.envelope.get("endpoint") == "batch":
            row["endpoint"] = "batch"  # as the batch's files have it
        return stated(row)
