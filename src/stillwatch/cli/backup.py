"""`stillwatch backup`: a lake as one file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import click

from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.outside_lakes import require_outside_lakes
from stillwatch.records import InputError

__all__ = ["command"]

_lake = click.option(
    "--lake", "lake_path", required=True, type=click.Path(path_type=Path), help="The lake's folder."
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_STANDARD = "-"


@click.command(name="backup")
@_lake
@click.option(
    "--out", required=True, help="A new file, readable by you only; `-` for standard output."
)
@click.option("--with-key", is_flag=True, help="Put the key into it, too.")
@click.option("--key-file", type=click.Path(path_type=Path), help="The file that holds the key.")
@click.option("--key-command", help="A command that prints the key.")
@_json
@reports_errors
def command(
    lake_path: Path,
    out: str,
    with_key: bool,
    key_file: Path | None,
    key_command: str | None,
    as_json: bool,
) -> None:
    """Write a lake as it is at one moment into a tar file, with a checksum of each file.

    Others may import, scan and receive meanwhile. Findings, holds and what a receiver holds go
    along; the key only with --with-key: keep the two apart.
    """
    from stillwatch.identity import KeySource
    from stillwatch.lake.backup import back_up

    if out == _STANDARD and as_json:
        raise InputError(
            "standard output cannot hold the backup and JSON.",
            where="--json",
            remedy="Leave out --json, or give --out a file.",
        )
    key = KeySource.chosen(file=key_file, command=key_command).read() if with_key else None
    started = time.monotonic()
    with _written(out) as file:
        saved = back_up(lake_path, file, key=key)
    if as_json:
        emit_json(
            {
                "files": saved.files,
                "bytes": saved.size,
                "exchanges": saved.exchanges,
                "with_key": saved.with_key,
                "taken_at": saved.taken_at.isoformat(timespec="seconds"),
                "key_fingerprint": saved.key_fingerprint,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
    say(
        f"Saved {amount(saved.exchanges, 'exchange')} in {amount(saved.files, 'file')} "
        f"({saved.size:,} bytes)."
    )
    if not saved.with_key:
        say(
            f"The key {saved.key_fingerprint} is not in it: keep a copy of the key, in another place."
        )


@contextmanager
def _written(out: str) -> Iterator[IO[bytes]]:
    """Standard output, or a new file that appears when it is whole and on the disk."""
    from stillwatch.records import flush_to_disk, private_file

    if out == _STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    path = Path(out)
    require_outside_lakes(path)
    if path.exists():
        raise InputError(
            "there is something here already, and a backup overwrites nothing.",
            where=out,
            remedy="Give a new file with --out.",
        )
    with private_file(path) as partial:
        with partial.open("wb") as file:
            yield file
        flush_to_disk(partial)
    flush_to_disk(path.parent)
