"""The second process of a receiver: it folds the spool into the lake, again and again.

Apart from the one that answers, so that neither waits for the other's interpreter. It hears on its
standard input: first one line of JSON with what it needs to know, then a byte for each wish to fold
now, and the end of the input. Then it folds what is due and ends; where the receiver said before
that it stops, also what could have waited for more. After each fold it keeps the lake's files few.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from stillwatch.identity import Key
from stillwatch.receiver.folding import Folder
from stillwatch.receiver.spool import SPOOL_FOLDER, Spool
from stillwatch.receiver.tidying import Tidying
from stillwatch.records import StillwatchError

__all__ = ["Importer"]

_AFTER_FAILURE_SECONDS = 5.0
# Between tries to remove what readers may still be reading.
_BETWEEN_TRIES_SECONDS = 1.0
_LOCK = "fold.lock"
_WISHES, _STOPS = b".", b"!"


@dataclass(slots=True)
class Importer:
    """The process, as the receiver sees it.

    Attributes:
        every_seconds: How long exchanges wait in the spool at most.
    """

    lake: Path
    key: Key
    every_seconds: float
    settle_seconds: float
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, or start it again."""
        process = subprocess.Popen(
            [sys.executable, "-m", "stillwatch.receiver.importer"], stdin=subprocess.PIPE
        )
        told = {
            "lake": str(self.lake),
            "secrets": [link.secret.hex() for link in self.key.links],
            "every": self.every_seconds,
            "settle": self.settle_seconds,
        }
        self._process = process
        self._write(json.dumps(told).encode() + b"\n")

    def fold_now(self) -> None:
        """Ask for a fold before its time."""
        self._write(_WISHES)

    @property
    def has_died(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def stop(self) -> int:
        """Let it fold the rest, and wait; its exit status, 0 if nothing waits any more."""
        if self._process is None:
            return 0
        if self.has_died:
            self.start()
        self._write(_STOPS)
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        return self._process.wait()

    def _write(self, data: bytes) -> None:
        pipe = self._process.stdin if self._process else None
        try:
            if pipe is not None:
                pipe.write(data)
                pipe.flush()
        except BrokenPipeError:
            pass  # it has died: whoever looks after it starts it again


def main() -> int:
    """Fold until the input ends."""
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, signal.SIG_IGN)  # sent to the whole group; the receiver decides
    # Unbuffered: what follows the first line is waited for on the pipe itself.
    pipe = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115
    told = json.loads(pipe.readline() or b"null")
    if told is None:
        return 0
    lake = Path(told["lake"])
    secrets = [bytes.fromhex(secret) for secret in told["secrets"]]
    key = Key(secrets[-1], tuple(secrets[:-1]))
    with (lake / SPOOL_FOLDER / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of a receiver that was killed, one may still be at work
        folder = Folder(lake, key, Spool.of_lake(lake), told["settle"])
        return _fold_until_end(folder, Tidying(lake, _say), pipe, told["every"])


def _fold_until_end(folder: Folder, tidying: Tidying, pipe: FileIO, every: float) -> int:
    due, stops = time.monotonic() + every, False
    while True:
        said = _heard(pipe, due, tidying)
        stops = stops or _STOPS in (said or b"")
        if said == b"":
            went_well = _folded(folder, everything=stops)
            if went_well:
                tidying.tidy()
            return 0 if went_well else 1
        if stops:
            continue  # the end of the input is near
        due = time.monotonic() + every
        if _folded(folder, everything=False):
            tidying.tidy()
        else:
            due = time.monotonic() + _AFTER_FAILURE_SECONDS


def _heard(pipe: FileIO, due: float, tidying: Tidying) -> bytes | None:
    """What the receiver says until it is time, if anything; nothing at all is the end."""
    while True:
        left = max(0.0, due - time.monotonic())
        waits = min(left, _BETWEEN_TRIES_SECONDS) if tidying.waits_for_readers else left
        ready, _, _ = select.select([pipe], [], [], waits)
        if ready:
            return os.read(pipe.fileno(), 4096)
        if waits == left:
            return None
        tidying.remove_replaced()


def _folded(folder: Folder, *, everything: bool) -> bool:
    """Fold all that is due; whether that went well."""
    try:
        while folder.fold(everything=everything).left:
            pass
    except StillwatchError as error:
        failure = str(error)
    except OSError as error:
        failure = f"{error.strerror or error}."
    else:
        return True
    _say(f"Folding into the lake failed: {failure}")
    _say("What was acknowledged stays in the spool, and is folded later.")
    return False


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
