"""What a policy would have done, in figures and pictures. The page names no account."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any

from markupsafe import Markup

from stillwatch import __version__
from stillwatch.dossier.svg import WIDTH, Frame, element, nice_ticks, picture, text
from stillwatch.dossier.templates import content_policy, environment, style_sheet
from stillwatch.dossier.words import compact, percent
from stillwatch.policy.replaying import CampaignDay, Replay
from stillwatch.policy.rules.standing import Standing
from stillwatch.records import Step, Verdict

__all__ = ["CampaignCost", "costs_of", "render_replay"]

_LEFT, _TOP, _RIGHT, _BOTTOM, _HEIGHT = 44.0, 40.0, WIDTH - 8.0, 190.0, 216.0
_BEYOND = tuple(step for step in Step if step.rank > Step.TAG.rank)
_OWNERS = {
    Standing.DECLARED: "declared and verified",
    Standing.PARTLY: "verified in part",
    Standing.ALONE: "none, or verified by nobody",
    Standing.UNKNOWN: "not in the accounts table",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignCost:
    """What a policy would have cost one campaign, in the days that were replayed.

    Attributes:
        exchanges, output_tokens: Of the campaign, in those days.
        refused, output_tokens_refused: Of these.
        refused_share: Part of its exchanges, between 0 and 1.
        withheld: Exchanges that would have gone out without what `withhold` keeps back.
        others_refused: Exchanges of its accounts that do not serve it.
        first_flagged_at: Of its first account.
        first_step_at: When the first step beyond `tag` would have begun; None without one.
    """

    campaign_id: str
    exchanges: int
    refused: float
    refused_share: float
    output_tokens: float
    output_tokens_refused: float
    withheld: int
    others_refused: float
    first_flagged_at: datetime | None
    first_step_at: datetime | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def in_words(self) -> str:
        """One sentence."""
        begun = "no step beyond tag"
        if self.first_step_at is not None and self.first_flagged_at is not None:
            hours = (self.first_step_at - self.first_flagged_at).total_seconds() / 3600
            begun = f"first step {hours:.1f} hours after its first account was flagged"
        return (
            f"{self.campaign_id}: {self.refused:,.0f} of {self.exchanges:,} exchanges refused "
            f"({percent(self.refused_share)}), {self.withheld:,} with less in the answer; "
            f"{self.others_refused:,.0f} other exchanges of its accounts refused; {begun}."
        )


def costs_of(replay: Replay, verdicts: Iterable[Verdict]) -> list[CampaignCost]:
    """By campaign, the largest first."""
    flagged: dict[str, datetime] = {}
    for verdict in verdicts:
        known = flagged.get(verdict.campaign_id, verdict.first_flagged_at)
        flagged[verdict.campaign_id] = min(known, verdict.first_flagged_at)
    begun: dict[str, datetime] = {}
    for step in replay.steps:
        if step.is_beyond_tag:
            campaign = step.verdict.campaign_id
            begun[campaign] = min(begun.get(campaign, step.begins_at), step.begins_at)
    days: dict[str, list[CampaignDay]] = defaultdict(list)
    for day in _within(replay):
        days[day.campaign_id].append(day)
    costs = [
        _cost(campaign, some, flagged.get(campaign), begun.get(campaign))
        for campaign, some in days.items()
    ]
    return sorted(costs, key=lambda c: (-c.exchanges, c.campaign_id))


def _within(replay: Replay) -> list[CampaignDay]:
    return [d for d in replay.days if replay.since.date() <= d.day <= replay.until.date()]


def _cost(
    campaign: str, days: Sequence[CampaignDay], flagged: datetime | None, begun: datetime | None
) -> CampaignCost:
    exchanges = sum(day.serving for day in days)
    refused = math.fsum(day.refused for day in days)
    return CampaignCost(
        campaign_id=campaign,
        exchanges=exchanges,
        refused=refused,
        refused_share=refused / exchanges if exchanges else 0.0,
        output_tokens=math.fsum(day.tokens for day in days),
        output_tokens_refused=math.fsum(day.tokens_refused for day in days),
        withheld=sum(day.withheld for day in days),
        others_refused=math.fsum(day.others_refused for day in days),
        first_flagged_at=flagged,
        first_step_at=begun,
    )


def render_replay(replay: Replay, costs: Sequence[CampaignCost], *, policy: str, mode: str) -> str:
    """The page: self-contained, without a script, and without the id of an account."""
    style = style_sheet()
    counts = replay.accounts_by_step()
    return environment().get_template("replay.html.jinja").render(
        policy=content_policy(style),
        style=style,
        version=__version__,
        source=policy,
        mode=mode,
        replay=replay,
        steps=[step.value for step in Step],
        counts={step.value: count for step, count in counts.items()},
        beyond=sum(counts[step] for step in _BEYOND),
        owners=[
            (_OWNERS[standing], [by_step[step] for step in Step])
            for standing, by_step in replay.accounts_by_standing().items()
        ],
        touched=replay.organisations_touched(),
        waiting=replay.waiting(),
        guards=replay.guards().most_common(),
        costs=costs,
        exchanges_picture=_draw_exchanges(replay),
        accounts_picture=_draw_accounts(replay),
    )  # fmt: skip


def _days(replay: Replay) -> list[date]:
    first, last = replay.since.date(), replay.until.date()
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _draw_exchanges(replay: Replay) -> Markup:
    """All campaigns' exchanges a day, and in front of them those that would have gone through."""
    days = _days(replay)
    found = _within(replay)
    serving = [sum(d.serving for d in found if d.day == day) for day in days]
    refused = [math.fsum(d.refused for d in found if d.day == day) for day in days]
    through = [max(s - r, 0.0) for s, r in zip(serving, refused, strict=True)]
    share = math.fsum(refused) / sum(serving) if sum(serving) else 0.0
    return _bars(
        "exchanges",
        "Exchanges of the campaigns, by day",
        f"{percent(share)} of {sum(serving):,} exchanges would have been refused.",
        days,
        [float(s) for s in serving],
        through,
        ("as it was", "with this policy"),
    )


