"""Plays a world against a gateway: look by look, the defence learns and the attackers answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.evaluation.defence.reacting import Answer, Attempt, ReactingAttacker, Temper
from stillwatch.evaluation.defence.replacing import Face, Replacements, as_sent
from stillwatch.evaluation.defence.stage import Campaign, Stage, known_at
from stillwatch.records import ACCOUNTS, CREDENTIALS, EXCHANGES
from stillwatch.simulation.frame import HOUR, MINUTE, SECOND, moment

__all__ = ["Defender", "Gateway", "Look", "Played", "Schedule", "Sent", "Touched", "play"]


class Gateway(Protocol):
    """Where requests go."""

    def at(self, now: datetime) -> None:
        """In the world it is now this time, for what comes next."""
        ...

    def ask(self, row: Mapping[str, Any]) -> Answer:
        """Send one request, and say what became of it."""
        ...

    def ask_all(self, rows: pa.Table) -> Sequence[Answer]:
        """The same of many requests that do not depend on each other's answers."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Attributes:
        findings: The accounts of each finding.
        seconds: From the beginning of the import to the proposed actions.
    """

    findings: tuple[frozenset[str], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Touched:
    """An account to which something beyond `tag` is done, or to a part of its requests.

    Attributes:
        begins_at: When it begins, us: steps may be decided earlier than they begin.
    """

    account_id: str
    step: str
    scope: str
    begins_at: int


class Defender(Protocol):
    """What learns from the log, and acts."""

    def record(self, exchanges: pa.Table, accounts: pa.Table, credentials: pa.Table) -> None:
        """Add to the log what was answered since, and all accounts as they are known now."""
        ...

    def look(self, now: datetime) -> Look:
        """Scan, and propose what the policy says."""
        ...

    def enforce(self, now: datetime) -> tuple[frozenset[Touched], float]:
        """Approve what was proposed; all that is or will be in force, and the seconds it took."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When the defence looks, in the world's time.

    Attributes:
        hours: Between looks while no campaign is known.
        hours_when_known: Between looks from the first finding on.
        approval_minutes: How long a person takes to approve.
    """

    hours: int = 24
    hours_when_known: int = 24
    approval_minutes: int = 10


@dataclass(frozen=True, slots=True)
class Sent:
    """One request of an attacker.

    Attributes:
        at: When, us.
        is_usable: Its answer would serve the attacker.
        answer: What became of it.
        is_replacement: The account was opened after a block.
    """

    at: int
    is_usable: bool
    answer: Answer
    is_replacement: bool


@dataclass(slots=True)
class Played:
    """What happened.

    Attributes:
        sent: By campaign.
        flagged_at: The first look with a finding of which a campaign's accounts are half or more, us.
        forced_at: When something first began against one, us.
        touched: By honest or hostile account, the hardest that was ever done to it.
        refused: How many requests of each other account were refused.
        waits: Seconds from the beginning of each look that proposed something to its force,
            without the approver's time.
        opened: By campaign, how many accounts took the places of blocked ones.
        lost: By campaign, how many accounts were given up.
    """

    sent: dict[str, list[Sent]] = field(default_factory=dict)
    flagged_at: dict[str, int] = field(default_factory=dict)
    forced_at: dict[str, int] = field(default_factory=dict)
    touched: dict[str, Touched] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    opened: dict[str, int] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Player:
    """One attacker at work."""

    campaign: Campaign
    attacker: ReactingAttacker
    replacements: Replacements
    gateway: Gateway
    sent: list[Sent]
    passed: list[dict[str, Any]] = field(default_factory=list)

    def ask(self, attempt: Attempt) -> Answer:
        row = self.campaign.rows[attempt.planned.number]
        sent = as_sent(row, attempt, self._face(attempt.account_id))
        answer = self.gateway.ask(sent)
        if answer is Answer.ANSWERED:
            self.passed.append(sent)
        usable = self.campaign.is_usable(attempt.planned.number)
        new = attempt.account_id in self.replacements.faces
        self.sent.append(Sent(attempt.at, usable, answer, new))
        return answer

    def accounts(self) -> set[str]:
        return self.campaign.faces.keys() | self.replacements.faces.keys()

    def _face(self, account_id: str) -> Face:
        return self.campaign.faces.get(account_id) or self.replacements.faces[account_id]


def play(
    stage: Stage,
    gateway: Gateway,
    defender: Defender,
    *,
    schedule: Schedule,
    temper: Temper,
    seed: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Played:
    """Play the whole world.

    Traffic goes on while the defence looks and while a person approves: what is sent meanwhile meets
    the gateway as it was before.

    Args:
        seed: Of the attackers' own choices.
        tell: Told of each look.
    """
    played = Played()
    players = [_player(stage, c, gateway, played, temper, seed) for c in stage.campaigns]
    cursor = _Cursor(stage.others, gateway, played, stage.begins)
    at, known = stage.begins, False
    while at < stage.ends:
        hours = schedule.hours_when_known if known else schedule.hours
        at = min(at + hours * HOUR, stage.ends)
        _advance(players, cursor, gateway, at)
        _record(stage, players, cursor, defender, at)
        look = defender.look(moment(at))
        known = known or bool(look.findings)
        _note_flags(players, played, look, at)
        force = at + int(look.seconds * SECOND) + schedule.approval_minutes * MINUTE
        _advance(players, cursor, gateway, min(force, stage.ends))
        touched, seconds = defender.enforce(moment(force))
        fresh = [t for t in touched if t.account_id not in played.touched]
        if fresh:
            played.waits.append(look.seconds + seconds)
        _note_touched(players, played, touched)
        tell(_told(at, look, touched, fresh, players))
    for player in players:
        played.opened[player.campaign.label] = player.attacker.opened
        played.lost[player.campaign.label] = player.attacker.lost
    return played


def _player(
    stage: Stage, campaign: Campaign, gateway: Gateway, played: Played, temper: Temper, seed: int
) -> _Player:
    replacements = Replacements.of_world(stage.world, campaign.label)
    number = [c.label for c in stage.campaigns].index(campaign.label)
    rng = np.random.default_rng([seed, number])
    attacker = ReactingAttacker(campaign.plan, replacements.open, temper, rng)
    sent = played.sent.setdefault(campaign.label, [])
    return _Player(campaign, attacker, replacements, gateway, sent)


@dataclass(slots=True)
class _Cursor:
    """How far the others' log has been played."""

    others: pa.Table
    gateway: Gateway
    played: Played
    at: int
    passed: list[pa.Table] = field(default_factory=list)
    _row: int = 0
    _started: Any = None

    def play(self, until: int) -> None:
        if self._started is None:
            self._started = self.others["started_at"].cast(pa.int64()).to_numpy()
        end = int(np.searchsorted(self._started, until))
        rows = self.others.slice(self._row, end - self._row)
        self._row, self.at = end, until
        if not rows.num_rows:
            return
        answers = self.gateway.ask_all(rows)
        self.passed.append(rows.filter(pa.array([a is Answer.ANSWERED for a in answers])))
        for answer, account in zip(answers, rows["account_id"].to_pylist(), strict=True):
            if answer is not Answer.ANSWERED:
                self.played.refused[account] = self.played.refused.get(account, 0) + 1


