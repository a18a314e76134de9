"""Which steps each adapter can do where it stands; tests hold each to its real gateway.

A step that an adapter cannot do falls to the next milder one it can, never to a harder one.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from stillwatch.records.actions import Step

__all__ = ["POSSIBLE", "Adapter"]


class Adapter(StrEnum):
    """Through which door a gateway asks."""

    ENVOY_GRPC = "envoy_grpc"
    ENVOY_HTTP = "envoy_http"
    ENVOY_PROCESSING = "envoy_processing"
    AUTH_REQUEST = "auth_request"
    """nginx's `auth_request`, and Caddy's `forward_auth`."""
    LITELLM_GENERIC = "litellm_generic"
    LITELLM_CUSTOM = "litellm_custom"
    DECIDE = "decide"
    """A gateway of somebody's own, which asks in JSON."""
    ASGI = "asgi"


# Who is asked before the request goes on never sees the answer: nothing can be withheld.
_BEFORE_THE_ANSWER = frozenset(Step) - {Step.WITHHOLD}

POSSIBLE: Mapping[Adapter, frozenset[Step]] = MappingProxyType(
    {
        Adapter.ENVOY_GRPC: _BEFORE_THE_ANSWER,
        Adapter.ENVOY_HTTP: _BEFORE_THE_ANSWER,
        Adapter.ENVOY_PROCESSING: frozenset(Step),
        Adapter.AUTH_REQUEST: _BEFORE_THE_ANSWER,
        # All its refusals are 400; it has no mark to leave, and sees the text of answers alone.
        Adapter.LITELLM_GENERIC: frozenset({Step.OBSERVE, Step.VERIFY, Step.THROTTLE, Step.BLOCK}),
        # It tags the request, and refuses with 403 and 429. Answers pass it as LiteLLM's objects,
        # of which another version has others.
        Adapter.LITELLM_CUSTOM: _BEFORE_THE_ANSWER,
        # It is told which countermeasures there are, and says beforehand what it can do.
        Adapter.DECIDE: frozenset(Step),
        Adapter.ASGI: frozenset(Step),
    }
)
