"""Pictures over time: exchanges and accounts, hours of the day, strength of evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup

from stillwatch.dossier.case import Activity, Case
from stillwatch.dossier.svg import WIDTH, Frame, element, nice_ticks, picture, text
from stillwatch.dossier.words import CLAUSES, amount, compact, day, figure, percent, power_of_ten

__all__ = ["draw_accounts", "draw_evidence", "draw_exchanges", "draw_hours", "hours_in_words"]

_LEFT, _TOP, _RIGHT, _BOTTOM, _HEIGHT = 44.0, 14.0, WIDTH - 8.0, 190.0, 216.0
# An e-value beyond this is beyond doubt for a reader; the axis ends here.
_GREATEST_DECADE = 12


def draw_exchanges(case: Case) -> Markup:
    """Exchanges of the campaign, one bar a step."""
    return _bars(case, "exchanges", [a.exchanges for a in case.activity])


def draw_accounts(case: Case) -> Markup:
    """Accounts active for the campaign, one bar a step."""
    return _bars(case, "accounts", [a.accounts for a in case.activity])


def _bars(case: Case, what: str, values: Sequence[int]) -> Markup:
    top = max(values, default=0)
    ticks = [t for t in nice_ticks(top) if t == int(t)]
    frame = Frame(_LEFT, _TOP, _RIGHT, _BOTTOM, len(values), ticks[-1])
    width = (frame.right - frame.left) / max(1, len(values))
    gap = min(2.0, width * 0.2)
    bars = [
        element(
            "rect",
            element("title", f"{_step(a.start, case.unit)}: {amount(v, what[:-1])}"),
            class_="bar",
            x=frame.x(i) + gap / 2,
            y=frame.y(v),
            width=max(width - gap, 0.3),
            height=frame.bottom - frame.y(v),
        )
        for i, (a, v) in enumerate(zip(case.activity, values, strict=True))
        if v
    ]
    name = "Active accounts" if what == "accounts" else "Exchanges"
    return picture(
        f"{what}-over-time",
        title=f"{name} of the campaign, by {case.unit}",
        description=_peak(case.activity, values, what, case.unit),
        height=_HEIGHT,
        parts=[
            *frame.grid([(t, compact(t)) for t in ticks]),
            *bars,
            *frame.under(_dates(case.activity, case.unit)),
        ],
    )


def _peak(activity: Sequence[Activity], values: Sequence[int], what: str, unit: str) -> str:
    if not values:
        return "The log no longer holds these exchanges."
    highest = max(range(len(values)), key=values.__getitem__)
    return (
        f"From {_step(activity[0].start, unit)} to {_step(activity[-1].start, unit)}; "
        f"most on {_step(activity[highest].start, unit)} with {amount(values[highest], what[:-1])}."
    )


def _step(start: datetime, unit: str) -> str:
    if unit == "hour":
        return f"{day(start)}, {start:%H}:00"
    return f"week of {day(start)}" if unit == "week" else day(start)


def _dates(activity: Sequence[Activity], unit: str) -> list[tuple[float, str]]:
    if not activity:
        return []
    places = range(0, len(activity), math.ceil(len(activity) / 5))
    if unit == "hour":
        return [(i + 0.5, f"{activity[i].start:%d %b %H:00}".lstrip("0")) for i in places[::2]]
    return [(i + 0.5, f"{activity[i].start:%d %b}".lstrip("0")) for i in places]


def draw_hours(case: Case) -> Markup:
    """The campaign's hours of the day as bars, those of all other traffic as a line."""
    ticks = nice_ticks(max(*case.hours, *case.honest_hours), count=3)
    frame = Frame(_LEFT, 40.0, _RIGHT, _BOTTOM, 24, ticks[-1])
    width = (frame.right - frame.left) / 24
    bars = [
        element(
            "rect",
            element(
                "title",
                f"{hour:02}:00 UTC: campaign {percent(share)}, "
                f"other traffic {percent(case.honest_hours[hour])}",
            ),
            class_="bar",
            x=frame.x(hour) + 1,
            y=frame.y(share),
            width=width - 2,
            height=frame.bottom - frame.y(share),
        )
        for hour, share in enumerate(case.hours)
    ]
    points = " ".join(
        f"{frame.x(h + 0.5):.1f},{frame.y(share):.1f}" for h, share in enumerate(case.honest_hours)
    )
    legend = [
        element("rect", class_="bar", x=_LEFT, y=8, width=14, height=10),
        text("this campaign", _LEFT + 20, 17),
        element("line", class_="baseline", x1=_LEFT + 130, x2=_LEFT + 150, y1=13, y2=13),
        text("all other accounts in the log", _LEFT + 156, 17),
    ]
    return picture(
        "hours-of-day",
        title="Hour of the day in UTC, campaign against the rest of the log",
        description=hours_in_words(case),
        height=_HEIGHT + 18,
        parts=[
            *legend,
            *frame.grid([(t, f"{100 * t:.3g} %") for t in ticks]),
            *bars,
            element("polyline", class_="baseline", points=points),
            *frame.under([(h + 0.5, f"{h:02}") for h in range(0, 24, 3)]),
            text("hour of the day (UTC)", WIDTH / 2, _BOTTOM + 38, kind="tick", anchor="middle"),
        ],
    )


