"""What one sender sends in one manner, before it is written out as rows of the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from stillwatch.records import Target
from stillwatch.simulation.clients import Client
from stillwatch.simulation.frame import Ints
from stillwatch.simulation.internet import Origin
from stillwatch.simulation.text import AnswerStyle

__all__ = ["Labels", "Manner", "Traffic", "kept"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a client asks: what stays the same from request to request.

    Attributes:
        client: The software.
        style: What the answers look like.
        target: What is being collected, where the answers should look like it.
        system: System instructions, if they never change.
        temperature: As requested, or None for the default.
        max_output_tokens: As requested.
        settings: The contract's `settings` struct, or None where nothing was set.
        tools: Names of the tools offered.
        reasons: Answers carry a signed block of reasoning.
        carries_context: Requests carry files or documents that are not new user content.
        shares_prefix: Requests begin with the same long text and set a cache key for it.
        prefill: The client begins the answer.
        retention: `full` or `no_text`.
        refusals: Part of the requests that the model refuses.
        limits: Part of the requests that the rate limit stops.
    """

    client: Client
    style: AnswerStyle
    target: Target | None = None
    system: str | None = None
    temperature: float | None = None
    max_output_tokens: int | None = None
    settings: dict[str, object] | None = None
    tools: tuple[str, ...] = ()
    reasons: bool = False
    carries_context: bool = False
    shares_prefix: bool = False
    prefill: bool = False
    retention: str = "full"
    refusals: float = 0.008
    limits: float = 0.012


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """The truth about exchanges that serve a campaign."""

    campaign: str
    targets: list[str]
    items: list[str]


@dataclass(slots=True, kw_only=True)
class Traffic:
    """Exchanges of one credential in one manner.

    Turns of one conversation lie next to each other, in order. `None` in place of a list
    means that the usual value is worked out when the rows are written.
    """

    account_id: str
    credential_id: str
    manner: Manner
    started: Ints
    inputs: list[str]
    origins: list[Origin]
    models: list[str]
    systems: list[str | None]
    conversation: Ints | None = None
    turn: Ints | None = None
    statuses: list[str] | None = None
    outputs: list[str | None] | None = None
    issued: list[str | None] | None = None
    presented: list[list[str] | None] | None = None
    prefixes: list[list[str] | None] | None = None
    end_users: list[str | None] | None = None
    batches: list[str | None] | None = None
    labels: Labels | None = None


def kept(values: list[_T] | None, keep: Ints) -> list[_T] | None:
    """The values at the positions in `keep`."""
    if values is None or len(values) == len(keep):
        return values
    return [values[i] for i in keep.tolist()]
