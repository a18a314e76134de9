"""Honest owners' own work: their templates, documents and system texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from stillwatch.simulation.text.grammar import Draw, Piece, compile_pattern
from stillwatch.simulation.text.owners import book_of_owner
from stillwatch.simulation.text.packaged import RealPrompt, RealPrompts
from stillwatch.simulation.text.phrasebook import Phrasebook
from stillwatch.simulation.text.tool_prompts import filled_tool_prompt
from stillwatch.simulation.text.words import WorkKind

__all__ = ["owner_prompts", "owner_system"]

_WORDED_ANEW = frozenset(
    {
        WorkKind.DEVELOPER,
        WorkKind.AGENT_PUBLIC_SYSTEM,
        WorkKind.HACKATHON,
        WorkKind.ENTERPRISE_SEAT,
        WorkKind.NICHE_APP,
        WorkKind.MCP_SERVER,
        WorkKind.SDK_DEFAULT,
        WorkKind.RETURNING_CHAT,
        WorkKind.NOTEBOOK_USER,
        WorkKind.ROUTER_CLIENT,
        WorkKind.PROMPT_OPTIMISER,
        WorkKind.RED_TEAM_VENDOR,
    }
)
"""Kinds without a template: each prompt is worded on its own, in the owner's vocabulary."""

_PUBLIC_TEXT = frozenset({WorkKind.VIRAL_PROMPT, WorkKind.TUTORIAL_READER})
"""Kinds whose template is public: `owner` names the text, and senders fill it as strangers do."""

_OF_PUBLIC_LISTS = frozenset(
    {WorkKind.EVALUATION_LAB, WorkKind.CONTAMINATION_CHECK, WorkKind.REASONING_STUDY}
)
_MIXED_BY_AGGREGATOR = (
    WorkKind.RETURNING_CHAT,
    WorkKind.DEVELOPER,
    WorkKind.ENTERPRISE_SEAT,
    WorkKind.SUPPORT_BOT,
    WorkKind.AGENCY,
    WorkKind.CATALOGUE,
)
_CUSTOMERS_OF_AGGREGATOR = 40
_CLIENTS_OF_AGENCY = 30
# Synthetic-data teams that use a public tool's prompt instead of one of their own.
_USES_PUBLIC_TOOL = 0.4


def owner_prompts(
    book: Phrasebook,
    prompts: RealPrompts,
    kind: WorkKind,
    count: int,
    draw: Draw,
    *,
    owner: int,
) -> list[str]:
    """`count` prompts of one honest owner; `book` is the owner's language in its half."""
    if kind is WorkKind.AGGREGATOR:
        return _aggregated(book, prompts, count, draw, owner=owner)
    choose = Random(f"{kind}:{owner}").random
    patterns = book.pools[f"work.{kind}"]
    own = _book(book, kind, owner, choose)
    if kind in _WORDED_ANEW:
        return [own.fill(patterns[int(draw() * len(patterns))], draw) for _ in range(count)]
    pattern = patterns[int(choose() * len(patterns))]
    if kind in _PUBLIC_TEXT:
        return [book.fill(pattern, draw) for _ in range(count)]
    if kind is WorkKind.SYNTHETIC_DATA_TEAM and choose() < _USES_PUBLIC_TOOL and prompts.wrappers:
        tool = prompts.wrappers[int(choose() * len(prompts.wrappers))].text
        return [filled_tool_prompt(tool, own, "passage", draw) for _ in range(count)]
    template = compile_pattern(own.fill(pattern, choose))
    if kind in _OF_PUBLIC_LISTS:
        whole = kind is WorkKind.EVALUATION_LAB
        return list(_over_lists(own, prompts, template, count, draw, choose, whole=whole))
    return [own.fill(template, draw) for _ in range(count)]


def owner_system(book: Phrasebook, kind: WorkKind, *, owner: int) -> str | None:
    """The system text an owner sends with every prompt of this kind, or None."""
    name = f"system.{kind}"
    if name not in book:
        return None
    choose = Random(f"system:{kind}:{owner}").random
    return book_of_owner(book, owner).say(name, choose)


def _book(book: Phrasebook, kind: WorkKind, owner: int, choose: Draw) -> Phrasebook:
    own = book_of_owner(book, owner)
    if kind is WorkKind.AGENCY:
        companies = [book.say("company", choose) for _ in range(_CLIENTS_OF_AGENCY)]
        products = [book.say("product", choose) for _ in range(3 * _CLIENTS_OF_AGENCY)]
        return own.narrowed(company=companies, product=products)
    if kind is WorkKind.PROMPT_PACK:
        # Buyers share the pack's wording (the owner is the pack) and bring their own business.
        return book
    if kind is WorkKind.PROMPT_OPTIMISER:
        return own.narrowed(opt_goal=[own.say("opt_goal", choose)])
    if kind is WorkKind.RED_TEAM_VENDOR:
        return own.narrowed(redteam_wish=[own.say("redteam_wish", choose) for _ in range(3)])
    return own


def _aggregated(
    book: Phrasebook, prompts: RealPrompts, count: int, draw: Draw, *, owner: int
) -> list[str]:
    """What many unrelated customers send through one account, interleaved."""
    texts: list[str] = []
    while len(texts) < count:
        customer = int(draw() * _CUSTOMERS_OF_AGGREGATOR)
        kind = _MIXED_BY_AGGREGATOR[customer % len(_MIXED_BY_AGGREGATOR)]
        if f"work.{kind}" not in book:
            kind = WorkKind.RETURNING_CHAT
        many = min(count - len(texts), 1 + int(draw() * 8))
        identity = owner * _CUSTOMERS_OF_AGGREGATOR + customer
        texts += owner_prompts(book, prompts, kind, many, draw, owner=identity)
    order = sorted(range(count), key=[draw() for _ in range(count)].__getitem__)
    return [texts[at] for at in order]


def _over_lists(
    book: Phrasebook,
    prompts: RealPrompts,
    template: Piece,
    count: int,
    draw: Draw,
    choose: Draw,
    *,
    whole: bool,
) -> Iterator[str]:
    """The list's items in order: from its beginning for a whole run, else from anywhere."""
    items = _public_list(prompts, choose)
    start = 0 if whole else int(draw() * len(items))
    for at in range(count):
        item = items[(start + at) % len(items)].text
        filled = book.narrowed(item=[item], half_item=[item[: len(item) // 2]])
        yield filled.fill(template, draw)


def _public_list(prompts: RealPrompts, choose: Draw) -> Sequence[RealPrompt]:
    """A benchmark as a laboratory would run it: one large list, or several small ones in a row."""
    names = sorted(prompts.lists)
    first = int(choose() * len(names))
    items: list[RealPrompt] = []
    for at in range(len(names)):
        items += prompts.lists[names[(first + at) % len(names)]]
        if len(items) >= 400:
            break
    return items
