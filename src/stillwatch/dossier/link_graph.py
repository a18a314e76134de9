"""The link graph: who is tied to whom, and by what."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import igraph
from markupsafe import Markup

from stillwatch.dossier.case import Case, MemberLink
from stillwatch.dossier.svg import WIDTH, element, picture, text
from stillwatch.dossier.words import amount, link_kind

__all__ = ["LinkGraph", "draw_link_graph"]

# More dots or lines than this cannot be told apart at the width of a page.
_ACCOUNTS_DRAWN = 80
_LINES_DRAWN = 240
# Four colours can be told apart by everybody; further kinds share the last, neutral one.
_COLOURED_KINDS = 4
_SIZE = float(WIDTH)
_MARGIN = 16.0


@dataclass(frozen=True, slots=True)
class LinkGraph:
    """The picture, the kinds with a colour of their own, and what had to be left out."""

    svg: Markup
    coloured_kinds: tuple[str, ...]
    accounts_drawn: int
    lines_drawn: int


def draw_link_graph(case: Case) -> LinkGraph:
    """Draw the members with the strongest links; the layout is the same on every run.

    Each pair is drawn once, in the colour of its strongest link.
    """
    numbers = {member["account_id"]: i + 1 for i, member in enumerate(case.members)}
    accounts = _strongest_accounts(case, list(numbers))
    pairs = _strongest_pairs(case.links, set(accounts))
    kinds = tuple(kind.kind for kind in case.link_kinds[:_COLOURED_KINDS])
    places = _layout(accounts, pairs)
    roles = {member["account_id"]: member["role"] for member in case.members}
    lines = [_line(link, places, kinds) for link in reversed(pairs)]
    dots = [_dot(a, numbers[a], roles[a], places[a], len(accounts)) for a in accounts]
    svg = picture(
        "link-graph",
        title="Links between the members",
        description=(
            f"{amount(len(accounts), 'account')} and {amount(len(pairs), 'linked pair')}; "
            + ", ".join(f"{link_kind(k.kind)}: {amount(k.pairs, 'pair')}" for k in case.link_kinds)
            + ". Numbers are those of the table of members."
        ),
        height=_SIZE,
        parts=[element("g", *lines, class_="links"), element("g", *dots, class_="accounts")],
    )
    return LinkGraph(svg, kinds, len(accounts), len(pairs))


def _strongest_accounts(case: Case, accounts: Sequence[str]) -> list[str]:
    weight: dict[str, float] = defaultdict(float)
    for link in case.links:
        weight[link.account_a] += link.log_lr
        weight[link.account_b] += link.log_lr
    chosen = set(sorted(accounts, key=lambda a: (-weight[a], a))[:_ACCOUNTS_DRAWN])
    return [account for account in accounts if account in chosen]


def _strongest_pairs(links: Sequence[MemberLink], accounts: set[str]) -> list[MemberLink]:
    best: dict[tuple[str, str], MemberLink] = {}
    for link in links:  # strongest first
        if link.account_a in accounts and link.account_b in accounts:
            best.setdefault((link.account_a, link.account_b), link)
    return list(best.values())[:_LINES_DRAWN]


def _layout(accounts: Sequence[str], pairs: Sequence[MemberLink]) -> dict[str, tuple[float, float]]:
    index = {account: i for i, account in enumerate(accounts)}
    graph = igraph.Graph(len(accounts), [(index[p.account_a], index[p.account_b]) for p in pairs])
    weights = [max(p.log_lr, 0.1) for p in pairs]
    # igraph draws from a generator of the whole process; it is given back as it was.
    igraph.set_random_number_generator(random.Random(0))
    try:
        if len(accounts) < 2:
            points = [(0.0, 0.0)] * len(accounts)
        else:
            start = graph.layout_circle()
            layout = graph.layout_fruchterman_reingold(
                weights=weights or None, niter=600, seed=start
            )
            points = [(float(x), float(y)) for x, y in layout.coords]
    finally:
        igraph.set_random_number_generator(random)
    return dict(zip(accounts, _fill(points), strict=True))


def _fill(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Stretch the layout to the picture. Distances mean nothing in it but "tied" and "not"."""
    scaled = []
    for axis in (0, 1):
        values = [point[axis] for point in points]
        low, span = min(values, default=0.0), max(values, default=0.0) - min(values, default=0.0)
        room = _SIZE - 2 * _MARGIN
        scaled.append([_MARGIN + room * ((v - low) / span if span > 1e-9 else 0.5) for v in values])
    return list(zip(*scaled, strict=True)) if points else []


def _line(link: MemberLink, places: dict[str, tuple[float, float]], kinds: Sequence[str]) -> Markup:
    (x1, y1), (x2, y2) = places[link.account_a], places[link.account_b]
    colour = kinds.index(link.kind) + 1 if link.kind in kinds else 0
    # Links carry colour and dash, for eyes that do not tell the colours apart.
    return element("line", class_=f"link kind-{colour}", x1=x1, y1=y1, x2=x2, y2=y2)


def _dot(account: str, number: int, role: str, place: tuple[float, float], accounts: int) -> Markup:
    x, y = place
    radius = 10.0 if accounts <= 40 else 8.0
    hover = element("title", f"{number}: {account} ({role})")
    label = text(str(number), x, y + radius * 0.36, kind="number", anchor="middle")
    if role == "mixed":
        r = radius * 1.15
        shape = element(
            "polygon",
            points=" ".join(
                f"{x + r * math.cos(t * math.pi / 2):.1f},{y + r * math.sin(t * math.pi / 2):.1f}"
                for t in range(4)
            ),
        )
    elif role == "compromised":
        shape = element(
            "rect", x=x - radius * 0.85, y=y - radius * 0.85, width=radius * 1.7,
            height=radius * 1.7,
        )  # fmt: skip
    else:
        shape = element("circle", cx=x, cy=y, r=radius)
    return element("g", hover, shape, label, class_=f"account {role}")