def _draw_accounts(replay: Replay) -> Markup:
    """Accounts under a step beyond `tag` a day, and in front of them those that are blocked."""
    days = _days(replay)

    def under(steps: frozenset[Step]) -> list[float]:
        return [
            float(
                len(
                    {
                        s.verdict.account_id
                        for s in replay.steps
                        if s.step in steps and s.begins_at.date() <= day < s.ends_at.date()
                    }
                )
            )
            for day in days
        ]

    beyond, blocked = under(frozenset(_BEYOND)), under(frozenset({Step.BLOCK}))
    return _bars(
        "accounts",
        "Accounts under a step beyond tag, by day",
        f"{max(beyond, default=0):,.0f} at most, of these {max(blocked, default=0):,.0f} blocked.",
        days,
        beyond,
        blocked,
        ("beyond tag", "of these, blocked"),
    )


def _bars(
    name: str,
    title: str,
    description: str,
    days: Sequence[date],
    behind: Sequence[float],
    front: Sequence[float],
    legend: tuple[str, str],
) -> Markup:
    ticks = [t for t in nice_ticks(max(behind, default=0.0)) if t == int(t)]
    frame = Frame(_LEFT, _TOP, _RIGHT, _BOTTOM, len(days), ticks[-1])
    width = (frame.right - frame.left) / max(1, len(days))
    gap = min(2.0, width * 0.2)

    def bars(values: Sequence[float], kind: str, words: str) -> list[Markup]:
        return [
            element(
                "rect",
                element("title", f"{day:%d %b}: {value:,.0f} {words}"),
                class_=kind,
                x=frame.x(i) + gap / 2,
                y=frame.y(value),
                width=max(width - gap, 0.3),
                height=frame.bottom - frame.y(value),
            )
            for i, (day, value) in enumerate(zip(days, values, strict=True))
            if value
        ]

    places = range(0, len(days), max(1, math.ceil(len(days) / 5)))
    return picture(
        f"{name}-over-time",
        title=title,
        description=description,
        height=_HEIGHT,
        parts=[
            element("rect", class_="bar faded", x=_LEFT, y=8, width=14, height=10),
            text(legend[0], _LEFT + 20, 17),
            element("rect", class_="bar", x=_LEFT + 130, y=8, width=14, height=10),
            text(legend[1], _LEFT + 150, 17),
            *frame.grid([(t, compact(t)) for t in ticks]),
            *bars(behind, "bar faded", legend[0]),
            *bars(front, "bar", legend[1]),
            *frame.under([(i + 0.5, f"{days[i]:%d %b}".lstrip("0")) for i in places]),
        ],
    )
