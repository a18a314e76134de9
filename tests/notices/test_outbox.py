"""What was raised is told once, kept until it is delivered, and never fills the disk."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from notice_servers import HookServer

from stillwatch.policy.notices import Notice, NoticeKind
from stillwatch.policy.noticing import Limits, Seen, due_notices
from stillwatch.policy.outbox import Outbox
from stillwatch.policy.webhook import DeliveryError, Webhook
from stillwatch.records import StillwatchError

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(slots=True)
class _Remembering:
    name: str = "webhook"
    is_away: bool = False
    got: list[Notice] = field(default_factory=list)
    tried: int = 0

    def send(self, notice: Notice, *, now: datetime) -> None:
        self.tried += 1
        if self.is_away:
            raise DeliveryError("away")
        self.got.append(notice)


def _notice(kind: NoticeKind = NoticeKind.SNAPSHOT_STALE, subject: str = "snapshot") -> Notice:
    return Notice.raised(kind, subject, now=NOW)


def test_what_lasts_is_told_once_a_day(tmp_path: Path) -> None:
    """A state that is seen every minute does not wake people every minute."""
    channel = _Remembering()
    box = Outbox(tmp_path / "box", [channel])
    for minute in range(0, 25 * 60, 30):
        now = NOW + timedelta(minutes=minute)
        box.raise_all([_notice()], now=now)
        box.deliver(now=now)
    assert len(channel.got) == 2


def test_an_event_is_told_once(tmp_path: Path) -> None:
    """A campaign that every scan finds is new only once."""
    channel = _Remembering()
    box = Outbox(tmp_path, [channel])
    for day in range(5):
        now = NOW + timedelta(days=day)
        box.raise_all([_notice(NoticeKind.NEW_CAMPAIGN, "c-1")], now=now)
        box.deliver(now=now)
    assert len(channel.got) == 1


def test_what_was_over_and_comes_back_is_told_again(tmp_path: Path) -> None:
    """At once, for it is news."""
    box = Outbox(tmp_path, [_Remembering()])
    assert box.raise_all([_notice()], now=NOW) == 1
    assert box.raise_all([], now=NOW) == 0
    assert box.raise_all([_notice()], now=NOW) == 1


def test_a_notice_waits_for_a_channel_that_is_away(tmp_path: Path) -> None:
    """Through a restart: the second outbox knows of it from the disk alone."""
    away, there = _Remembering(is_away=True), _Remembering("mail")
    Outbox(tmp_path, [away, there]).raise_all([_notice()], now=NOW)
    first = Outbox(tmp_path, [away, there]).deliver(now=NOW)
    assert (first.sent, first.waiting, first.failures) == (1, 1, ("webhook: away",))

    away.is_away = False
    later = Outbox(tmp_path, [away, there]).deliver(now=NOW + HOUR)

    assert (later.sent, later.waiting) == (1, 0)
    assert (len(away.got), len(there.got)) == (1, 1)


def test_tries_become_rarer_and_end(tmp_path: Path) -> None:
    """A webhook that is gone is asked at most four times an hour, and not for ever."""
    channel = _Remembering(is_away=True)
    box = Outbox(tmp_path, [channel])
    box.raise_all([_notice()], now=NOW)
    given_up, minute = 0, 0
    while not given_up and minute < 7 * 24 * 60:
        given_up = box.deliver(now=NOW + timedelta(minutes=minute)).given_up
        minute += 1
    assert given_up == 1
    assert channel.tried == 200
    assert timedelta(minutes=minute) < timedelta(days=3)
    assert list(tmp_path.glob("*.notice.json")) == []


def test_a_channel_that_fails_is_tried_once_a_round(tmp_path: Path) -> None:
    """A hundred notices do not wait ten seconds each for a server that is away."""
    channel = _Remembering(is_away=True)
    box = Outbox(tmp_path, [channel])
    box.raise_all([_notice(NoticeKind.STEP_WAITING, f"c-{n}") for n in range(100)], now=NOW)
    box.deliver(now=NOW)
    assert channel.tried == 1


def test_a_flood_stays_bounded_and_the_oldest_stay(tmp_path: Path) -> None:
    """And whoever raised it hears that there is no room."""
    box = Outbox(tmp_path, [_Remembering(is_away=True)])
    flood = [_notice(NoticeKind.STEP_WAITING, f"c-{n}") for n in range(1_001)]
    with pytest.raises(StillwatchError, match="found no room"):
        box.raise_all(flood, now=NOW)
    assert len(list(tmp_path.glob("*.notice.json"))) == 1_000


def test_half_a_file_stands_in_nobodys_way(tmp_path: Path) -> None:
    """It is dropped, and the others go."""
    channel = _Remembering()
    box = Outbox(tmp_path, [channel])
    (tmp_path / "0-broken.notice.json").write_text('{"notice": {')
    box.raise_all([_notice()], now=NOW)
    assert box.deliver(now=NOW).sent == 1


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    """They say which campaigns were found."""
    box = Outbox(tmp_path / "box", [_Remembering(is_away=True)])
    box.raise_all([_notice()], now=NOW)
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "box").iterdir()} == {0}


def test_a_webhook_that_comes_back_gets_what_waited(tmp_path: Path, hook: HookServer) -> None:
    """Through a real server that first fails."""
    box = Outbox(tmp_path, [Webhook(hook.url, b"s" * 32)])
    box.raise_all([_notice()], now=NOW)
    hook.status = 503
    assert box.deliver(now=NOW).waiting == 1
    hook.status = 200
    assert box.deliver(now=NOW + HOUR).waiting == 0
    first, second = (json.loads(posted.body) for posted in hook.posted)
    assert first["notice_id"] == second["notice_id"]


@pytest.mark.parametrize(
    ("seen", "kind", "subject"),
    [
        (Seen(campaigns=(("c-1", NOW),)), NoticeKind.NEW_CAMPAIGN, "c-1"),
        (Seen(waiting_steps=(("c-1", NOW),)), NoticeKind.STEP_WAITING, "c-1"),
        (
            Seen(open_appeals=(("a-1", NOW - 55 * HOUR), ("a-2", NOW - HOUR))),
            NoticeKind.APPEAL_NEAR_LIMIT,
            "a-1",
        ),
        (Seen(blast_radius=(("c-1", NOW),)), NoticeKind.BLAST_RADIUS_REACHED, "c-1"),
        (Seen(snapshot_made_at=NOW - HOUR), NoticeKind.SNAPSHOT_STALE, "snapshot"),
        (Seen(last_commit_at=NOW - 7 * HOUR), NoticeKind.INGEST_SILENT, "lake"),
        (Seen(quarantine_share=0.02), NoticeKind.QUARANTINE_RISING, "lake"),
        (
            Seen(column_changes=(("ja4", -0.9), ("model", 0.01))),
            NoticeKind.DRIFT_RISING,
            "ja4",
        ),
    ],
)
def test_each_kind_is_raised_by_what_it_is_about(
    seen: Seen, kind: NoticeKind, subject: str
) -> None:
    """And by nothing else that is as it should be."""
    (notice,) = due_notices(seen, Limits(), now=NOW)
    assert (notice.kind, notice.subject) == (kind, subject)


def test_a_deployment_in_order_raises_nothing() -> None:
    """Nobody is woken."""
    seen = Seen(
        open_appeals=(("a-1", NOW - HOUR),),
        snapshot_made_at=NOW,
        last_commit_at=NOW,
        quarantine_share=0.0,
        column_changes=(("ja4", 0.0),),
    )
    assert due_notices(seen, Limits(), now=NOW) == []


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_has_its_page(kind: NoticeKind) -> None:
    """Whoever is woken finds what to do."""
    page = Path(__file__).resolve().parents[2] / "docs" / "runbooks.md"
    assert f"\n## {kind.runbook}\n" in page.read_text(encoding="utf-8")
