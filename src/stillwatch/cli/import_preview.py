"""`stillwatch import --detect` and `--explain`: look at a log before, or after, it is imported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from stillwatch.cli.output import emit_json, say
from stillwatch.records import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stillwatch.identity import KeySource, Tokeniser
    from stillwatch.sources.adapter import Adapter

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
    else:
        for candidate in candidates:
            sys.stdout.write(f"{candidate.name}: {candidate.explain()}\n")
    if best is not None and path.is_dir():
        say(one_line(f"Told by {best.file}."))
    if best is None:
        raise InputError("no format reads this file.", where=str(path), remedy=_way_out(path))
    words = [f"--format {best.name}"]
    if known:
        say(known.needs)
        words += [known.beside] if known.beside else []
    say(f"Next: `stillwatch import {' '.join([*words, str(path)])} --lake DIR`.")


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
