"""What a refused customer is answered: the provider's own error JSON, a reference, no reason.

The reason would tell a campaign what gave it away; the reference says nothing, and lets an honest
customer appeal. Clients know these errors: none of the statuses but 429 makes them try again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

from stillwatch.enforcement.asking import Decision
from stillwatch.records import InputError
from stillwatch.records.actions import Step

__all__ = [
    "REFERENCE_HEADER",
    "ErrorShape",
    "Refusal",
    "Wording",
    "model_refusal",
    "reasoning_refusal",
    "refusal_of",
    "shape_of",
]

REFERENCE_HEADER = "x-refusal-reference"
# Of a throttled request whose budget says no better; clients wait no longer than this by themselves.
_RETRY_SECONDS = 60
_PLACEHOLDER = "{reference}"
_ANTHROPIC_PATH = re.compile(r"/v1/messages(?:[/?]|$)")


class ErrorShape(StrEnum):
    """Whose error JSON a client expects."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What refusals say, in the operator's words; `{reference}` stands for the reference.

    Raises:
        InputError: A text leaves the reference out, so that nobody could appeal.
    """

    blocked: str = (
        "This request is not allowed. If you think that this is a mistake, appeal with the"
        " reference {reference}."
    )
    throttled: str = (
        "Rate limit reached. Try again later, or ask for more with the reference {reference}."
    )
    unverified: str = (
        "Your account must be verified before it can be used. Start with the reference {reference}."
    )
    model_unavailable: str = (
        "The model does not exist or you do not have access to it. Ask for access with the"
        " reference {reference}."
    )
    reasoning_refused: str = (
        "The reasoning in this request was not made for it: leave it out and send the request"
        " again. If you think that this is a mistake, appeal with the reference {reference}."
    )

    def __post_init__(self) -> None:
        for field in fields(self):
            if _PLACEHOLDER not in getattr(self, field.name):
                raise InputError(
                    "A refusal must show its reference.",
                    where=f"the wording {field.name}",
                    remedy=f"Put {_PLACEHOLDER} into the text, where the reference shall stand.",
                )


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of HTTP in place of the model's.

    Attributes:
        headers: Lower-case names; Content-Type among them, Content-Length not.
        message, code: What the body says, for adapters that cannot send a body.
    """

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]
    message: str
    code: str


@dataclass(frozen=True, slots=True)
class _Kind:
    """How both providers call one kind of error."""

    status: int
    openai_type: str
    openai_code: str
    anthropic_type: str


_BLOCKED = _Kind(403, "request_forbidden", "access_restricted", "permission_error")
_UNVERIFIED = _Kind(403, "request_forbidden", "verification_required", "permission_error")
_THROTTLED = _Kind(429, "requests", "rate_limit_exceeded", "rate_limit_error")
_NO_REASONING = _Kind(400, "invalid_request_error", "invalid_reasoning", "invalid_request_error")
_NO_MODEL = _Kind(404, "invalid_request_error", "model_not_found", "not_found_error")


def shape_of(path: str, headers: Mapping[str, str]) -> ErrorShape:
    """Whose errors the client of a request expects; OpenAI's where nothing speaks for another.

    Args:
        path: With or without a query, and with any prefix before the provider's own path.
        headers: Lower-case names.
    """
    if "anthropic-version" in headers or _ANTHROPIC_PATH.search(path):
        return ErrorShape.ANTHROPIC
    return ErrorShape.OPENAI


def refusal_of(
    decision: Decision, shape: ErrorShape, *, wording: Wording | None = None
) -> Refusal | None:
    """The answer that a decision asks for; None where the request goes on to the model."""
    if not decision.is_refused:
        return None
    wording = wording or Wording()
    reference = decision.reference or ""
    if decision.step is Step.THROTTLE:
        seconds = decision.retry_after_seconds or _RETRY_SECONDS
        headers = (("retry-after", str(seconds)),)
        return _refusal(_THROTTLED, wording.throttled, reference, shape=shape, headers=headers)
    if decision.step is Step.VERIFY:
        return _refusal(_UNVERIFIED, wording.unverified, reference, shape=shape)
    return _refusal(_BLOCKED, wording.blocked, reference, shape=shape)


def model_refusal(
    reference: str | None, shape: ErrorShape, *, wording: Wording | None = None
) -> Refusal:
    """The answer to a request for a model that is too new for who asks."""
    text = (wording or Wording()).model_unavailable
    return _refusal(_NO_MODEL, text, reference or "", shape=shape)


def reasoning_refusal(
    reference: str | None, shape: ErrorShape, *, wording: Wording | None = None
) -> Refusal:
    """The answer to a request with reasoning of another account, conversation or model."""
    text = (wording or Wording()).reasoning_refused
    return _refusal(_NO_REASONING, text, reference or "", shape=shape)


def _refusal(
    kind: _Kind,
    text: str,
    reference: str,
    *,
    shape: ErrorShape,
    headers: tuple[tuple[str, str], ...] = (),
) -> Refusal:
    message = text.replace(_PLACEHOLDER, reference)
    return Refusal(
        kind.status,
        json.dumps(_error(kind, message, shape), ensure_ascii=False).encode(),
        (("content-type", "application/json"), *headers, (REFERENCE_HEADER, reference)),
        message,
        kind.openai_code,
    )


def _error(kind: _Kind, message: str, shape: ErrorShape) -> dict[str, object]:
    if shape is ErrorShape.ANTHROPIC:
        # The type alone does not tell what a person can do about it.
        error = {"type": kind.anthropic_type, "message": message, "code": kind.openai_code}
        return {"type": "error", "error": error}
    return {
        "error": {
            "message": message,
            "type": kind.openai_type,
            "param": None,
            "code": kind.openai_code,
        }
    }