def hours_in_words(case: Case) -> str:
    """What the picture of the hours shows, for those who do not see it."""
    busiest = max(range(24), key=lambda h: case.hours[h])
    quiet = sum(share < 0.01 for share in case.hours)
    honest_quiet = sum(share < 0.01 for share in case.honest_hours)
    return (
        f"Busiest hour {busiest:02}:00 UTC with {percent(case.hours[busiest])} of the campaign's "
        f"exchanges, against {percent(case.honest_hours[busiest])} elsewhere. Hours with less than "
        f"1\u00a0%: {quiet} of 24, elsewhere {honest_quiet}."
    )


def draw_evidence(case: Case) -> Markup:
    """The three clauses on one logarithmic axis, each within what this log could have shown."""
    values = {name: float(case.campaign[f"e_{name}"]) for name in CLAUSES}
    greatest = {name: _greatest(case, name, value) for name, value in values.items()}
    decades = max(2, *(math.ceil(_decade(value) - 1e-9) for value in greatest.values()))
    left, right, top, row = 8.0, WIDTH - 8.0, 8.0, 52.0
    width = (right - left) / decades
    bottom = top + row * len(CLAUSES)
    step = math.ceil(decades / 6)
    parts = []
    for decade in range(0, decades + 1, step):
        x = left + width * decade
        anchor = "start" if decade == 0 else "end" if decade == decades else "middle"
        parts.append(element("line", class_="grid", x1=x, x2=x, y1=top, y2=bottom))
        parts.append(text(power_of_ten(decade), x, bottom + 16, kind="tick", anchor=anchor))
    for i, (name, value) in enumerate(values.items()):
        y = top + row * i + 22
        full, reached = width * _decade(greatest[name]), width * _decade(value)
        parts += [
            text(f"{CLAUSES[name][0]}: {figure(value)}", left, y - 6, kind="label over"),
            element("rect", class_="possible", x=left, y=y, width=max(full, 1.0), height=14),
            element("rect", class_="bar", x=left, y=y, width=max(reached, 1.0), height=14),
        ]
    axis = f"e-value; each line {10**step:,} times the last"
    parts.append(text(axis, WIDTH / 2, bottom + 34, kind="tick", anchor="middle"))
    return picture(
        "evidence",
        title="Strength of the evidence for each of the three claims",
        description="; ".join(
            f"{CLAUSES[name][0]}: e-value {figure(value)}, of at most {figure(greatest[name])}"
            for name, value in values.items()
        )
        + ".",
        height=bottom + 42,
        parts=parts,
    )


def _greatest(case: Case, clause: str, value: float) -> float:
    possible = case.tested.get(f"e_{clause}_max") if case.tested else None
    return max(value, possible or 0.0)


def _decade(value: float) -> float:
    return min(max(math.log10(value), 0.0), _GREATEST_DECADE) if value > 0 else 0.0
