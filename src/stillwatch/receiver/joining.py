"""The pieces of model calls, received in any requests, joined into exchanges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stillwatch.receiver.otlp_pieces import Surrounding
from stillwatch.sources.adapter import ParsedRow
from stillwatch.sources.otlp_calls import Call
from stillwatch.sources.otlp_exchange import exchange_of_call
from stillwatch.sources.otlp_records import Record, SpanRecord

__all__ = ["CallsOfSource"]

_Key = tuple[str, str]
# Deeper than any trace of a gateway; it also ends a ring of spans.
_MOST_SPANS_AROUND = 64


@dataclass(slots=True)
class CallsOfSource:
    """The calls of one sender that are to be told now.

    First it is shown every header, then the records, batch by batch. A call is told as soon as its
    last record has come, so that no more calls are held than are open at one time.
    """

    account_attributes: tuple[str, ...]
    _around: dict[_Key, Surrounding] = field(default_factory=dict)
    _expected: Counter[_Key] = field(default_factory=Counter)
    _due: set[_Key] = field(default_factory=set)
    _told: set[_Key] = field(default_factory=set)
    _open: dict[_Key, Call] = field(default_factory=dict)

    def expect(
        self,
        around: Iterable[Surrounding],
        calls: Iterable[_Key],
        *,
        is_due: bool,
        is_folded: bool,
    ) -> None:
        """Learn of a batch.

        Args:
            is_due: Whether its calls are to be told; else it only completes others' calls.
            is_folded: Whether its calls were told before.
        """
        for span in around:
            self._around.setdefault((span.trace_id, span.span_id), span)
        joined = (key for key in calls if all(key))
        if is_folded:
            self._told.update(joined)
            return
        for key in joined:
            self._expected[key] += 1
            if is_due:
                self._due.add(key)

    def add(self, records: Iterable[Record], *, is_due: bool) -> Iterator[ParsedRow]:
        """The calls that these records complete."""
        for record in records:
            key = (record.trace_id, record.span_id)
            if not all(key):
                if is_due:  # nothing to join on: it stands alone
                    yield self._told_call(_with(Call(0, "", ""), record))
                continue
            if key not in self._due or key in self._told:
                continue
            call = _with(self._open.setdefault(key, Call(0, *key)), record)
            self._expected[key] -= 1
            if not self._expected[key]:
                del self._open[key]
                yield self._told_call(call)

    def _told_call(self, call: Call) -> ParsedRow:
        parent = call.span.parent_span_id if call.span else ""
        for _ in range(_MOST_SPANS_AROUND):
            span = self._around.get((call.trace_id, parent))
            if span is None:
                break
            call.around = span.attributes | call.around
            parent = span.parent_span_id
        return exchange_of_call(call, self.account_attributes)


def _with(call: Call, record: Record) -> Call:
    if isinstance(record, SpanRecord):
        call.span = call.span or record
        call.events.extend(record.events)
    else:
        call.events.append(record)
    return call
