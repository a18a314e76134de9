"""From what is known of a deployment to the notices that are due: no clock, no files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from stillwatch.policy.notices import Notice, NoticeKind

__all__ = ["Limits", "Seen", "due_notices"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """From where on people are told.

    Attributes:
        appeal_answered_within: How long an appeal may wait; told when three quarters are over.
        step_waits: Approvals are asked for at once, or only of steps that have waited so long.
        snapshot_age: A gateway asks every two seconds; a minute is thirty answers missed.
        ingest_silence: Longer than a quiet night of a small provider's log that comes hourly.
        quarantine_share: One row in a hundred of the last day.
        column_change: Change of the share of rows that have a column filled, between two days.
    """

    appeal_answered_within: timedelta = timedelta(days=3)
    appeal_told_at: float = 0.75
    step_waits: timedelta = timedelta(0)
    snapshot_age: timedelta = timedelta(minutes=1)
    ingest_silence: timedelta = timedelta(hours=6)
    quarantine_share: float = 0.01
    column_change: float = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a deployment; None and () where it is not known.

    Attributes:
        campaigns: Ids of the latest scan's, with the time at which each was first flagged.
        waiting_steps: Ids of actions that wait for approval, or of their campaigns, with since when.
        open_appeals: Ids of appeals, with the time at which each came.
        blast_radius: Ids of what the limit held back, with the time.
        snapshot_made_at: When the newest snapshot of verdicts was made.
        last_commit_at: When something last came into the lake.
        quarantine_share: Of the rows of the last day, those that could not be read.
        column_changes: Change of the filled share by column, last day against the days before.
    """

    campaigns: tuple[tuple[str, datetime], ...] = ()
    waiting_steps: tuple[tuple[str, datetime], ...] = ()
    open_appeals: tuple[tuple[str, datetime], ...] = ()
    blast_radius: tuple[tuple[str, datetime], ...] = ()
    snapshot_made_at: datetime | None = None
    last_commit_at: datetime | None = None
    quarantine_share: float | None = None
    column_changes: tuple[tuple[str, float], ...] = ()


def due_notices(seen: Seen, limits: Limits, *, now: datetime) -> list[Notice]:
    """Everything that people should hear of now; whoever sends it drops what was told before."""
    return [*_about_decisions(seen, limits, now), *_about_parts(seen, limits, now)]


def _about_decisions(seen: Seen, limits: Limits, now: datetime) -> Iterator[Notice]:
    for campaign, _ in seen.campaigns:
        yield Notice.raised(NoticeKind.NEW_CAMPAIGN, campaign, now=now)
    for step, since in seen.waiting_steps:
        if now - since >= limits.step_waits:
            hours = _hours(now - since)
            yield Notice.raised(NoticeKind.STEP_WAITING, step, now=now, waiting_hours=hours)
    for appeal, since in seen.open_appeals:
        if now - since >= limits.appeal_told_at * limits.appeal_answered_within:
            left = _hours(limits.appeal_answered_within - (now - since))
            yield Notice.raised(NoticeKind.APPEAL_NEAR_LIMIT, appeal, now=now, hours_left=left)
    for subject, _ in seen.blast_radius:
        yield Notice.raised(NoticeKind.BLAST_RADIUS_REACHED, subject, now=now)


def _about_parts(seen: Seen, limits: Limits, now: datetime) -> Iterator[Notice]:
    if seen.snapshot_made_at is not None:
        age = now - seen.snapshot_made_at
        if age > limits.snapshot_age:
            yield Notice.raised(
                NoticeKind.SNAPSHOT_STALE, "snapshot", now=now, age_seconds=age.total_seconds()
            )
    if seen.last_commit_at is not None and now - seen.last_commit_at > limits.ingest_silence:
        silent = _hours(now - seen.last_commit_at)
        yield Notice.raised(NoticeKind.INGEST_SILENT, "lake", now=now, silent_hours=silent)
    if seen.quarantine_share is not None and seen.quarantine_share > limits.quarantine_share:
        yield Notice.raised(
            NoticeKind.QUARANTINE_RISING, "lake", now=now, share=seen.quarantine_share
        )
    for column, change in seen.column_changes:
        if abs(change) > limits.column_change:
            yield Notice.raised(NoticeKind.DRIFT_RISING, column, now=now, change=change)


def _hours(span: timedelta) -> float:
    return round(span.total_seconds() / 3600, 2)
