"""Notices: what the people who run stillwatch must hear of without looking."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

__all__ = ["Notice", "NoticeKind", "Subject"]


class NoticeKind(StrEnum):
    """What happened. Each kind has a page in `docs/runbooks.md`."""

    NEW_CAMPAIGN = "new_campaign"
    STEP_WAITING = "step_waiting"
    APPEAL_NEAR_LIMIT = "appeal_near_limit"
    BLAST_RADIUS_REACHED = "blast_radius_reached"
    SNAPSHOT_STALE = "snapshot_stale"
    INGEST_SILENT = "ingest_silent"
    QUARANTINE_RISING = "quarantine_rising"
    DRIFT_RISING = "drift_rising"

    @property
    def sentence(self) -> str:
        """What it means, in words that quote nothing."""
        return _SENTENCES[self]

    @property
    def is_told_once(self) -> bool:
        """Whether it is an event; a state that lasts is told again every day."""
        return self in (NoticeKind.NEW_CAMPAIGN, NoticeKind.BLAST_RADIUS_REACHED)

    @property
    def runbook(self) -> str:
        """The heading in `docs/runbooks.md` that says what to do."""
        return self.value.replace("_", "-")


_SENTENCES = {
    NoticeKind.NEW_CAMPAIGN: "A scan found a campaign that no scan before had found.",
    NoticeKind.STEP_WAITING: "A step waits for a second person's approval.",
    NoticeKind.APPEAL_NEAR_LIMIT: "An appeal has waited almost as long as it may.",
    NoticeKind.BLAST_RADIUS_REACHED: "A policy wanted more steps than its limit allows.",
    NoticeKind.SNAPSHOT_STALE: "The snapshot of verdicts has not been made anew in time.",
    NoticeKind.INGEST_SILENT: "Nothing has come into the lake for too long.",
    NoticeKind.QUARANTINE_RISING: "More rows than usual cannot be read and are quarantined.",
    NoticeKind.DRIFT_RISING: "The log no longer looks as it did: a column has emptied or filled.",
}

Subject = str
"""An id of ours (a campaign, an action, an appeal) or the name of a part. Never a customer's text,
never an account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that people are told once.

    Attributes:
        notice_id: 32 hexadecimal digits; a receiver that gets one twice drops the second.
        figures: Numbers that belong to it, by name with their unit.
    """

    notice_id: str
    kind: NoticeKind
    subject: Subject
    raised_at: datetime
    figures: Mapping[str, float]

    @classmethod
    def raised(
        cls, kind: NoticeKind, subject: Subject, *, now: datetime, **figures: float
    ) -> Notice:
        """A new notice."""
        return cls(
            notice_id=uuid.uuid4().hex,
            kind=kind,
            subject=subject,
            raised_at=now.astimezone(UTC),
            figures=figures,
        )

    @property
    def key(self) -> str:
        """Equal for two notices about the same thing."""
        return f"{self.kind.value}:{self.subject}"

    def as_json(self) -> dict[str, Any]:
        """What a webhook is sent, and the spool keeps."""
        return {
            "notice_id": self.notice_id,
            "kind": self.kind.value,
            "subject": self.subject,
            "raised_at": self.raised_at.isoformat(),
            "text": self.kind.sentence,
            "runbook": self.kind.runbook,
            "figures": dict(self.figures),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Notice:
        """The notice of `as_json`.

        Raises:
            ValueError, KeyError, TypeError: It is none.
        """
        return cls(
            notice_id=str(kept["notice_id"]),
            kind=NoticeKind(kept["kind"]),
            subject=str(kept["subject"]),
            raised_at=datetime.fromisoformat(kept["raised_at"]),
            figures={str(name): float(value) for name, value in kept["figures"].items()},
        )
