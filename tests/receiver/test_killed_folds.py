"""Who folds and tidies up is killed at any step of its work with files: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from otlp_builders import model_call, traces
from stations import KEY, PROTOBUF, Station, exchange, exchanges, litellm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "lake"))

from killed_commands import KILLED, die_at_step

from stillwatch.lake.check import check_lake
from stillwatch.receiver.folding import Folder
from stillwatch.receiver.spool import Spool
from stillwatch.receiver.tidying import Tidying

# As many steps in the lake's folder as a fold and a compaction take, and some more.
STEPS = 200
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["stillwatch.receiver.folding", "stillwatch.lake.writer"])


@pytest.mark.parametrize("every", [41, pytest.param(1, marks=pytest.mark.faults)])
def test_a_fold_that_is_killed_is_done_again(tmp_path: Path, every: int) -> None:
    """Whatever it had done by then: each exchange is in the lake once, and each rejection is kept.

    After each fold the day's files are merged and what was replaced is removed; both are killed, too.
    A rejection may be listed twice, where the kill came between the lake's commit and the spool's.
    """
    station = Station(tmp_path)
    steps = range(random.Random(every).randint(1, every), STEPS, every)
    sent: set[str] = set()
    ended = {KILLED: 0, 0: 0}
    try:
        for step in steps:
            sent |= _send(station, step)
            killed = _PROCESSES.Process(target=_fold, args=(str(station.lake), step))
            killed.start()
            killed.join()
            ended[killed.exitcode or 0] += 1
        station.fold()
        _tidy(station.lake)
        rows = [row["exchange_id"] for row in station.rows("exchanges")]
        quarantined = station.rows("quarantine")
    finally:
        station.close()

    assert ended[KILLED], "no fold was killed"
    assert sorted(rows) == sorted(sent)
    assert {_kept(entry) for entry in quarantined} == {str(step) for step in steps}
    checked = check_lake(station.lake)
    assert (checked.problems, checked.leftovers) == ([], [])
    days = {str(row["started_at"])[:10] for row in station.rows("exchanges")}
    # Exchanges and sketches of each, and the quarantine.
    assert len(list(station.lake.rglob("*.parquet"))) == 2 * len(days) + 1


def _tidy(lake: Path) -> None:
    Tidying(lake, say=lambda _line: None, most_files=1).tidy()


def _send(station: Station, step: int) -> set[str]:
    """New rows of each kind, one of them rejected, and some that were sent before."""
    first = 100 * step
    rows = exchanges(5, first=first)
    station.exchanges([*rows, *exchanges(3, first=max(0, first - 100))])
    station.exchanges([exchange(first + 50, started_at="never", input_text=str(step))])
    station.post("litellm", json.dumps([litellm(first)]).encode())
    span = traces(model_call(first + 1)).SerializeToString()
    assert station.post("traces", span, kind=PROTOBUF).status == 200
    ids = {row["exchange_id"] for row in rows} | {f"call-{first}", _span_id(first + 1)}
    return ids | {row["exchange_id"] for row in exchanges(3, first=max(0, first - 100))}


def _kept(entry: dict[str, Any]) -> str:
    """What the rejected row said, read where the quarantine says that it lies."""
    line = Path(entry["file"]).read_text().splitlines()[entry["line"] - 1]
    return str(json.loads(line)["input_text"])


def _span_id(number: int) -> str:
    return f"{number:032x}-{number:016x}"


def _fold(lake: str, step: int) -> None:
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    die_at_step(step, lake)
    Folder(Path(lake), KEY, Spool.of_lake(Path(lake))).fold(everything=True)
    _tidy(Path(lake))
