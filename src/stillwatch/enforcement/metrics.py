"""What a server of decisions counts, for Prometheus.

Labels are closed vocabularies: no account, credential, reference, campaign or path of a stranger.
Each process has a registry of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from stillwatch.enforcement.asking import Decision
from stillwatch.enforcement.possible import Adapter
from stillwatch.records.actions import Step

__all__ = ["CONTENT_TYPE", "Levels", "Metrics", "Part"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
disable_created_metrics()  # type: ignore[no-untyped-call,unused-ignore]

_PREFIX = "stillwatch"
# From five microseconds, which a decision in memory takes, to a second, after which none waits.
_SECONDS = (5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.05, 0.25, 1)


class Part(StrEnum):
    """What can fail without a request failing."""

    STORE = "store"
    SNAPSHOT = "snapshot"
    COUNTERS = "counters"
    REQUEST = "request"
    """A body or message that could not be read."""
    DECISION = "decision"
    APPEALS = "appeals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """What is read when Prometheus asks; None where it is not known.

    Attributes:
        snapshot_age_seconds: Since it was made.
        refreshed_seconds_ago: Since the source last answered, with news or without.
        snapshot_sequence, snapshot_verdicts: Of the one in use.
        is_store_up: Whether the store answered when it was last asked.
        in_force: Actions in force by step.
        waiting_steps: Actions that wait for approval.
        open_appeals: Appeals without a decision.
        oldest_appeal_seconds: Since when the oldest of them waits; 0 where none does.
        held_back: Actions that the blast radius has held back in the last hour.
        spooled_audit_records: Records that wait for the store.
    """

    snapshot_age_seconds: float | None = None
    refreshed_seconds_ago: float | None = None
    snapshot_sequence: int | None = None
    snapshot_verdicts: int | None = None
    is_store_up: bool | None = None
    in_force: dict[Step, int] = field(default_factory=dict)
    waiting_steps: int | None = None
    open_appeals: int | None = None
    oldest_appeal_seconds: float | None = None
    held_back: int | None = None
    spooled_audit_records: int | None = None


_LEVELS = {
    "snapshot_age_seconds": "Since the snapshot in use was made.",
    "refreshed_seconds_ago": "Since the snapshot's source last answered.",
    "snapshot_sequence": "Sequence of the snapshot in use; it only rises.",
    "snapshot_verdicts": "Verdicts in it.",
    "is_store_up": "Whether the store answered when it was last asked.",
    "waiting_steps": "Actions that wait for approval.",
    "open_appeals": "Appeals without a decision.",
    "oldest_appeal_seconds": "Since when the oldest of them waits; 0 where none does.",
    "held_back": "Actions that the blast radius has held back in the last hour.",
    "spooled_audit_records": "Audit records that wait for the store.",
}


class Metrics:
    """The figures of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._decisions = self._counter(
            "decisions",
            "Decisions, by what the verdict wanted and what was done.",
            ("adapter", "wanted", "step", "refused"),
        )
        self._seconds = Histogram(
            f"{_PREFIX}_decision_seconds",
            "From the question to the answer, inside of this process.",
            ("adapter",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._unknown = self._counter(
            "unresolved_credentials", "Requests of whom no verdict is known.", ("adapter",)
        )
        self._weakened = self._counter(
            "weakened_steps",
            "Steps that the adapter cannot do, done as the next milder one.",
            ("adapter", "wanted"),
        )
        self._failures = self._counter(
            "failures", "What failed without a request failing.", ("part",)
        )
        self._answers = self._counter(
            "answers", "Answers of HTTP and gRPC.", ("listener", "path", "status")
        )
        self._levels = {
            name: Gauge(f"{_PREFIX}_{name}", text, registry=self._registry)
            for name, text in _LEVELS.items()
        }
        self._in_force = Gauge(
            f"{_PREFIX}_actions_in_force",
            "Actions that gateways obey, by step.",
            ("step",),
            registry=self._registry,
        )
        # Alerts on a rate see nothing of a series that begins with its first failure.
        for part in Part:
            self._failures.labels(part.value)

    def decided(
        self,
        adapter: Adapter,
        decision: Decision,
        *,
        possible: frozenset[Step],
        seconds: float | None = None,
    ) -> None:
        """Count one decision.

        Args:
            possible: The steps that the adapter can do.
            seconds: How long it took; None where that was not measured.
        """
        wanted, step = decision.wanted, decision.step
        self._decisions.labels(
            adapter.value, wanted.value, step.value, str(decision.is_refused).lower()
        ).inc()
        if not decision.is_known:
            self._unknown.labels(adapter.value).inc()
        if wanted.within(possible) is not wanted:
            self._weakened.labels(adapter.value, wanted.value).inc()
        if seconds is not None:
            self._seconds.labels(adapter.value).observe(seconds)

    def failed(self, part: Part) -> None:
        """Count one failure that no request felt."""
        self._failures.labels(part.value).inc()

    def answered(self, listener: str, path: str, status: int) -> None:
        """Count one answer.

        Args:
            listener: `decisions` or `appeals`.
            path: One of the paths there are, or `unknown`; never what a stranger wrote.
        """
        self._answers.labels(listener, path, str(status)).inc()

    def rendered(self, levels: Levels) -> bytes:
        """The page that Prometheus reads. What is not known is not a number (NaN)."""
        for name, gauge in self._levels.items():
            value = getattr(levels, name)
            gauge.set(float("nan") if value is None else float(value))
        for step in Step:
            self._in_force.labels(step.value).set(levels.in_force.get(step, 0))
        page: bytes = generate_latest(self._registry)
        return page

    def _counter(self, name: str, text: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self._registry)
