"""After a power cut the spool holds every batch that was acknowledged, whole."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import apsw
import pytest
from recorded_disk import RecordedDisk

from stillwatch.receiver.spool import Batch, Kind, Spool, StoredBatch

STATES = 60


@dataclass(slots=True)
class Told:
    """What the spool had promised after so many steps of the disk."""

    step: int
    held: dict[int, bytes]


@dataclass(slots=True)
class Story:
    """A spool that was used for a while, on a disk that remembers.

    Attributes:
        told: After each transaction, what it must hold from then on.
        possible: Everything that was ever given to it.
    """

    disk: RecordedDisk
    told: list[Told] = field(default_factory=list)
    possible: dict[int, bytes] = field(default_factory=dict)


def _story(folder: Path, seed: int, *, synchronous: str = "full") -> Story:
    """Adds, folds and removals, with checkpoints in between."""
    dice = random.Random(seed)
    story = Story(RecordedDisk(f"disk-{seed}-{synchronous}"))
    folder.mkdir()

    def prepare(connection: apsw.Connection) -> None:
        # Without the memory that processes share, which no power cut spares.
        connection.execute("pragma locking_mode = exclusive").fetchall()

    spool = Spool(folder / "spool.sqlite", story.disk.connect(prepare))
    spool._database.execute("pragma wal_autocheckpoint = 12").fetchall()
    spool._database.execute(f"pragma synchronous = {synchronous}")
    held: dict[int, bytes] = {}
    for _ in range(60):
        batches = [
            Batch(Kind.ROWS, "east", "canonical", 1, dice.randbytes(dice.randint(1, 60_000)))
            for _ in range(dice.randint(1, 3))
        ]
        known = set(held)
        spool.add(batches)
        fresh = [stored for stored in spool.stored() if stored.id not in known]
        for stored, batch in zip(fresh, batches, strict=True):
            held[stored.id] = story.possible[stored.id] = batch.data
        story.told.append(Told(len(story.disk.steps), dict(held)))
        if dice.random() < 0.3:
            gone = [stored for stored in spool.stored() if dice.random() < 0.5]
            for stored in gone:
                del held[stored.id]  # from the moment it begins, nothing is promised of them
            story.told.append(Told(len(story.disk.steps), dict(held)))
            spool.settle(removed=gone)
    return story


def _lost(story: Story, folder: Path, at: int, dice: random.Random) -> int:
    """How many promised batches a power cut before step `at` takes away; all others are whole."""
    folder.mkdir()
    story.disk.after_power_cut(at, folder, dice)
    promised = [told for told in story.told if told.step <= at][-1].held
    spool = Spool(folder / "spool.sqlite")
    try:
        assert spool._database.execute("pragma integrity_check").fetchall() == [("ok",)]
        found: dict[int, StoredBatch] = {stored.id: stored for stored in spool.stored()}
        for number, stored in found.items():
            # One whose acknowledgement did not come through may be there, but not half.
            assert spool.data(stored) == story.possible[number]
        return len(promised.keys() - found.keys())
    finally:
        spool.close()


@pytest.mark.parametrize("states", [STATES, pytest.param(5_000, marks=pytest.mark.faults)])
def test_no_power_cut_takes_what_was_acknowledged(tmp_path: Path, states: int) -> None:
    """Wherever it comes, with any part of what was not flushed on the disk."""
    dice = random.Random(states)
    story = _story(tmp_path / "story", states)
    first, last = story.told[0].step, len(story.disk.steps)

    for number in range(states):
        at = dice.randint(first, last)
        assert _lost(story, tmp_path / f"cut-{number}", at, dice) == 0


def test_without_flushes_it_would(tmp_path: Path) -> None:
    """The same cuts find what a spool loses that is not flushed with every transaction."""
    dice = random.Random(1)
    story = _story(tmp_path / "story", 1, synchronous="normal")
    first, last = story.told[0].step, len(story.disk.steps)

    lost = 0
    for number in range(STATES):
        try:
            lost += _lost(story, tmp_path / f"cut-{number}", dice.randint(first, last), dice)
        except sqlite3.DatabaseError:
            lost += 1

    assert lost > 0
    assert sum(step.kind == "sync" for step in story.disk.steps) > 0
