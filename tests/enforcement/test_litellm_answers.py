"""What LiteLLM's guardrails are answered, from the JSON that version 1.106.2 posts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.enforcement.asking import Asked, Decision
from stillwatch.enforcement.litellm_answers import answer_guardrail, asked_of
from stillwatch.enforcement.possible import POSSIBLE, Adapter
from stillwatch.records.actions import Step

_HASH = "ab" * 32
_REFERENCE = "0123456789abcdef0123456789abcdef"
_SAID: dict[str, Any] = {
    "input_type": "request",
    "litellm_call_id": "call-1",
    "litellm_trace_id": "session-7",
    "structured_messages": [
        {"role": "system", "content": "Answer in one line."},
        {"role": "user", "content": "Why is the sea salty?"},
    ],
    "texts": ["Why is the sea salty?"],
    "tools": [{"type": "function", "function": {"name": "look_up_tide"}}],
    "request_data": {"user_api_key_hash": _HASH, "user_api_key_user_id": "account-ada"},
    "request_headers": {
        "Authorization": "[present]",
        "User-Agent": "curl",
        "x-forwarded-for": "::1",
    },
    "model": "gpt-4o",
}
_BLOCKED = Decision(
    wanted=Step.BLOCK,
    step=Step.BLOCK,
    reference=_REFERENCE,
    group="campaign-tide",
    is_known=True,
    is_refused=True,
)


def test_the_request_is_read_as_the_log_will_be() -> None:
    """Hash of the key, account, session, model, system text and tools; no value that was hidden."""
    assert asked_of(_SAID) == Asked(
        headers={"user-agent": "curl", "x-forwarded-for": "::1"},
        credential_sha256=_HASH,
        account_id="account-ada",
        conversation_id="session-7",
        model="gpt-4o",
        system_text="Answer in one line.",
        tool_names=("look_up_tide",),
    )


def test_a_random_trace_is_no_conversation() -> None:
    """LiteLLM makes one for every request without a session."""
    said = _SAID | {"litellm_trace_id": "0f8fad5b-d9cb-469f-a165-70867728950e"}

    assert asked_of(said).conversation_id is None


def test_a_block_shows_the_reference_and_nothing_of_the_group() -> None:
    """The reason would tell a campaign what gave it away."""
    answer = answer_guardrail(_SAID, lambda asked, possible: _BLOCKED)

    assert answer.body["action"] == "BLOCKED"
    assert _REFERENCE in answer.body["blocked_reason"]
    assert "tide" not in str(answer.body)
    assert answer.call_id == "call-1"
    assert answer.decision is _BLOCKED


def test_a_throttle_says_when_to_come_again() -> None:
    """To our own guardrail, which can refuse with 429."""
    throttled = replace(_BLOCKED, step=Step.THROTTLE, retry_after_seconds=9)
    body = answer_guardrail(_SAID, lambda asked, possible: throttled).body

    assert body["enforcement"]["status"] == 429
    assert body["enforcement"]["retry_after_seconds"] == 9


def test_a_tag_lets_the_request_go_on() -> None:
    """With a mark, where the guardrail is ours."""
    tagged = Decision(wanted=Step.TAG, step=Step.TAG, is_known=True)

    assert answer_guardrail(_SAID, lambda asked, possible: tagged).body == {
        "action": "NONE",
        "enforcement": {"tag": True},
    }


def test_an_answer_that_has_begun_goes_out() -> None:
    """No decision is asked for, so that it costs the group's budget nothing."""
    asked: list[Asked] = []
    answer = answer_guardrail(
        _SAID | {"input_type": "response"},
        lambda one, possible: asked.append(one) or _BLOCKED,  # type: ignore[func-returns-value]
    )

    assert (answer.body, asked) == ({"action": "NONE"}, [])


@pytest.mark.parametrize(
    ("said", "adapter"),
    [
        (_SAID, Adapter.LITELLM_GENERIC),
        (_SAID | {"adapter": "litellm_custom"}, Adapter.LITELLM_CUSTOM),
        (_SAID | {"adapter": "envoy"}, Adapter.LITELLM_GENERIC),
    ],
)
def test_each_guardrail_is_decided_by_what_it_can_do(said: dict[str, Any], adapter: str) -> None:
    """LiteLLM's own can do less than ours."""
    told: list[frozenset[Step]] = []
    answer_guardrail(said, lambda asked, possible: told.append(possible) or Decision())  # type: ignore[func-returns-value]

    assert told == [POSSIBLE[Adapter(adapter)]]


def test_no_adapter_makes_a_step_harder() -> None:
    """What it cannot do falls to something milder, and `observe` can always be done."""
    for possible in POSSIBLE.values():
        assert Step.OBSERVE in possible
        assert all(step.within(possible).rank <= step.rank for step in Step)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(_SAID)), _JSON))
def test_whatever_is_posted_is_answered(said: dict[str, Any]) -> None:
    """What is malformed counts as unknown."""
    answer = answer_guardrail(said, lambda asked, possible: Decision())

    assert answer.body["action"] == "NONE"
