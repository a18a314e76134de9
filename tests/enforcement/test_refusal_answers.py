"""Refusals are errors that the providers' clients know; they show a reference and no reason."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from stillwatch.enforcement.answers import (
    REFERENCE_HEADER,
    ErrorShape,
    Wording,
    model_refusal,
    refusal_of,
    shape_of,
)
from stillwatch.enforcement.asking import Decision
from stillwatch.records import InputError
from stillwatch.records.actions import Step

_REFERENCE = "0123456789abcdef0123456789abcdef"
_BLOCKED = Decision(
    wanted=Step.BLOCK,
    step=Step.BLOCK,
    reference=_REFERENCE,
    group="campaign-tide",
    is_known=True,
    is_refused=True,
)
_THROTTLED = replace(_BLOCKED, step=Step.THROTTLE, retry_after_seconds=7)
_UNVERIFIED = replace(_BLOCKED, step=Step.VERIFY)


@pytest.mark.parametrize("shape", ErrorShape)
@pytest.mark.parametrize(
    ("decision", "status"), [(_BLOCKED, 403), (_THROTTLED, 429), (_UNVERIFIED, 403)]
)
def test_a_refusal_shows_its_reference_and_nothing_of_the_group(
    decision: Decision, status: int, shape: ErrorShape
) -> None:
    """In the message, where people look, and in a header, where programs do."""
    refusal = refusal_of(decision, shape)

    assert refusal is not None
    assert refusal.status == status
    assert dict(refusal.headers)[REFERENCE_HEADER] == _REFERENCE
    assert _REFERENCE in json.loads(refusal.body)["error"]["message"]
    assert b"tide" not in refusal.body


def test_only_a_throttled_request_is_told_when_to_come_again() -> None:
    """Clients try again after 429 alone."""
    refusals = [refusal_of(decision, ErrorShape.OPENAI) for decision in (_BLOCKED, _THROTTLED)]

    assert [dict(r.headers).get("retry-after") for r in refusals if r] == [None, "7"]


def test_a_request_that_is_not_refused_has_no_answer_of_ours() -> None:
    """Whatever step is wanted."""
    assert refusal_of(replace(_BLOCKED, is_refused=False), ErrorShape.OPENAI) is None


def test_each_shape_is_the_providers_own() -> None:
    """OpenAI's error has four fields, Anthropic's is typed twice."""
    openai, anthropic = (refusal_of(_UNVERIFIED, shape) for shape in ErrorShape)

    assert openai is not None
    assert anthropic is not None
    assert json.loads(openai.body)["error"].keys() == {"message", "type", "param", "code"}
    assert json.loads(openai.body)["error"]["code"] == "verification_required"
    assert json.loads(anthropic.body)["type"] == "error"
    assert json.loads(anthropic.body)["error"]["type"] == "permission_error"
    assert json.loads(anthropic.body)["error"]["code"] == "verification_required"


@pytest.mark.parametrize(
    ("path", "headers", "shape"),
    [
        ("/v1/chat/completions", {}, ErrorShape.OPENAI),
        ("/v1/messages", {}, ErrorShape.ANTHROPIC),
        ("/v1/messages?beta=true", {}, ErrorShape.ANTHROPIC),
        ("/anthropic/v1/messages/count_tokens", {}, ErrorShape.ANTHROPIC),
        ("/v1/models", {"anthropic-version": "2023-06-01"}, ErrorShape.ANTHROPIC),
        ("/v1/threads/t1/messages", {}, ErrorShape.OPENAI),
        ("/v1/messages-of-another", {}, ErrorShape.OPENAI),
        ("/invocations", {}, ErrorShape.OPENAI),
    ],
)
def test_the_shape_follows_path_and_headers(
    path: str, headers: dict[str, str], shape: ErrorShape
) -> None:
    """OpenAI's where nothing speaks for Anthropic's."""
    assert shape_of(path, headers) is shape


def test_a_model_that_is_kept_back_is_not_found() -> None:
    """With a reference, for this can be appealed like a block."""
    refusal = model_refusal(_REFERENCE, ErrorShape.OPENAI)

    assert refusal.status == 404
    assert json.loads(refusal.body)["error"]["code"] == "model_not_found"
    assert _REFERENCE in json.loads(refusal.body)["error"]["message"]


def test_the_text_is_the_operators() -> None:
    """Braces other than the reference's are text like any other."""
    wording = Wording(blocked="Нельзя {0} {reference}")
    refusal = refusal_of(_BLOCKED, ErrorShape.OPENAI, wording=wording)

    assert refusal is not None
    assert json.loads(refusal.body)["error"]["message"] == f"Нельзя {{0}} {_REFERENCE}"


def test_a_text_without_the_reference_is_refused() -> None:
    """Nobody could appeal."""
    with pytest.raises(InputError, match="reference"):
        Wording(throttled="Slow down.")
