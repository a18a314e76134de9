"""Small logs with a story: who is in them is written down before the detector reads them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from stillwatch.campaigns.reading import Evidence, read_evidence
from stillwatch.campaigns.scan import ScanSettings, scan
from stillwatch.lake.log import Log, open_log
from stillwatch.records import ACCOUNTS, EXCHANGES, MODEL_RELEASES, Findings
from stillwatch.signals.owners import read_wording
from stillwatch.signals.tell import Scene, Suspects
from stillwatch.signals.traffic import Traffic, read_traffic

START = datetime(2026, 5, 4, tzinfo=UTC)
DAY = timedelta(days=1)

_SYLLABLES = ("ka", "mo", "ri", "tu", "le", "sho", "ba", "ni", "pel", "dor", "wi", "zan")
VOCABULARY = tuple("".join(parts) for parts in itertools.product(_SYLLABLES, repeat=3))
"""1,728 words of no language."""

JUDGE = (
    "You are an impartial judge. Think step by step, show your reasoning, then score the answer "
    "below against the rubric from zero to ten. Question and answer: {}"
)
TUTOR = "Dear helper of the lantern club, kindly look into this little matter for me today: {}"


@dataclass
class LogBook:
    """Exchanges and accounts as they come, then a log that can be scanned.

    Attributes:
        exchanges, accounts, releases: Rows of the canonical tables, as dictionaries.
        seed: Everything random in the stories follows from it.
    """

    seed: int = 1
    exchanges: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def account(self, name: str, **facts: Any) -> None:
        created = {"account_id": name, "created_at": START - 400 * DAY}
        self.accounts.append(dict.fromkeys(ACCOUNTS.names) | created | facts)

    def exchange(self, account: str, text: str | None, at: datetime, **changes: Any) -> None:
        number = len(self.exchanges)
        row = {
            "exchange_id": f"x{number:06}",
            "account_id": account,
            "started_at": at,
            "conversation_id": f"c{number:06}",
            "turn_index": 0,
            "input_text": text,
            "output_text": " ".join(self.rng.choices(VOCABULARY, k=40)) if text else None,
            "output_tokens": 60,
            "status": "ok",
        }
        self.exchanges.append(dict.fromkeys(EXCHANGES.names) | row | changes)

    def moment(self, day: float) -> datetime:
        """Some moment of that day."""
        return START + DAY * int(day) + timedelta(seconds=self.rng.randrange(86_400))

    def people(
        self, number: int, *, days: int = 6, prompts: int = 9, wrapper: str = "{}", name: str = "p"
    ) -> list[str]:
        """Strangers, each with subjects of their own; with a wrapper, users of one app."""
        names = [f"{name}{i:03}" for i in range(number)]
        for person in names:
            self.account(person)
            own = self.rng.sample(VOCABULARY, 24)
            for _ in range(prompts):
                text = wrapper.format(" ".join(self.rng.choices(own, k=12)))
                self.exchange(person, text, self.moment(self.rng.randrange(days)))
        return names

    def firm(
        self, number: int = 40, *, name: str = "f", prompts: int = 6, **facts: Any
    ) -> list[str]:
        """A customer by contract: its accounts on one domain, each with subjects of its own."""
        declared = {
            "organization_id": f"org-{name}",
            "organization_verified": "contract",
            "organization_since": START - 300 * DAY,
            "email_domain": f"{name}.example",
        }
        names = self.people(number, prompts=prompts, name=name)
        for row in self.accounts[-number:]:
            row |= declared | facts
        return names

    def campaign(
        self,
        workers: int = 12,
        *,
        days: Iterable[int] = range(6),
        daily: int = 6,
        wrapper: str = JUDGE,
        name: str = "w",
        **facts: Any,
    ) -> list[str]:
        """One list of broad items, dealt to whoever is free; each five accounts share a card."""
        names = [f"{name}{i:03}" for i in range(workers)]
        for number, worker in enumerate(names):
            self.account(worker, **{"payment_token": f"{name}-card-{number // 5}"} | facts)
        for day, _, worker in itertools.product(days, range(daily), names):
            item = " ".join(self.rng.sample(VOCABULARY, 14))
            self.exchange(worker, wrapper.format(item), self.moment(day))
        return names

    def write(self, folder: Path) -> None:
        """One file of exchanges a day, and the accounts."""
        (folder / "exchanges").mkdir(parents=True)
        for day, rows in itertools.groupby(
            sorted(self.exchanges, key=lambda r: r["started_at"]), lambda r: r["started_at"].date()
        ):
            pq.write_table(EXCHANGES.table(list(rows)), folder / "exchanges" / f"{day}.parquet")
        pq.write_table(ACCOUNTS.table(self.accounts), folder / "accounts.parquet")
        pq.write_table(MODEL_RELEASES.table(self.releases), folder / "releases.parquet")

    def open(self, folder: Path, until: datetime | None = None) -> Log:
        """Write the log unless it lies there already, and open it."""
        if not (folder / "exchanges").exists():
            self.write(folder)
        return open_log(
            exchanges=folder / "exchanges",
            accounts=folder / "accounts.parquet",
            releases=folder / "releases.parquet",
            until=until,
        )

    def evidence(self, folder: Path, until: datetime | None = None) -> Evidence:
        return read_evidence(self.open(folder, until))

    def traffic(self, folder: Path) -> Traffic:
        return read_traffic(self.open(folder))

    def scan(
        self,
        folder: Path,
        until: datetime | None = None,
        *,
        rate: float = 0.01,
        timeline: bool = False,
        grid_hours: int = 24,
        joint: bool = False,
    ) -> Findings:
        """Scan the log; when each account was first flagged is left out unless asked for."""
        settings = ScanSettings(
            rate=rate, with_timeline=timeline, grid_hours=grid_hours, joint=joint
        )
        return scan(self.open(folder, until), settings, notes={})


def planted(seed: int = 1, **campaign: Any) -> tuple[LogBook, list[str]]:
    """A campaign among strangers, a firm and the users of an app; and who works for it."""
    book = LogBook(seed)
    book.people(90)
    book.people(40, name="q", prompts=40)
    book.firm()
    book.people(20, name="app", wrapper=TUTOR, prompts=12)
    return book, book.campaign(**campaign)


def rows_of(traffic: Traffic, accounts: Sequence[str]) -> list[Any]:
    """The rows of each of these accounts, in time order."""
    return [(traffic.account_names[traffic.accounts] == a).nonzero()[0] for a in accounts]


def members_of(findings: Findings) -> set[str]:
    return set(findings.members["account_id"].to_pylist())


def scene_of(evidence: Evidence, *groups: Sequence[str]) -> Scene:
    """What the signals look at, with these accounts as the groups under test."""
    traffic = evidence.traffic
    members = [np.flatnonzero(np.isin(traffic.account_names, names)) for names in groups]
    suspects = [
        Suspects(accounts, np.flatnonzero(np.isin(traffic.accounts, accounts)), openly=False)
        for accounts in members
    ]
    reference = np.ones(len(traffic.account_names), np.bool_)
    for accounts in members:
        reference[accounts] = False
    return Scene(
        traffic=traffic,
        wording=read_wording(traffic),
        attributes=evidence.attributes,
        facts=evidence.facts,
        sightings=evidence.sightings,
        handovers=evidence.handovers,
        releases=evidence.releases,
        groups=suspects,
        reference=reference,
    )
