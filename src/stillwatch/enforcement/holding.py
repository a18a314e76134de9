"""The newest good snapshot of a gateway, in memory and in a file that outlives the process.

Whatever is offered, the last good one is held until a newer good one has been checked whole.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from pathlib import Path

from stillwatch.enforcement.clocks import SteadyClock
from stillwatch.enforcement.snapshot import Snapshot, SnapshotError, Unusable
from stillwatch.enforcement.snapshot_writing import alone_at
from stillwatch.identity import VerifyKeys
from stillwatch.records import flush_to_disk

__all__ = ["SnapshotHolder"]

_log = logging.getLogger(__name__)


class SnapshotHolder:
    """Holds a snapshot for a decider.

    All workers of a gateway may hold the same file: one puts new ones there (`take`), and the
    others see that it was replaced (`look_again`).

    Args:
        path: A file of this gateway's own, in a folder that nobody else writes.
        keys: Whose signature is believed.
        key_fingerprint: Of the gateway's keys.
        clock: Learns that it cannot be earlier than when the held snapshot was made.
    """

    def __init__(
        self,
        path: Path,
        keys: VerifyKeys,
        *,
        key_fingerprint: str | None = None,
        clock: SteadyClock | None = None,
    ) -> None:
        self.path = path
        self._keys = keys
        self._key_fingerprint = key_fingerprint
        self._clock = clock
        self._stamp: tuple[int, int, int] | None = None
        self._snapshot: Snapshot | None = None
        self.refused: Counter[Unusable] = Counter()
        """How often what was offered was not taken, and why."""

    @property
    def snapshot(self) -> Snapshot | None:
        """The newest that was good; None before the first."""
        return self._snapshot

    def look_again(self) -> bool:
        """Hold what lies in the file, if it was replaced and is newer; whether it was taken."""
        try:
            found = self.path.stat()
        except OSError:
            return False  # gone: what is held is still good
        stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        return self._hold(self.path)

    def take(self, offered: Path) -> bool:
        """Hold a file that was fetched beside ours, and keep it in place of ours, if it is good.

        The file is moved or removed.
        """
        try:
            with alone_at(self.path):
                self.look_again()
                if not self._hold(offered):
                    return False
                flush_to_disk(offered)
                os.chmod(offered, 0o600)
                os.replace(offered, self.path)
                found = self.path.stat()
                self._stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            flush_to_disk(self.path.parent)
            return True
        finally:
            offered.unlink(missing_ok=True)

    def _hold(self, path: Path) -> bool:
        try:
            offered = Snapshot.open(path, self._keys, key_fingerprint=self._key_fingerprint)
        except SnapshotError as error:
            self._refuse(error.reason, str(error))
            return False
        held = self._snapshot
        if held is not None and offered.order <= held.order:
            if offered.order < held.order:
                self._refuse(
                    Unusable.OLDER,
                    f"a snapshot of sequence {offered.header.sequence} was offered, and one of "
                    f"{held.header.sequence} is held.",
                )
            return False
        if self._clock is not None:
            self._clock.not_before(offered.header.created_ms / 1000)
        # One assignment: who decides meanwhile has the old one whole, or the new one.
        self._snapshot = offered
        return True

    def _refuse(self, reason: Unusable, why: str) -> None:
        self.refused[reason] += 1
        _log.warning("snapshot not taken (%s): %s", reason.value, why)
