"""Checkpoints of the audit log: how far it had come, signed with a key that no database holds.

A file of checkpoints has one a line, the newest last. It lies where whoever writes to the database
may not write: then a log that was written anew, or an old copy brought back, is found out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from stillwatch.records import InputError, flush_to_disk, private_file

if TYPE_CHECKING:
    from stillwatch.identity import SigningKey, VerifyKeys

__all__ = ["Checkpoint", "add_checkpoint", "read_checkpoints"]

_FORMAT = 1
_PURPOSE = b"stillwatch audit checkpoint"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log's last record at a moment: its number and its hash."""

    sequence: int
    head: str
    at: datetime

    def signed(self, key: SigningKey) -> str:
        """As a line of JSON."""
        said = self._said()
        return json.dumps({**said, "signature": key.sign(_PURPOSE, _bytes(said)).hex()})

    def _said(self) -> dict[str, object]:
        return {
            "format": _FORMAT,
            "sequence": self.sequence,
            "head": self.head,
            "at": self.at.isoformat(),
        }


def add_checkpoint(path: Path, checkpoint: Checkpoint, key: SigningKey) -> None:
    """Add a checkpoint to a file of them, which may be new; whole or not at all."""
    earlier = path.read_text(encoding="utf-8") if path.exists() else ""
    if earlier and not earlier.endswith("\n"):
        earlier += "\n"
    with private_file(path) as partial:
        partial.write_text(f"{earlier}{checkpoint.signed(key)}\n", encoding="utf-8")
        flush_to_disk(partial)
    flush_to_disk(path.absolute().parent)


def read_checkpoints(path: Path, keys: VerifyKeys) -> list[Checkpoint]:
    """The checkpoints in a file.

    Raises:
        InputError: There is none, or one of them is not signed by any of these keys.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        if not line.strip():
            continue
        where = f"{path}, line {number + 1}"
        try:
            given = json.loads(line)
            checkpoint = Checkpoint(
                int(given["sequence"]), str(given["head"]), datetime.fromisoformat(given["at"])
            )
            signature, form = bytes.fromhex(given["signature"]), given["format"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(
                "this is no checkpoint.",
                where=where,
                remedy="Give a file that `stillwatch audit checkpoint --out FILE` wrote.",
            ) from error
        if form != _FORMAT:
            raise InputError(
                "a newer version made this checkpoint.", where=where, remedy="Use that version."
            )
        if not keys.verifies(_PURPOSE, _bytes(checkpoint._said()), signature):
            raise InputError(
                "this checkpoint is not signed with the key that is believed.",
                where=where,
                remedy="It was changed, or another key made it: name that one's public key with "
                "--verify-key.",
            )
        found.append(checkpoint)
    if not found:
        raise InputError(
            "there is no checkpoint here.",
            where=str(path),
            remedy="`stillwatch audit checkpoint --out FILE` makes one.",
        )
    return found


def _bytes(said: dict[str, object]) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()
