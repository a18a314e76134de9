"""`stillwatch restore`: a backup becomes a lake again."""

from __future__ import annotations

import time
from pathlib import Path

import click

from stillwatch.cli.output import amount, emit_json, reports_errors, say

__all__ = ["command"]

_STANDARD = "-"


@click.command(name="restore")
@click.argument("source", metavar="FILE")
@click.option(
    "--lake",
    "lake_path",
    required=True,
    type=click.Path(path_type=Path),
    help="A new folder for the lake.",
)
@click.option(
    "--key-file",
    type=click.Path(path_type=Path),
    help="Where the key goes, if the backup holds one.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def command(source: str, lake_path: Path, key_file: Path | None, as_json: bool) -> None:
    """Bring a lake back from a backup; `-` for standard input.

    Every file is compared with its checksum, and the folder appears only when all is there.
    Nothing is overwritten.
    """
    from stillwatch.identity import store_key
    from stillwatch.lake.restoring import restore

    started = time.monotonic()
    with click.open_file(source, "rb") as file:
        name = "standard input" if source == _STANDARD else source
        restored = restore(file, lake_path, name=name)
    if key_file is not None and restored.key is not None:
        store_key(restored.key, key_file)
    if as_json:
        emit_json(
            {
                "files": restored.files,
                "bytes": restored.size,
                "exchanges": restored.exchanges,
                "taken_at": restored.taken_at,
                "key_fingerprint": restored.key_fingerprint,
                "with_key": restored.key is not None,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
    say(
        f"Restored {amount(restored.exchanges, 'exchange')} in {amount(restored.files, 'file')} "
        f"({restored.size:,} bytes), as of {restored.taken_at}."
    )
    if restored.key is None:
        say(f"Imports into it need the key {restored.key_fingerprint}, which is not in the backup.")
    elif key_file is None:
        say("The key in the backup was left there; --key-file says where it goes.")
    say(f"Next: stillwatch lake check --lake {lake_path}")
