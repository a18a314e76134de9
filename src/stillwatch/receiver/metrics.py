"""What the receiver counts, for Prometheus. No label names a sender, an account or a row."""

from __future__ import annotations

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from stillwatch.receiver.spool import Backlog

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
disable_created_metrics()  # type: ignore[no-untyped-call,unused-ignore]
_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_PREFIX = "stillwatch_receiver"


class Metrics:
    """The figures of one receiver."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            f"{_PREFIX}_requests",
            "Requests answered.",
            ("endpoint", "status"),
            registry=self._registry,
        )
        self._rows = Counter(
            f"{_PREFIX}_rows",
            "Rows, spans and log records, by what they were answered with.",
            ("endpoint", "outcome"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            f"{_PREFIX}_answer_seconds",
            "From the whole body to the answer; what was taken is on the disk by then.",
            ("endpoint",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._flushes = Counter(
            f"{_PREFIX}_flushes", "Flushes of the spool to the disk.", registry=self._registry
        )
        self._flushed = Counter(
            f"{_PREFIX}_flushed_batches", "Batches that they made durable.", registry=self._registry
        )
        self._waiting = {
            name: Gauge(f"{_PREFIX}_spool_{name}", text, registry=self._registry)
            for name, text in (
                ("rows", "Exchanges and pieces of them that wait for the lake."),
                ("bytes", "What they take."),
                ("oldest_seconds", "Since when the oldest of them waits; 0 where none does."),
            )
        }
        self._folded = {
            name: Gauge(f"{_PREFIX}_lake_{name}", text, registry=self._registry)
            for name, text in (
                ("folds", "Commits into the lake since the spool was made."),
                ("imported", "Exchanges that were new in the lake."),
                ("duplicates", "Exchanges that the lake had already."),
                ("quarantined", "Rows that went to the quarantine."),
            )
        }

    def answered(
        self, endpoint: str, status: int, *, accepted: int, rejected: int, seconds: float | None
    ) -> None:
        """Count one answer; `seconds` is None where the body was not looked at."""
        self._requests.labels(endpoint, str(status)).inc()
        if accepted:
            self._rows.labels(endpoint, "accepted").inc(accepted)
        if rejected:
            self._rows.labels(endpoint, "rejected").inc(rejected)
        if seconds is not None:
            self._seconds.labels(endpoint).observe(seconds)

    def flushed(self, batches: int) -> None:
        """Count one flush of the disk."""
        self._flushes.inc()
        self._flushed.inc(batches)

    def rendered(self, backlog: Backlog, totals: dict[str, int]) -> bytes:
        """The page that Prometheus reads."""
        self._waiting["rows"].set(backlog.rows)
        self._waiting["bytes"].set(backlog.size)
        age = 0.0 if backlog.oldest is None else max(0.0, time.time() - backlog.oldest)
        self._waiting["oldest_seconds"].set(age)
        for name, gauge in self._folded.items():
            gauge.set(totals.get(name, 0))
        page: bytes = generate_latest(self._registry)
        return page
