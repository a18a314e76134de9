"""What every part of a world agrees on: its seed, its calendar, its models and its mishaps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "MODELS",
    "SECOND",
    "Floats",
    "Frame",
    "Ints",
    "moment",
    "token",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_FIRST_DAY = datetime(2026, 3, 2, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Invented models. The last one appears within the window, so that honest crowds pivot too.
MODELS: dict[str, float] = {
    "aster-3-mini": -420.0,
    "aster-3-large": -240.0,
    "aster-3-reason": -95.0,
    "aster-4-mini": -31.0,
    "aster-4-large": 0.45,
}


def token(kind: str, *parts: object) -> str:
    """A pseudonym of the form `kind_hex`, as a provider's keyed hash would give."""
    digest = hashlib.blake2b("\x1f".join(map(str, (kind, *parts))).encode(), digest_size=9)
    return f"{kind}_{digest.hexdigest()}"


def moment(microseconds: int | np.int64) -> datetime:
    """Microseconds since 1970 as a time in UTC."""
    return _EPOCH + timedelta(microseconds=int(microseconds))


@dataclass(frozen=True, slots=True)
class Frame:
    """The common facts of a world.

    Attributes:
        seed: Everything random follows from it.
        days: Length of the window; it starts on a Monday, at midnight UTC.
        volume: Factor on everyone's volume.
    """

    seed: int
    days: int
    volume: float = 1.0

    @property
    def start(self) -> int:
        return int((_FIRST_DAY - _EPOCH).total_seconds()) * SECOND

    @property
    def end(self) -> int:
        return self.start + self.days * DAY

    @property
    def release(self) -> int:
        """When the newest model becomes available."""
        return self.start + int(self.days * MODELS["aster-4-large"]) * DAY + 16 * HOUR

    @property
    def outage(self) -> tuple[int, int]:
        """The hours in which the provider was down; afterwards all return at once."""
        begins = self.start + int(self.days * 0.7) * DAY + 13 * HOUR + 20 * MINUTE
        return begins, begins + 100 * MINUTE

    def releases(self) -> dict[str, int]:
        """When each model was released, in microseconds."""
        return {
            name: self.release if age > 0 else self.start + int(age * DAY)
            for name, age in MODELS.items()
        }

    def rng(self, *key: int) -> np.random.Generator:
        """A stream of its own for a part of the world, whoever computes it and when."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, *key]))

    def after_outage(self, rng: np.random.Generator, started: Ints) -> Ints:
        """Move what fell into the outage to the rush after it, in the same order."""
        begins, ends = self.outage
        within = (started >= begins) & (started < ends)
        if not within.any():
            return started
        delayed = ends + (started - begins) // 6 + rng.integers(0, SECOND, len(started))
        moved: Any = np.where(within, delayed, started)
        return np.asarray(moved, np.int64)