def _advance(players: Sequence[_Player], cursor: _Cursor, gateway: Gateway, until: int) -> None:
    """Play on to a moment, hour by hour: steps begin on the hour."""
    while cursor.at < until:
        step = min(until, (cursor.at // HOUR + 1) * HOUR)
        gateway.at(moment(cursor.at))
        for player in players:
            player.attacker.play(step, player.ask)
        cursor.play(step)


def _record(
    stage: Stage, players: Sequence[_Player], cursor: _Cursor, defender: Defender, at: int
) -> None:
    """What was answered since the last look goes into the log, with the accounts known by now."""
    attacks = [row for player in players for row in player.passed]
    names = list(EXCHANGES.names)
    mine = pa.Table.from_pylist([{n: row[n] for n in names} for row in attacks], EXCHANGES.arrow)
    tables = [t.cast(EXCHANGES.arrow) for t in cursor.passed] + [mine]
    accounts = [stage.accounts.cast(ACCOUNTS.arrow)]
    credentials = [stage.credentials.cast(CREDENTIALS.arrow)]
    for player in players:
        accounts.append(ACCOUNTS.table(player.replacements.accounts()))
        credentials.append(CREDENTIALS.table(player.replacements.credentials()))
        player.passed.clear()
    cursor.passed.clear()
    defender.record(
        pa.concat_tables(tables),
        known_at(pa.concat_tables(accounts), moment(at)),
        _issued_by(pa.concat_tables(credentials), at),
    )


def _issued_by(credentials: pa.Table, at: int) -> pa.Table:
    """The credentials issued by then, without what became of them later."""
    stamp = pa.scalar(moment(at), credentials.schema.field("created_at").type)
    there = credentials.filter(pc.less(credentials["created_at"], stamp))
    for name in ("revoked_at", "reported_leaked_at"):
        field_ = there.schema.field(name)
        happened = pc.fill_null(pc.less(there[name], stamp), False)
        values = pc.if_else(happened, there[name], None).cast(field_.type)
        there = there.set_column(there.column_names.index(name), field_, values)
    return there


def _note_flags(players: Sequence[_Player], played: Played, look: Look, at: int) -> None:
    for player in players:
        mine = player.accounts()
        if any(2 * len(finding & mine) >= len(finding) for finding in look.findings):
            played.flagged_at.setdefault(player.campaign.label, at)


def _note_touched(players: Sequence[_Player], played: Played, touched: frozenset[Touched]) -> None:
    for one in touched:
        played.touched.setdefault(one.account_id, one)
    for player in players:
        mine = player.accounts()
        begins = [one.begins_at for one in touched if one.account_id in mine]
        if begins:
            earlier = played.forced_at.get(player.campaign.label, min(begins))
            played.forced_at[player.campaign.label] = min(earlier, *begins)


def _told(
    at: int,
    look: Look,
    touched: frozenset[Touched],
    fresh: Sequence[Touched],
    players: Sequence[_Player],
) -> str:
    new = sum(player.attacker.opened for player in players)
    waiting = sum(player.attacker.waiting for player in players)
    return (
        f"{moment(at):%d %b %H:%M}: {sum(map(len, look.findings))} accounts flagged, {len(touched)} beyond tag "
        f"({len(fresh)} new), {new} replacements so far, {waiting} pieces of work queued"
    )
