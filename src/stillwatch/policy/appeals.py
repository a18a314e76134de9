"""Appeals: what a customer may send, what a person decides, and what the customer is told.

A customer has a reference and nothing else. Whatever is sent, the answers for a reference that
exists and for one that does not are the same, and no answer tells why a step was taken.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from stillwatch.records import InputError, StillwatchError
from stillwatch.records.actions import Step
from stillwatch.records.words import AccountId, CampaignId

__all__ = [
    "MILDER_STEPS",
    "MOST_CHARACTERS",
    "NO_DECISION",
    "Appeal",
    "AppealRules",
    "AppealState",
    "AppealsFullError",
    "Judgement",
    "PublicState",
    "checked_reference",
    "checked_text",
]

MOST_CHARACTERS = 4_000
"""Two pages: enough to explain oneself, and a thousand of them take a few megabytes."""

NO_DECISION = "no decision yet"
"""What is told of an appeal that is open, of one that was never made, and of a reference that never
was."""

MILDER_STEPS = (Step.TAG, Step.VERIFY, Step.THROTTLE)
"""What an appeal may be reduced to: a block is not mild, and `observe` would be overturning it."""

_REFERENCE = re.compile(r"[0-9a-f]{32}")
# As people copy it: in groups, with dashes, in capitals, with the quotes of an error message.
_AROUND = re.compile(r"[\s\-'\"`.]")
_LEAST_REASON = 10


class AppealsFullError(StillwatchError):
    """No appeal is taken at the moment, whoever sends it."""


class AppealState(StrEnum):
    """How far an appeal has come."""

    OPEN = "open"
    UPHELD = "upheld"
    """The step was right, and stays."""
    REDUCED = "reduced"
    """A milder step takes its place."""
    OVERTURNED = "overturned"
    """The step was wrong: all that was done to the account is lifted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealRules:
    """What customers and deciders are held to.

    Attributes:
        answered_within: How long an appeal may wait.
        reference_lasts: After an action's end, how long its reference still opens an appeal.
        most_open: Rows of open appeals; there cannot be more than references that live.
        most_of_reference: Appeals one after the other against the same action.
        text_kept: After the decision, how long the customer's words are kept.
    """

    answered_within: timedelta = timedelta(days=3)
    reference_lasts: timedelta = timedelta(days=30)
    most_open: int = 50_000
    most_of_reference: int = 3
    text_kept: timedelta = timedelta(days=180)


@dataclass(frozen=True, slots=True, kw_only=True)
class Appeal:
    """One appeal against one action.

    Attributes:
        appeal_id: 32 hexadecimal digits, not the reference: what notices and the audit log name.
        text: The customer's words; "" once they were erased.
        reason: The decider's, for colleagues. No customer ever sees it.
        reduced_to: The milder step; only of `reduced`.
        calibration_by: The approver who said that an overturned appeal may teach the detector.
    """

    appeal_id: str
    reference: str
    action_id: str
    campaign_id: CampaignId
    account_id: AccountId
    text: str
    submitted_at: datetime
    state: AppealState = AppealState.OPEN
    decided_at: datetime | None = None
    decided_by: str | None = None
    reason: str | None = None
    reduced_to: Step | None = None
    calibration_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a person decided.

    Raises:
        InputError: It is no decision, its reason says nothing, or the step and the state do not
            belong together.
    """

    state: AppealState
    reason: str
    reduced_to: Step | None = None

    def __post_init__(self) -> None:
        if self.state is AppealState.OPEN:
            raise _wrong("an appeal is decided, not opened again.", "--outcome")
        if len(self.reason.strip()) < _LEAST_REASON:
            raise _wrong(
                f"a reason of fewer than {_LEAST_REASON} characters explains nothing.", "--reason"
            )
        if len(self.reason) > MOST_CHARACTERS:
            raise _wrong(f"a reason has at most {MOST_CHARACTERS} characters.", "--reason")
        if (self.state is AppealState.REDUCED) != (self.reduced_to is not None):
            raise _wrong("a milder step belongs to `reduced`, and to nothing else.", "--to")
        if self.reduced_to is not None and self.reduced_to not in MILDER_STEPS:
            raise _wrong("an appeal is reduced to tag, verify or throttle.", "--to")


@dataclass(frozen=True, slots=True)
class PublicState:
    """What a customer is told of a reference.

    Attributes:
        state: `no decision yet`, or what was decided.
    """

    reference: str
    state: str = NO_DECISION
    decided_at: datetime | None = None

    @property
    def sentence(self) -> str:
        """The state in words; one of four, whatever the decider wrote."""
        return _SENTENCES[self.state]

    def as_dict(self) -> dict[str, str | None]:
        """The object that JSON shows."""
        return {
            "reference": self.reference,
            "state": self.state,
            "decided_at": self.decided_at.isoformat() if self.decided_at else None,
            "message": self.sentence,
        }


_SENTENCES = {
    NO_DECISION: "There is no decision yet.",
    AppealState.UPHELD: "A person has looked at the case again, and the measure stays.",
    AppealState.REDUCED: "A person has looked at the case again, and the measure is now milder.",
    AppealState.OVERTURNED: (
        "A person has looked at the case again, and the measure was lifted. We are sorry."
    ),
}


def checked_reference(given: str) -> str:
    """The reference as it is stored, however it was copied.

    Raises:
        InputError: It cannot be a reference; this says nothing of those there are.
    """
    reference = _AROUND.sub("", given[:128]).lower()
    if not _REFERENCE.fullmatch(reference):
        raise _wrong("a reference has 32 digits and letters from a to f.", "reference")
    return reference


def checked_text(given: str) -> str:
    """The customer's words, composed, without characters that hide or reorder others.

    Raises:
        InputError: There are none, or too many.
    """
    text = unicodedata.normalize("NFC", given.replace("\r\n", "\n").replace("\r", "\n"))
    text = "".join(
        c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Cn", "Co")
    ).strip()
    if not text:
        raise _wrong("say in a few words what happened.", "text")
    if len(text) > MOST_CHARACTERS:
        raise _wrong(f"the text has more than {MOST_CHARACTERS} characters.", "text")
    return text


def _wrong(what: str, where: str) -> InputError:
    return InputError(what, where=where, remedy="See docs/appeals.md.")
