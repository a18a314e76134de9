"""Line charts as SVG: recall against a dial, a size, a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

__all__ = ["lines"]

_WIDTH, _HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 150, 34, 44
# Told apart without colour, too: each line has marks and dashes of its own.
_INKS = ("#1b6ca8", "#b5541c", "#3d7f3d", "#7a4fa3", "#8a6d00", "#555555")
_DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4")

Points = Sequence[tuple[float, float | None]]


def lines(
    title: str,
    series: Mapping[str, Points],
    *,
    x: str,
    y: str,
    top: float = 1.0,
    logarithmic: bool = False,
    ticks: Sequence[float] = (),
) -> str:
    """A chart with one line a series; a point whose value is None is left out.

    Args:
        title: What it shows; also its text alternative, with every figure.
        series: By name, the points in order of x.
        x: What the horizontal axis is.
        y: What the vertical axis is.
        top: Greatest value of the vertical axis, which begins at 0.
        logarithmic: Whether x is drawn by its logarithm.
        ticks: Where the horizontal axis has marks; at every point if absent.
    """
    values = sorted({a for points in series.values() for a, _ in points} | set(ticks))
    place = _scale(values, logarithmic)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="11">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(_in_words(series))}</desc>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
        _label(title, _LEFT, 18, size=13),
        *_axes(place, ticks or values, x=x, y=y, top=top),
    ]
    for number, (name, points) in enumerate(series.items()):
        ink = _INKS[number % len(_INKS)]
        known = [(place(a), _height(b, top)) for a, b in points if b is not None]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in known)
        dash = _DASHES[number % len(_DASHES)]
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="1.8" '
            f'stroke-dasharray="{dash}"/>'
        )
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.6" fill="{ink}"/>' for a, b in known]
        height = _TOP + 10 + 17 * number
        start = _WIDTH - _RIGHT + 10
        parts.append(
            f'<line x1="{start}" x2="{start + 22}" y1="{height}" y2="{height}" stroke="{ink}" '
            f'stroke-width="1.8" stroke-dasharray="{dash}"/>'
        )
        parts.append(_label(name, start + 27, height + 4))
    return "\n".join([*parts, "</svg>"]) + "\n"


class _scale:  # noqa: N801 - a function with a memory
    def __init__(self, values: Sequence[float], logarithmic: bool) -> None:
        self._by = math.log10 if logarithmic else float
        low, high = self._by(values[0]) if values else 0.0, self._by(values[-1]) if values else 1.0
        self._low, self._span = low, (high - low) or 1.0

    def __call__(self, value: float) -> float:
        part = (self._by(value) - self._low) / self._span
        return _LEFT + part * (_WIDTH - _LEFT - _RIGHT)


def _height(value: float, top: float) -> float:
    return _HEIGHT - _BOTTOM - min(value / top, 1.0) * (_HEIGHT - _TOP - _BOTTOM)


def _axes(place: _scale, ticks: Sequence[float], *, x: str, y: str, top: float) -> list[str]:
    right, floor = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = []
    for step in range(6):
        value = top * step / 5
        height = _height(value, top)
        parts.append(
            f'<line x1="{_LEFT}" x2="{right}" y1="{height:.1f}" y2="{height:.1f}" stroke="#dddddd"/>'
        )
        parts.append(_label(f"{value:g}", _LEFT - 6, height + 4, anchor="end"))
    for tick in ticks:
        parts.append(_label(f"{tick:,g}", place(tick), floor + 16, anchor="middle"))
    parts.append(_label(x, (_LEFT + right) / 2, _HEIGHT - 8, anchor="middle"))
    parts.append(
        f'<text x="14" y="{(_TOP + floor) / 2:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(_TOP + floor) / 2:.0f})">{escape(y)}</text>'
    )
    return parts


def _label(
    words: str, x: float, y: float, *, anchor: str = "start", size: int | None = None
) -> str:
    larger = f' font-size="{size}"' if size else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{larger}>{escape(words)}</text>'


def _in_words(series: Mapping[str, Points]) -> str:
    told = []
    for name, points in series.items():
        figures = ", ".join(f"{b:.3g} at {a:g}" for a, b in points if b is not None)
        told.append(f"{name}: {figures or 'nothing measured'}")
    return ". ".join(told)
