"""How much one sender, and all of them together, may ask of the receiver."""

from __future__ import annotations

from dataclasses import dataclass

from stillwatch.sources.limits import Limits

__all__ = ["ReceiverLimits"]

_MEGABYTE = 2**20


@dataclass(frozen=True, slots=True)
class ReceiverLimits:
    """The limits of a receiver.

    Attributes:
        body_mb: Largest body of a request as it is sent, in MiB.
        unpacked_mb: What a body may unpack to, in MiB.
        rows: Exchanges, spans or log records of one request.
        waiting_mb: Bodies that are read or judged at one time, in MiB, all senders together.
        spool_rows: Exchanges and pieces that may wait for the lake.
        spool_mb: What they may take on the disk, in MiB.
        body_seconds: How long a sender may take over a body.
        common: The limits that files have, too: ratio and nesting.
    """

    body_mb: int = 16
    unpacked_mb: int = 64
    rows: int = 20_000
    waiting_mb: int = 64
    spool_rows: int = 2_000_000
    spool_mb: int = 4_096
    body_seconds: float = 60.0
    common: Limits = Limits()

    @property
    def body_bytes(self) -> int:
        return self.body_mb * _MEGABYTE

    @property
    def unpacked_bytes(self) -> int:
        return self.unpacked_mb * _MEGABYTE

    @property
    def waiting_bytes(self) -> int:
        # One body always fits, or it would wait for ever.
        return max(self.waiting_mb, self.body_mb) * _MEGABYTE

    @property
    def spool_bytes(self) -> int:
        return self.spool_mb * _MEGABYTE
