"""Runs the cells of a suite, and keeps one file of results a cell."""

from __future__ import annotations

import fnmatch
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from stillwatch.evaluation.suite.cells import Cell, cell_key
from stillwatch.evaluation.suite.measuring import measure_cell
from stillwatch.evaluation.suite.sources import sources_hash
from stillwatch.evaluation.suite.suites import VERSION
from stillwatch.records import StillwatchError

__all__ = ["Measured", "Ran", "read_results", "run_cells"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A cell with its result.

    Attributes:
        result: As `measure_cell` returned it; None where it has not been run on this version's
            worlds.
        current: Whether the source and the definition are those that made it.
        made_of: Hash of the source that made it.
    """

    cell: Cell
    result: dict[str, Any] | None
    current: bool
    made_of: str | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run did: cells measured, cells that were there, and what went wrong with the rest."""

    run: int
    reused: int
    failed: dict[str, str]


def run_cells(
    cells: Sequence[Cell],
    out: Path,
    *,
    jobs: int = 1,
    only: str = "*",
    tell: Callable[[str], None] = lambda _: None,
) -> Ran:
    """Measure the cells that have no current result in `out`.

    A cell that fails leaves no result, and is run again next time. Each result is written whole or
    not at all, so an interrupted run goes on where it stopped.

    Args:
        cells: Of the suite.
        out: Folder of the results, one file a cell.
        jobs: Cells that are measured at the same time, each in a process of its own.
        only: Pattern of the cells to run, such as `evasion--*`.
        tell: Told of each cell that ends.
    """
    out.mkdir(parents=True, exist_ok=True)
    wanted = [cell for cell in cells if fnmatch.fnmatch(cell.file.removesuffix(".json"), only)]
    waiting = [cell for cell in wanted if not _read(cell, out).current]
    failed: dict[str, str] = {}
    for number, (cell, seconds, error) in enumerate(_all(waiting, out, jobs), start=1):
        name = cell.file.removesuffix(".json")
        if error is None:
            tell(f"{number} of {len(waiting)}: {name}, {seconds:.0f} s")
        else:
            failed[name] = error
            tell(f"{number} of {len(waiting)}: {name} failed: {error}")
    return Ran(len(waiting) - len(failed), len(wanted) - len(waiting), failed)


def read_results(cells: Sequence[Cell], out: Path) -> list[Measured]:
    """Every cell with what is known of it, in the suite's order."""
    return [_read(cell, out) for cell in cells]


def _all(cells: Sequence[Cell], out: Path, jobs: int) -> Iterator[tuple[Cell, float, str | None]]:
    """Each cell when it has been measured, with its seconds and, if it failed, why."""
    if jobs <= 1:
        yield from ((cell, *_measure(cell, out)) for cell in cells)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = {pool.submit(_measure, cell, out): cell for cell in cells}
        for future in as_completed(futures):
            yield futures[future], *future.result()


def _measure(cell: Cell, out: Path) -> tuple[float, str | None]:
    began = time.monotonic()
    scratch = Path(tempfile.mkdtemp(prefix="stillwatch-suite-"))
    try:
        result = measure_cell(cell, scratch)
    except StillwatchError as error:
        return time.monotonic() - began, str(error)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    value = {
        "version": VERSION,
        "key": cell_key(cell),
        "source": sources_hash(),
        "cell": cell.as_json(),
        "result": result,
    }
    place = out / cell.file
    partial = place.with_suffix(".partial")
    partial.write_text(json.dumps(value, default=str) + "\n")
    os.replace(partial, place)
    return time.monotonic() - began, None


def _read(cell: Cell, out: Path) -> Measured:
    place = out / cell.file
    if not place.is_file():
        return Measured(cell, None, current=False)
    try:
        value = json.loads(place.read_text())
    except ValueError:
        return Measured(cell, None, current=False)
    # The first results that were kept are of version 2, and do not say so.
    if value["cell"] != cell.as_json() or value.get("version", 2) != VERSION:
        return Measured(cell, None, current=False)
    return Measured(
        cell, value["result"], current=value["key"] == cell_key(cell), made_of=value["source"]
    )
