"""Which models are too new for a linked group (`cap_new_models`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["NewModels"]

# A campaign collects a model in its first weeks; later there is less to gain.
_YOUNGEST_DAYS = 30


@dataclass(frozen=True, slots=True)
class NewModels:
    """Models with the moment of their release, as in the table of model releases.

    Attributes:
        released_at: By the name that clients use.
        youngest_days: A model that was released less long ago is kept back.
    """

    released_at: Mapping[str, datetime]
    youngest_days: int = _YOUNGEST_DAYS

    def holds_back(self, model: str | None, now: datetime) -> bool:
        """Whether a model is too new; one whose release nobody told is not."""
        released_at = self.released_at.get(model or "")
        return released_at is not None and now - released_at < timedelta(days=self.youngest_days)
