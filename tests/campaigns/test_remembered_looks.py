"""A scan that remembers its looks finds what one does that weighs everything anew."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from planted_logs import planted
from stillwatch.campaigns import timeline
from stillwatch.campaigns.scan import ScanSettings, scan
from stillwatch.lake.log import open_log
from stillwatch.records import Findings

TABLES = ("campaigns", "members", "exchanges", "tested", "links")


class Archive:
    """A log that comes in day by day, and two scans of what is there: with a memory, and without."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        book, _ = planted(seed=5)
        log = book.open(folder / "book")
        self.rows = pa.concat_tables(pq.read_table(p) for p in log.exchange_files)
        self.accounts = log.connection.sql("select * from accounts").to_arrow_table()
        self.days = sorted(set(self._day_of(self.rows)))
        self.folder = folder
        self.weighed = 0
        weigh = timeline.weigh

        def counted(*arguments: Any, **named: Any) -> Any:
            self.weighed += 1
            return weigh(*arguments, **named)

        monkeypatch.setattr(timeline, "weigh", counted)

    @staticmethod
    def _day_of(rows: pa.Table) -> list[str]:
        return pc.strftime(rows["started_at"], format="%Y-%m-%d").to_pylist()

    def of_days(self, days: list[str]) -> pa.Table:
        return self.rows.filter(
            pc.is_in(pc.strftime(self.rows["started_at"], format="%Y-%m-%d"), pa.array(days))
        )

    def scan(self, parts: list[pa.Table], looks: Path | None, **settings: Any) -> Findings:
        place = self.folder / "log"
        place.mkdir(exist_ok=True)
        for old in place.iterdir():
            old.unlink()
        for number, part in enumerate(parts):
            pq.write_table(part, place / f"{number}.parquet")
        pq.write_table(self.accounts, self.folder / "accounts.parquet")
        log = open_log(exchanges=place, accounts=self.folder / "accounts.parquet")
        asked = ScanSettings(with_timeline=True, looks=looks, **settings)
        return scan(log, asked, notes={})

    def compare(self, parts: list[pa.Table], **settings: Any) -> tuple[int, Findings]:
        """How many midnights the scan with a memory weighed; its findings are those without one."""
        plain = self.scan(parts, None, **settings)
        self.weighed = 0
        found = self.scan(parts, self.folder / "looks", **settings)
        for table in TABLES:
            assert getattr(found, table).equals(getattr(plain, table)), table
        assert found.notes == plain.notes
        return self.weighed, found


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Archive:
    return Archive(tmp_path, monkeypatch)


def test_a_new_day_weighs_one_midnight(archive: Archive) -> None:
    days = archive.days
    parts = [archive.of_days([day]) for day in days]
    archive.compare(parts[:-1])

    weighed, found = archive.compare(parts)

    assert len(days) > 4
    assert weighed == 1
    assert found.campaigns.num_rows

    again, _ = archive.compare(parts)
    assert again == 0


@pytest.mark.parametrize("seed", range(2))
def test_days_in_any_order_late_rows_and_duplicates(archive: Archive, seed: int) -> None:
    """Whatever comes when, in however many files, and however often."""
    generator = np.random.default_rng(seed)
    days = [archive.days[i] for i in generator.permutation(len(archive.days))]
    late = archive.of_days(days[:1])
    kept = generator.random(late.num_rows) < 0.7
    parts = [late.filter(pa.array(kept))]
    for day in days[1:]:
        parts.append(archive.of_days([day]))
        if generator.random() < 0.4:
            archive.compare(parts)
    parts.append(late.filter(pa.array(~kept)))
    parts.append(parts[1].slice(0, 5))  # shipped twice

    _, found = archive.compare(parts)

    assert found.campaigns.num_rows
    # Files by other names and in another order are the same log.
    weighed, _ = archive.compare(parts[::-1])
    assert weighed == 0


def test_what_is_learned_of_an_account_concerns_the_midnights_after_it(archive: Archive) -> None:
    """A closure at noon of the last day but one changes no midnight before it."""
    parts = [archive.rows]
    archive.compare(parts)
    last = pc.max(archive.rows["started_at"]).as_py()
    midnight = last.replace(hour=0, minute=0, second=0, microsecond=0)
    table = archive.accounts.to_pylist()
    table[0] |= {"closed_at": midnight - timedelta(hours=12), "status": "banned"}
    archive.accounts = pa.Table.from_pylist(table, schema=archive.accounts.schema)

    weighed, _ = archive.compare(parts)

    assert weighed == 1


def test_another_question_is_another_look(archive: Archive) -> None:
    parts = [archive.rows]
    midnights, _ = archive.compare(parts)

    less, _ = archive.compare(parts, without=frozenset({"cohorts"}))
    joint, _ = archive.compare(parts, joint=True)
    other_rate, _ = archive.compare(parts, rate=0.05)

    assert midnights == less > 3
    assert joint == other_rate == 0


def test_a_damaged_memory_is_weighed_again(archive: Archive) -> None:
    parts = [archive.rows]
    midnights, _ = archive.compare(parts)
    kept = sorted((archive.folder / "looks").glob("*.npz"))
    kept[0].write_bytes(kept[0].read_bytes()[:100])
    kept[1].write_bytes(b"")

    weighed, _ = archive.compare(parts)

    assert midnights == len(kept)
    assert weighed == 2


def test_no_name_is_kept(archive: Archive) -> None:
    archive.compare([archive.rows])
    names = archive.accounts["account_id"].to_pylist()

    for path in (archive.folder / "looks").iterdir():
        with np.load(path) as stored:
            assert all(column.dtype.kind in "bif" for column in dict(stored).values())
        assert not any(name.encode() in path.read_bytes() for name in names[:50])
