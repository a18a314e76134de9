"""The exchanges that were played through LiteLLM's proxy when its fixtures were recorded."""

from __future__ import annotations

_OK = {
    "model": "gpt-4o",
    "endpoint": "chat",
    "prefill": False,
    "turn_index": 0,
    "status": "ok",
    "stop_reason": "stop",
}
_ADA = {
    "account_id": "account-ada",
    "credential_sha256": "b1e9c89c07a448139f59b00f2aaa3e5518ab8348331fa324e507ef429907d53a",
    "client_ip_raw": "203.0.113.7",
    "user_agent": "weaver-sdk/3.1",
}
_LOCAL = {"client_ip_raw": "127.0.0.1", "user_agent": "Python-urllib/3.11"}
_BO = {
    **_LOCAL,
    "account_id": "account-bo",
    "credential_sha256": "d7fdd0549bb12d44e3b9634a844e127c83293e03ccc97f558532f7dc9c4820d3",
}
# This customer has a team and no user: the team is billed.
_CY = {
    **_LOCAL,
    "account_id": "team-south",
    "credential_sha256": "677f7930fd0e95c400c98eae12517889647e0a0a62afebc388a50307d031f0d3",
}
_FAILED = {key: value for key, value in _OK.items() if key != "stop_reason"}
PLAIN = {
    **_OK,
    **_ADA,
    "system_text": "Answer in one sentence.",
    "input_text": "Why is the sea salty?",
    "output_text": "Rivers carry dissolved minerals into it.",
    "input_tokens": 10,
    "output_tokens": 20,
    "max_output_tokens": 64,
    "temperature": 0.2,
}
EXPECTED = [
    PLAIN,
    {
        **_OK,
        **_ADA,
        "conversation_id": "conversation-5",
        "turn_index": 1,
        "system_text": "Answer in one sentence.",
        "input_text": "And why are rivers not?",
        "earlier_messages": ["Why is the sea salty?", "Rivers carry dissolved minerals into it."],
        "output_text": "They are renewed by rain.",
        "input_tokens": 10,
        "output_tokens": 20,
        "end_user_raw": "end-user-17",
        "client_metadata_raw": {"batch": "spring"},
    },
    {
        **_OK,
        **_BO,
        "input_text": "When is high tide in Bergen?",
        "output_text": 'look_up_tide({"harbour":"Bergen"})',
        "stop_reason": "tool_calls",
        "tool_names": ["look_up_tide"],
        "input_tokens": 17,
        "output_tokens": 2,
        "settings": {"n": 1, "top_p": 0.9, "seed": 7, "logprobs": 3, "reasoning_effort": None},
    },
    {
        **_OK,
        **_BO,
        "input_text": "Name three winds.",
        "output_text": "\n2. Bora\n3. Mistral",
        "prefill": True,
        "input_tokens": 10,
        "output_tokens": 20,
    },
    {
        **_OK,
        **_BO,
        "input_text": "Count to three.",
        "output_text": "One two three.",
        "input_tokens": 6,
        "output_tokens": 3,
        "reasoning_tokens": 0,
    },
    {
        **_FAILED,
        **_CY,
        "status": "rate_limited",
        "input_text": "Am I too fast?",
        "input_tokens": 0,
        "output_tokens": 0,
    },
    {
        **_FAILED,
        **_BO,
        "status": "error",
        "input_text": "Fall.",
        "input_tokens": 0,
        "output_tokens": 0,
    },
    {
        **_OK,
        **_BO,
        "endpoint": "responses",
        "system_text": "Be brief.",
        "input_text": "What is dew?",
        "output_text": "An answer.",
        "stop_reason": "completed",
        "input_tokens": 3,
        "output_tokens": 2,
        "reasoning_tokens": 0,
    },
]
