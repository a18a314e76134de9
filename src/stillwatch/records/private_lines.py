"""Secrets in files: one line, which nobody else may read."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from stillwatch.records.errors import InputError

__all__ = ["read_private_line"]

_MOST_BYTES = 4_096


def read_private_line(path: Path, what: str) -> str:
    """The first line of a file that nobody else may read.

    Raises:
        InputError: Others may read it, or it is empty or no text.
    """
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        content = file.read(_MOST_BYTES)
    if mode & 0o077:
        raise InputError(
            f"others may read this {what} (the file's mode is {mode:04o}).",
            where=str(path),
            remedy=f"Run `chmod 600 {shlex.quote(str(path))}`.",
        )
    lines = content.decode("utf-8", "replace").splitlines()
    if not lines or not lines[0].strip():
        raise InputError(
            f"there is no {what} here.", where=str(path), remedy="Put it in the first line."
        )
    return lines[0].strip()
