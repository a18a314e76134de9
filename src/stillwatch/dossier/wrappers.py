"""A campaign's prompt wrappers as a reader may see them: fixed parts, slots and a few examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from stillwatch.dossier.hostile_text import visible
from stillwatch.signals.slots import PromptFamily, mask_personal_data, recover_template

__all__ = ["Example", "Piece", "SamplePrompt", "Wrapper", "describe_wrappers"]

_EXAMPLES = 3
_SLOT_CHARACTERS = 280
_PART_CHARACTERS = 1_200
# Of a prompt as long as a book, the two ends are read: wrappers stand there.
_HEAD_CHARACTERS, _TAIL_CHARACTERS = 30_000, 10_000
# Wording that two accounts share may still be one customer's own text, forwarded once.
_ACCOUNTS_FOR_A_WRAPPER = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplePrompt:
    """A prompt attributed to the campaign.

    Attributes:
        may_be_shown: Its text may be quoted: the account is an operator's and has no
            customers of its own. Other accounts' prompts only help to find the wrapper.
    """

    exchange_id: str
    account_id: str
    started_at: datetime
    may_be_shown: bool
    system_text: str
    input_text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a prompt: fixed wording, or slot number `slot` and what fills it."""

    text: str
    slot: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt with its slots told apart, personal data masked."""

    exchange_id: str
    account_id: str
    started_at: datetime
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapper:
    """One wrapper.

    Attributes:
        field: `prompt` or `system instructions`.
        pieces: Fixed parts and empty slots, in order.
        prompts, accounts: How many of the sampled prompts, of how many accounts, fit.
        coverage: Share of the sampled prompts that fit.
        examples: Empty if no prompt may be shown.
    """

    field: str
    pieces: tuple[Piece, ...]
    prompts: int
    accounts: int
    coverage: float
    examples: tuple[Example, ...]


def describe_wrappers(prompts: Sequence[SamplePrompt]) -> tuple[Wrapper, ...]:
    """The wrappers of the sampled prompts, those of system instructions after those of prompts."""
    described = []
    for field, texts in (
        ("prompt", [prompt.input_text for prompt in prompts]),
        ("system instructions", [prompt.system_text for prompt in prompts]),
    ):
        kept = [(p, text) for p, text in zip(prompts, texts, strict=True) if text.strip()]
        # Masked first: a secret that runs from a fixed part into a slot is whole only here.
        recovered = recover_template([mask_personal_data(_clipped(text)) for _, text in kept])
        owners = [prompt for prompt, _ in kept]
        for family in recovered.families:
            if len({owners[i].account_id for i in family.prompts}) >= _ACCOUNTS_FOR_A_WRAPPER:
                described.append(_describe(field, family, owners))
    return tuple(described)


def _describe(field: str, family: PromptFamily, owners: Sequence[SamplePrompt]) -> Wrapper:
    open_slots = family.open_slots
    number = 0
    pieces = []
    for position, is_open in enumerate(open_slots):
        if is_open:
            number += 1
            pieces.append(Piece("", number))
        if position < len(family.fixed):
            pieces.append(Piece(_shown(family.fixed[position], _PART_CHARACTERS)))
    return Wrapper(
        field=field,
        pieces=tuple(pieces),
        prompts=len(family.prompts),
        accounts=len({owners[i].account_id for i in family.prompts}),
        coverage=family.coverage,
        examples=_examples(family, owners) if any(open_slots) else (),
    )


def _examples(family: PromptFamily, owners: Sequence[SamplePrompt]) -> tuple[Example, ...]:
    """The first prompts that may be shown, each of another account and with another filling."""
    examples: list[Example] = []
    accounts, fillings = set(), set()
    for prompt, filling in zip(family.prompts, family.slots, strict=True):
        owner = owners[prompt]
        if not owner.may_be_shown or owner.account_id in accounts or filling in fillings:
            continue
        accounts.add(owner.account_id)
        fillings.add(filling)
        examples.append(
            Example(owner.exchange_id, owner.account_id, owner.started_at, _filled(family, filling))
        )
        if len(examples) == _EXAMPLES:
            break
    return tuple(examples)


def _filled(family: PromptFamily, filling: Sequence[str]) -> tuple[Piece, ...]:
    pieces = []
    number = 0
    for position, is_open in enumerate(family.open_slots):
        if is_open:
            number += 1
            pieces.append(Piece(_shown(filling[position], _SLOT_CHARACTERS), number))
        if position < len(family.fixed):
            pieces.append(Piece(_shown(family.fixed[position], _PART_CHARACTERS)))
    return tuple(pieces)


def _clipped(text: str) -> str:
    if len(text) <= _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        return text
    return f"{text[:_HEAD_CHARACTERS]} […] {text[-_TAIL_CHARACTERS:]}"


def _shown(text: str, characters: int) -> str:
    if len(text) > characters:
        text = f"{text[: characters * 3 // 4]} […] {text[-characters // 4 :]}"
    return visible(text, keep_lines=True)
