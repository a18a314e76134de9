"""What a gateway says of a request, and what it is told: the words between core and adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stillwatch.records.actions import Countermeasure, Step

__all__ = ["Asked", "Decision"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as an adapter sees it. What an adapter cannot see is None.

    Attributes:
        headers: Lower-case names; of a name that came twice, the values joined by ", ".
        peer_address: Of the direct peer, as text; trusted hops are counted from it.
        credential_sha256: Lower-case hexadecimal, where the gateway knows only a hash of the key.
        account_id: Where the gateway itself names who is billed, as the log does.
        metadata: What the gateway itself knows of the request (Envoy's dynamic metadata, LiteLLM's
            record of the key), as nested mappings. Nothing that a client wrote may be in it.
        conversation_id, model, system_text, tool_names: From the body or the gateway's metadata.
    """

    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    path: str = "/"
    peer_address: str | None = None
    credential_sha256: str | None = None
    account_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    conversation_id: str | None = None
    model: str | None = None
    system_text: str | None = None
    tool_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What an adapter is told.

    Attributes:
        wanted: The step in the snapshot; `observe` where there is none.
        step: What is to be done here: `wanted`, or the next milder step this adapter can do, or
            a milder one still where the group's budget has room.
        reference: What a refusal shows (32 hexadecimal digits); also of `withhold`, which may refuse
            a model. None where nothing can be refused.
        retry_after_seconds: Of a throttled request that is refused.
        is_known: Whether who is asking was resolved to an account with a verdict.
        group: Whose budget it was.
        is_refused: Whether the request is answered by us instead of the model.
    """

    wanted: Step = Step.OBSERVE
    step: Step = Step.OBSERVE
    reference: str | None = None
    retry_after_seconds: int | None = None
    countermeasures: frozenset[Countermeasure] = frozenset()
    group: str | None = None
    is_known: bool = False
    is_refused: bool = False
