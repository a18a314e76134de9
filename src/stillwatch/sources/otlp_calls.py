"""Joining the spans and events of one model call, and telling it as an exchange.

A call is told in up to three places: its span, events in the log with the span's ids, and the
spans around it, which know the caller. Where the span and an event say the same, the span is
taken; the event fills what it lacks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from stillwatch.sources.otlp_records import EventRecord, Record, SpanRecord
from stillwatch.sources.values import text

__all__ = ["CALLER_ATTRIBUTES", "CALL_EVENTS", "Call", "CallJoiner", "is_model_call"]

# Spans end, and are written, within moments of their events; ten thousand calls are more
# than a gateway has open at once. What arrives later still is an exchange by itself, with
# the same id, so that it is counted once.
_OPEN_CALLS = 4_096
_OPEN_CHARACTERS = 64 * 2**20
_KNOWN_SPANS = 65_536
# Operations of the conventions that are no request for an answer.
_OTHER_OPERATIONS = frozenset(
    [
        "embeddings",
        "execute_tool",
        "invoke_agent",
        "create_agent",
        "invoke_workflow",
        "retrieval",
        "embedding",
        "rerank",
        "fetch_response",
    ]
)
DETAILS_EVENT = "gen_ai.client.inference.operation.details"
MESSAGE_EVENTS = frozenset(
    f"gen_ai.{name}"
    for name in ("system.message", "user.message", "assistant.message", "tool.message", "choice")
)
CONTENT_EVENTS = frozenset({"gen_ai.content.prompt", "gen_ai.content.completion"})
CALL_EVENTS = MESSAGE_EVENTS | CONTENT_EVENTS | {DETAILS_EVENT}
# What the spans around a call may know of its caller.
CALLER_ATTRIBUTES = frozenset(
    [
        "user.id",
        "enduser.id",
        "session.id",
        "client.address",
        "user_agent.original",
        "http.client_ip",
        "http.user_agent",
        "http.request.header.x-request-id",
    ]
)


_EMPTY = (str, list, dict)


@dataclass(slots=True)
class Call:
    """Everything that was logged of one model call; ask it once all of that is there."""

    line: int
    trace_id: str
    span_id: str
    span: SpanRecord | None = None
    events: list[EventRecord] = field(default_factory=list)
    around: dict[str, Any] = field(default_factory=dict)
    _told: dict[str, Any] | None = None

    @property
    def exchange_id(self) -> str | None:
        """The ids of trace and span; None for an event outside any span."""
        return f"{self.trace_id}-{self.span_id}" if self.trace_id and self.span_id else None

    def attribute(self, *names: str) -> Any:
        """The first of `names` that the span, an event, or a span around it has."""
        if self._told is None:
            self._told = self._all_told()
        for name in names:
            if name in self._told:
                return self._told[name]
        return None

    def attribute_of_resource(self, name: str) -> Any:
        """What emitted the span, or else the first event, says of itself under this name."""
        holder = self.span or next(iter(self.events), None)
        return holder.resource.get(name) if holder else None

    def _all_told(self) -> dict[str, Any]:
        """Every attribute that says something: the span's word goes first, the first event's next.

        An empty word is a word: it hides what others say.
        """
        told = dict(self.around)
        for event in reversed(self.events):
            told |= event.attributes
        if self.span is not None:
            told |= self.span.attributes
        return {
            name: value
            for name, value in told.items()
            if value or not (value is None or isinstance(value, _EMPTY))
        }


def is_model_call(attributes: dict[str, Any]) -> bool:
    """Whether a span's attributes say that it asked a model for an answer."""
    operation = text(attributes.get("gen_ai.operation.name")) or text(
        attributes.get("llm.request.type")
    )
    if operation in _OTHER_OPERATIONS:
        return False
    return "gen_ai.request.model" in attributes or (
        bool(operation) and ("gen_ai.system" in attributes or "gen_ai.provider.name" in attributes)
    )


@dataclass(slots=True)
class _Known:
    parent: str
    attributes: dict[str, Any]


class CallJoiner:
    """Takes records in the order of a file and gives whole calls, holding a bounded number."""

    def __init__(self, account_attributes: tuple[str, ...] = ()) -> None:
        self._open: OrderedDict[tuple[str, str], Call] = OrderedDict()
        self._characters = 0
        self._weights: dict[tuple[str, str], int] = {}
        self._spans: OrderedDict[tuple[str, str], _Known] = OrderedDict()
        self._caller = CALLER_ATTRIBUTES | set(account_attributes)
        self._unattached = 0

    def add(self, record: Record) -> Iterator[Call]:
        """Take a record; calls that had to make room come out."""
        if isinstance(record, SpanRecord):
            self._remember(record)
            events = [event for event in record.events if event.event_name in CALL_EVENTS]
            if not is_model_call(record.attributes):
                return
            call = self._call(record)
            call.span = call.span or record
            call.events.extend(events)
            self._weigh(call, record.attributes, *(event.attributes for event in events))
        elif record.event_name in CALL_EVENTS:
            call = self._call(record)
            call.events.append(record)
            self._weigh(call, record.attributes, record.body)
        while len(self._open) > _OPEN_CALLS or self._characters > _OPEN_CHARACTERS:
            yield self._close()

    def rest(self) -> Iterator[Call]:
        """The calls still held, at the end of a file."""
        while self._open:
            yield self._close()

    def _call(self, record: Record) -> Call:
        key = (record.trace_id, record.span_id)
        if not all(key):
            # Nothing to join on: each such event stands alone.
            self._unattached += 1
            key = ("", str(self._unattached))
            return self._open.setdefault(key, Call(record.line, "", ""))
        return self._open.setdefault(key, Call(record.line, *key))

    def _weigh(self, call: Call, *values: Any) -> None:
        key = next(reversed(self._open)) if not call.trace_id else (call.trace_id, call.span_id)
        weight = sum(_characters(value) for value in values)
        self._weights[key] = self._weights.get(key, 0) + weight
        self._characters += weight

    def _close(self) -> Call:
        key, call = self._open.popitem(last=False)
        self._characters -= self._weights.pop(key, 0)
        parent = call.span.parent_span_id if call.span else ""
        seen = set()
        while parent and parent not in seen:
            seen.add(parent)
            known = self._spans.get((call.trace_id, parent))
            if known is None:
                break
            call.around = known.attributes | call.around
            parent = known.parent
        return call

    def _remember(self, span: SpanRecord) -> None:
        attributes = {k: v for k, v in span.attributes.items() if k in self._caller}
        if not (attributes or span.parent_span_id):
            return
        self._spans[span.trace_id, span.span_id] = _Known(span.parent_span_id, attributes)
        while len(self._spans) > _KNOWN_SPANS:
            self._spans.popitem(last=False)


def _characters(value: Any) -> int:
    """Roughly what a value weighs; exact enough to bound what is held."""
    if isinstance(value, str):
        return len(value) + 50
    if isinstance(value, dict):
        total = 100 + 50 * len(value)
        for name, inner in value.items():
            total += len(name) + (len(inner) + 50 if type(inner) is str else _characters(inner))
        return total
    if isinstance(value, list):
        return 50 + sum(map(_characters, value))
    return 30
