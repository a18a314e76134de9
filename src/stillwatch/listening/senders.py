"""Who may send: bearer tokens, each bound to the name of a source, kept as their hashes."""

from __future__ import annotations

import hmac
import os
import re
import secrets
import time
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from stillwatch.records import InputError, flush_to_disk, private_file

__all__ = [
    "DEFAULT_SOURCE",
    "Senders",
    "add_sender",
    "checked_source",
    "remove_sender",
    "sources_of",
]

DEFAULT_SOURCE = "default"
"""Whose accounts keep their names as they are; no token is bound to it."""

# No colon: ids are stored as `source:account`, and no two sources may meet there.
_SOURCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_HASH = re.compile(r"[0-9a-f]{64}")
_TOKEN_BYTES = 32
_LOOKED_AT_SECONDS = 1.0
_HEADER = "# Source and SHA-256 of its token; written by `stillwatch senders`.\n"


@dataclass(slots=True)
class Senders:
    """The file of tokens; what changes in it holds within a second.

    Raises:
        InputError: The file cannot be read, others may write it, or a line of it is none.
    """

    path: Path
    _hashes: list[tuple[str, str]] = field(default_factory=list)
    _stamp: tuple[int, int, int] = (0, 0, 0)
    _looked_at: float = 0.0

    def __post_init__(self) -> None:
        self._stamp = _stamp_of(self.path)
        self._hashes = _read(self.path)

    def source_of(self, token: str) -> str | None:
        """The source that a token is bound to. How long this takes does not depend on the token."""
        self._look_again()
        given = sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found = None
        for source, known in self._hashes:
            if hmac.compare_digest(given, known):
                found = source
        return found

    def _look_again(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < _LOOKED_AT_SECONDS:
            return
        self._looked_at = now
        try:
            stamp = _stamp_of(self.path)
            if stamp != self._stamp:
                self._hashes, self._stamp = _read(self.path), stamp
        except InputError:
            pass  # half-written or gone: what was last read holds


def checked_source(name: str, *, where: str) -> str:
    """The name, if it can be a source's.

    Raises:
        InputError: It cannot.
    """
    if not _SOURCE.fullmatch(name) or name == DEFAULT_SOURCE:
        raise InputError(
            "this cannot be the name of a source.",
            where=where,
            remedy="Take up to 63 of a-z, 0-9, '.', '_' and '-', a letter or digit first, and not "
            f"{DEFAULT_SOURCE!r}.",
        )
    return name


def add_sender(path: Path, source: str) -> str:
    """A new token for a source, of which only the hash is kept. A source may have several.

    Returns:
        The token, which nobody can read again.
    """
    checked_source(source, where=source[:64])
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    known = _read(path) if path.exists() else []
    _write(path, [*known, (source, sha256(token.encode()).hexdigest())])
    return token


def remove_sender(path: Path, source: str) -> int:
    """Take away all tokens of a source; says how many there were."""
    known = _read(path)
    kept = [pair for pair in known if pair[0] != source]
    if len(kept) < len(known):
        _write(path, kept)
    return len(known) - len(kept)


def sources_of(path: Path) -> dict[str, int]:
    """How many tokens each source has."""
    counted: dict[str, int] = {}
    for source, _ in _read(path):
        counted[source] = counted.get(source, 0) + 1
    return counted


def _write(path: Path, pairs: list[tuple[str, str]]) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with private_file(path) as partial:
        lines = [f"{source} {digest}\n" for source, digest in pairs]
        partial.write_text("".join([_HEADER, *lines]), encoding="ascii")
        flush_to_disk(partial)


def _stamp_of(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise _unusable(path, f"cannot be read ({error.strerror})") from error
    if found.st_mode & 0o022:
        raise _unusable(path, "can be written by others: whoever writes it may send")
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> list[tuple[str, str]]:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise _unusable(path, "cannot be read") from error
    pairs = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        source, _, digest = line.strip().partition(" ")
        where = f"{os.fspath(path)}, line {number}"
        if not _HASH.fullmatch(digest.strip()):
            raise InputError(
                "this line is no source and SHA-256 of its token.",
                where=where,
                remedy="Make it with `stillwatch senders add`.",
            )
        pairs.append((checked_source(source, where=where), digest.strip()))
    return pairs


def _unusable(path: Path, what: str) -> InputError:
    return InputError(
        f"the file of tokens {what}.",
        where=os.fspath(path),
        remedy="Make it with `stillwatch senders add SOURCE --tokens FILE`, mode 0600.",
    )
