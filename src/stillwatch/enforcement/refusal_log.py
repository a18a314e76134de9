"""A line of JSON for each refusal that is new: which step, through which door, under which reference.

It names nobody: a reference leads to its action in the store alone (`stillwatch explain REFERENCE`).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock

from stillwatch.enforcement.asking import Decision
from stillwatch.enforcement.possible import Adapter

__all__ = ["RefusalLog"]

_MOST_REFERENCES = 10_000


@dataclass(slots=True)
class _Seen:
    told_at: float
    since: int = 0


@dataclass(slots=True)
class RefusalLog:
    """Writes lines, and no more than one a minute for the same reference: who is refused asks again.

    Attributes:
        write: Takes a line without its end.
        now: The time, in seconds since 1970.
        every: Seconds between two lines of one reference.
    """

    write: Callable[[str], None]
    now: Callable[[], float]
    every: float = 60.0
    _seen: OrderedDict[str, _Seen] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def __call__(self, adapter: Adapter, decision: Decision) -> None:
        """Note a refusal; `refused` in its line counts those since the last line, itself included."""
        reference = decision.reference or ""
        now = self.now()
        with self._lock:
            seen = self._seen.get(reference)
            if seen is not None and now - seen.told_at < self.every:
                seen.since += 1
                return
            refused = 1 + (seen.since if seen else 0)
            self._seen[reference] = _Seen(now)
            self._seen.move_to_end(reference)
            if len(self._seen) > _MOST_REFERENCES:
                self._seen.popitem(last=False)
        told = {
            "at": datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds"),
            "event": "refused",
            "step": decision.step.value,
            "door": adapter.value,
            "reference": reference,
            "refused": refused,
        }
        with suppress(OSError, ValueError):  # nobody reads it any more: decisions go on
            self.write(json.dumps(told))
