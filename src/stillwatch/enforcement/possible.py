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
    """What stands between a gateway and the decision."""

    ASGI = "asgi"
    LITELLM_GENERIC = "litellm_generic"
    LITELLM_CUSTOM = "litellm_custom"


POSSIBLE: Mapping[Adapter, frozenset[Step]] = MappingProxyType(
    {
        Adapter.ASGI: frozenset(Step),
        # All its refusals are 400; it has no mark to leave, and sees the text of answers alone.
        Adapter.LITELLM_GENERIC: frozenset({Step.OBSERVE, Step.VERIFY, Step.THROTTLE, Step.BLOCK}),
        # It tags the request, and refuses with 403 and 429. Answers pass it as LiteLLM's objects,
        # of which another version has others.
        Adapter.LITELLM_CUSTOM: frozenset(Step) - {Step.WITHHOLD},
    }
)
