"""Both processes of a receiver are killed at once, at chosen places: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from dying_receiver import PLACES
from received import Sender, start_receiving
from stations import KEY, lake_rows

from stillwatch.lake.check import check_lake

# Of each place, how many steps it is left alone at most: as many as some folds take there.
STEPS = {"spool": 60, "fsync": 60, "rename": 40, "manifest": 8, "compaction": 120, "fold": 150}
SECONDS = 30
_PROGRAM = str(Path(__file__).with_name("dying_receiver.py"))


@pytest.mark.parametrize("rounds", [2, pytest.param(102, marks=pytest.mark.faults)])
def test_killed_at_each_place_it_loses_and_doubles_nothing(tmp_path: Path, rounds: int) -> None:
    """Every acknowledged exchange is in the lake once, and so is each that was sent again.

    One round after the other kills at another place, at a random step of it, while batches come in.
    """
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    dice = random.Random(seed)
    places = [PLACES[number % len(PLACES)] for number in range(rounds)]
    if rounds < len(PLACES):
        places = ["manifest", "compaction"]
    sender = Sender()
    marks = tmp_path / "marks"
    for number, place in enumerate(places):
        armed = tmp_path / f"armed-{number}"
        told = {
            "place": place,
            "step": dice.randint(1, STEPS[place]),
            "armed": str(armed),
            "marks": str(marks),
        }
        receiving = start_receiving(
            tmp_path,
            KEY,
            *("--fold-seconds", "0.1"),
            program=[_PROGRAM],
            environment={"DYING": json.dumps(told)},
        )
        armed.touch()
        sender.send_to(receiving)
        try:
            receiving.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            receiving.kill_second()
            receiving.kill()
        sender.stop()
    receiving = start_receiving(tmp_path, KEY, "--fold-seconds", "600")
    exit_status, words = receiving.stop()

    assert exit_status == 0, words
    rows = lake_rows(tmp_path / "lake", "exchanges")
    ids, days = [row["exchange_id"] for row in rows], {row["started_at"].date() for row in rows}
    by_whom = Counter(marks.read_text().splitlines())
    killed = Counter(line.split()[0] for line in by_whom.elements())
    print(
        f"killed {dict(by_whom)}; {len(sender.acknowledged):,} acknowledged, {len(ids):,} in the lake"
    )
    assert len(ids) == len(set(ids))
    assert sender.acknowledged, "nothing was taken at all"
    assert sender.acknowledged <= set(ids)
    checked = check_lake(tmp_path / "lake")
    assert (checked.problems, checked.leftovers) == ([], [])
    assert len(list((tmp_path / "lake").rglob("*.parquet"))) <= 16 * len(days)
    assert all(killed[place] >= rounds // 10 for place in places)
    assert killed, "nobody was killed"
