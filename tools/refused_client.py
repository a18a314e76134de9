"""Says what OpenAI's and Anthropic's own clients make of refusals; runs in `.venv-providers`.

Reads a plan on standard input, one JSON object a line: `url`, `api` (`chat`, `responses` or
`messages`), `stream` and `retries`. Prints for each what was raised, as `error`, `status` and
`message`, or `error` null where an answer came.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from anthropic import Anthropic, APIStatusError  # type: ignore[import-not-found,unused-ignore]
from openai import APIStatusError as OpenAIStatusError  # type: ignore[import-not-found,unused-ignore]
from openai import OpenAI

_SAID = [{"role": "user", "content": "Why is the sea salty?"}]


def main() -> None:
    """Play the plan."""
    for plan in (json.loads(line) for line in sys.stdin if line.strip()):
        print(json.dumps(_outcome(plan)), flush=True)


def _outcome(plan: dict[str, Any]) -> dict[str, Any]:
    try:
        answer = _asked(plan)
        if plan["stream"]:
            list(answer)
    except (APIStatusError, OpenAIStatusError) as error:
        said = error.body["error"] if error.body and "error" in error.body else error.body
        return {
            "error": type(error).__name__,
            "status": error.status_code,
            "message": said["message"],
            "reference": error.response.headers.get("x-refusal-reference"),
        }
    return {"error": None}


def _asked(plan: dict[str, Any]) -> Any:
    settings = {"api_key": plan.get("key", "sk-test"), "max_retries": plan["retries"]}
    stream = plan["stream"]
    if plan["api"] == "messages":
        client = Anthropic(base_url=plan["url"], **settings)
        return client.messages.create(
            model=plan.get("model", "m"), max_tokens=8, messages=_SAID, stream=stream
        )
    client = OpenAI(base_url=f"{plan['url']}/v1", **settings)
    if plan["api"] == "responses":
        return client.responses.create(model=plan.get("model", "m"), input="Why?", stream=stream)
    return client.chat.completions.create(
        model=plan.get("model", "m"), messages=_SAID, stream=stream
    )


if __name__ == "__main__":
    main()
