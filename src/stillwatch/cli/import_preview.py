"""`stillwatch import --detect` and `--explain`: look at a log before, or after, it is imported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stillwatch.cli.output import emit_json, say
from stillwatch.records import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stillwatch.identity import KeySource, Tokeniser
    from stillwatch.sources.adapter import Adapter
    from stillwatch.sources.detection import Candidate

__all__ = ["print_detected", "print_explained"]


def print_detected(path: Path, *, as_json: bool) -> None:
    """Say which format a file, or the files of a folder, most likely have.

    Raises:
        InputError: No format fits.
    """
    from stillwatch.sources.detection import detect_format
    from stillwatch.sources.pipeline import input_files
    from stillwatch.sources.quarantine import one_line

    candidates = detect_format(input_files([path]))
    best = candidates[0] if candidates and candidates[0].fit > 0 else None
    known = best.known if best else None
    if as_json:
        emit_json(
            {
                "format": best.name if best else None,
                "file": str(best.file) if best else None,
                "needs": known.needs if known else None,
                "candidates": [
                    {"format": c.name, "fit": round(c.fit, 3), "why": c.explain()}
                    for c in candidates
                ],
            }
        )
    others = [c for c in candidates if c is not best]
    if best is None:
        _print_candidates([] if as_json else others)
        raise InputError("no format reads this file.", where=str(path), remedy=_way_out(path))
    if not as_json:
        _print_candidates([best])
    if path.is_dir():
        say(one_line(f"Told by {best.file}."))
    words = [f"--format {best.name}"]
    if known:
        say(known.needs)
        words += [known.beside] if known.beside else []
    say(f"Next: `stillwatch import {' '.join([*words, str(path)])} --lake DIR`.")
    if not as_json:
        say("Less likely, and why:")
        _print_candidates(others)


def _print_candidates(candidates: Iterable[Candidate]) -> None:
    for candidate in candidates:
        sys.stdout.write(f"{candidate.name}: {candidate.explain()}\n")
    # What is said beside it on a terminal keeps its place.
    sys.stdout.flush()


def _way_out(path: Path) -> str:
    """What to do with a file that no format reads."""
    from stillwatch.sources.unpacking import unusable_as_a_whole

    if path.is_file() and path.stat().st_size == 0:
        return "It is empty: name one that has rows."
    if path.is_file() and (reason := unusable_as_a_whole(path)):
        return reason[0].upper() + reason[1:]
    return "Write a map for `--format generic`: see docs/sources/generic.md."


def print_explained(
    inputs: tuple[Path, ...],
    row: int,
    *,
    adapter: Adapter,
    key: KeySource,
    fills: Mapping[str, str],
    as_json: bool,
) -> None:
    """Print how one row of a file is read; nothing is imported.

    Raises:
        InputError: There are several files, or nothing comes from the row.
    """
    from datetime import UTC, datetime

    from stillwatch.sources.explaining import explain_row
    from stillwatch.sources.quarantine import one_line

    if len(inputs) != 1 or not inputs[0].is_file():
        raise InputError(
            "a row is looked at in one file.", where="--explain", remedy="Name one file."
        )
    readings, remarks = explain_row(
        inputs[0],
        row,
        adapter=adapter,
        tokeniser=_tokeniser(key),
        fills=fills,
        now=datetime.now(UTC),
    )
    if not readings:
        raise InputError(
            f"nothing comes from row {row:,}.",
            where=str(inputs[0]),
            remedy="The format passes it over, or the file has fewer rows.",
        )
    origins: Mapping[str, str] = getattr(adapter, "origins", {})
    if as_json:
        emit_json(
            {
                "row": row,
                "readings": [
                    {
                        "table": reading.table or None,
                        "columns": dict(reading.columns),
                        "origins": {n: origins[n] for n in reading.columns if n in origins},
                        "absent": list(reading.absent),
                        "reason": reading.reason or None,
                    }
                    for reading in readings
                ],
                "remarks": remarks,
            }
        )
        return
    for reading in readings:
        if reading.reason:
            sys.stdout.write(one_line(f"row {row} is quarantined: {reading.reason}") + "\n")
            continue
        sys.stdout.write(f"row {row} is a row of {reading.table}:\n")
        for name, value in reading.columns.items():
            origin = f"{origins[name]}: " if name in origins else ""
            sys.stdout.write(one_line(f"  {name} <- {origin}{value}") + "\n")
        if reading.absent:
            sys.stdout.write(f"  nothing is said of {', '.join(reading.absent)}\n")
    for remark in remarks:
        say(one_line(remark))
    say("Nothing was imported. Texts and names are shown by their length, identifiers as tokens.")


def _tokeniser(key: KeySource) -> Tokeniser:
    """The key's, or one of the moment: a first look at a log needs no key."""
    import secrets

    from stillwatch.identity import Key, Tokeniser

    if key.file is None or key.file.exists():
        return Tokeniser(key.read())
    say("There is no key yet: the tokens below are under one of this moment.")
    return Tokeniser(Key(secrets.token_bytes(32)))
