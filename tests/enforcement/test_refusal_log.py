"""One line a refusal, and one a minute of those that ask again."""

from __future__ import annotations

import json

from stillwatch.enforcement.asking import Decision
from stillwatch.enforcement.possible import Adapter
from stillwatch.enforcement.refusal_log import RefusalLog
from stillwatch.records import Step


def refusal(reference: str) -> Decision:
    return Decision(
        wanted=Step.BLOCK, step=Step.BLOCK, reference=reference, is_known=True, is_refused=True
    )


def test_who_asks_again_is_counted_and_told_once_a_minute() -> None:
    """Another reference has a line of its own."""
    lines: list[str] = []
    now = [1_000.0]
    log = RefusalLog(lines.append, lambda: now[0])
    for reference in ("a", "a", "b", "a"):
        log(Adapter.ENVOY_HTTP, refusal(reference))
    now[0] += 60
    log(Adapter.AUTH_REQUEST, refusal("a"))
    told = [json.loads(line) for line in lines]
    assert [(one["reference"], one["refused"], one["door"]) for one in told] == [
        ("a", 1, "envoy_http"),
        ("b", 1, "envoy_http"),
        ("a", 3, "auth_request"),
    ]
    assert set(told[0]) == {"at", "event", "step", "door", "reference", "refused"}


def test_it_remembers_a_bounded_number() -> None:
    """Who is refused under ever new references fills no memory."""
    log = RefusalLog(lambda _: None, lambda: 0.0)
    for number in range(10_050):
        log(Adapter.DECIDE, refusal(str(number)))
    assert len(log._seen) == 10_000


def test_a_log_that_nobody_reads_any_more_stops_no_decision() -> None:
    """As when the other end of a pipe is gone."""

    def broken(_: str) -> None:
        raise BrokenPipeError

    RefusalLog(broken, lambda: 0.0)(Adapter.DECIDE, refusal("a"))
