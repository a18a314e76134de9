"""What every honest population has: a name, a share of the accounts, a volume, and a life."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from stillwatch.simulation.cohort import Cohort

__all__ = ["GroupSize", "Population", "Single", "Together"]


@dataclass(frozen=True, slots=True)
class GroupSize:
    """Heavy-tailed sizes of a population's groups."""

    smallest: int
    usual: int
    largest: int

    def draw(self, rng: np.random.Generator) -> int:
        size = int(rng.lognormal(np.log(self.usual), 0.6))
        return min(max(size, self.smallest), self.largest)


class Population(Protocol):
    """Honest accounts that have one reason to look guilty in common."""

    name: ClassVar[str]
    share: ClassVar[float]
    daily: ClassVar[float]
    group: ClassVar[GroupSize | None]

    def live(self, cohort: Cohort, size: int) -> None:
        """Open `size` accounts and let them send for the whole window."""


class Single(Population):
    """Accounts that have nothing to do with one another.

    `share` is the part of all honest accounts, `daily` an account's mean exchanges a day.
    """

    group: ClassVar[GroupSize | None] = None


class Together(Population):
    """Accounts that come in groups, each of which one honest reason makes alike."""
