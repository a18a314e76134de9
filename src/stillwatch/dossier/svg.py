"""SVG elements as escaped text, and the axes that all pictures share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from stillwatch.dossier.hostile_text import visible

__all__ = ["Frame", "element", "nice_ticks", "picture", "text"]

WIDTH = 440


def element(name: str, *children: Markup | str, **attributes: object) -> Markup:
    """An element; text children and attribute values are escaped, control characters shown.

    An attribute such as `class_` or `text_anchor` loses its last and swaps its inner underscores.
    """
    parts = [
        f' {key.rstrip("_").replace("_", "-")}="{escape(visible(_plain(value)))}"'
        for key, value in attributes.items()
    ]
    inner = "".join(c if isinstance(c, Markup) else escape(visible(c)) for c in children)
    # Everything that is not markup of our own was escaped above.
    return Markup(f"<{name}{''.join(parts)}>{inner}</{name}>")  # noqa: S704


def _plain(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def text(words: str, x: float, y: float, *, kind: str = "label", anchor: str = "start") -> Markup:
    """A label; `kind` is a class of the style sheet."""
    return element("text", words, class_=kind, x=float(x), y=float(y), text_anchor=anchor)


def picture(
    name: str, *, title: str, description: str, height: float, parts: Sequence[Markup]
) -> Markup:
    """A whole picture with its text alternative. `name` is unique on the page."""
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        *parts,
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
        class_=f"picture {name}",
    )


def nice_ticks(greatest: float, *, count: int = 4) -> list[float]:
    """Round steps from 0 to `greatest` or just above: 0, 20, 40, 60."""
    if greatest <= 0:
        return [0.0, 1.0]
    rough = greatest / count
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= rough * 0.999)
    return [step * i for i in range(math.ceil(greatest / step - 1e-9) + 1)]


@dataclass(frozen=True, slots=True)
class Frame:
    """The drawing area of a picture: values in, coordinates out.

    Attributes:
        columns: Number of positions along the x axis.
        greatest: The value at the top of the y axis.
    """

    left: float
    top: float
    right: float
    bottom: float
    columns: int
    greatest: float

    def x(self, column: float) -> float:
        return self.left + (self.right - self.left) * column / max(1, self.columns)

    def y(self, value: float) -> float:
        return self.bottom - (self.bottom - self.top) * value / (self.greatest or 1)

    def grid(self, ticks: Sequence[tuple[float, str]]) -> list[Markup]:
        """Horizontal lines with their labels at the left; the lowest is the axis."""
        parts = []
        for value, label in ticks:
            y = self.y(value)
            kind = "axis" if value == 0 else "grid"
            parts.append(element("line", class_=kind, x1=self.left, x2=self.right, y1=y, y2=y))
            parts.append(text(label, self.left - 6, y + 4, kind="tick", anchor="end"))
        return parts

    def under(self, labels: Sequence[tuple[float, str]]) -> list[Markup]:
        """Labels below the x axis, each centred on its place but kept inside the picture."""
        parts = []
        for column, label in labels:
            x = self.x(column)
            anchor = "start" if x - self.left < 20 else "end" if self.right - x < 20 else "middle"
            parts.append(text(label, x, self.bottom + 18, kind="tick", anchor=anchor))
        return parts
