"""How hard a campaign hides: four dials, each from 0 (not at all) to 3 (as well as it can)."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace

from stillwatch.records import InputError

__all__ = ["Evasion"]

_COVER = (0.0, 0.25, 0.5, 0.9)
_COVER_PERCENT = {25: 1, 50: 2, 90: 3}
_HIGHEST = 3


@dataclass(frozen=True, slots=True)
class Evasion:
    """The dials.

    Attributes:
        identity: 0 shared card, device and network; 1 shared within sub-pools of five;
            2 same issuer and operator of the network only; 3 nothing.
        wording: 0 verbatim; 1 three wrappers; 2 reworded, reordered, translated;
            3 no common wording.
        timing: 0 round robin, level volumes; 1 jitter; 2 own waking hours, uneven volumes;
            3 the rhythm of a real client.
        cover: 0, 25, 50 or 90 % of an account's exchanges, for 0 to 3.
    """

    identity: int = 1
    wording: int = 1
    timing: int = 1
    cover: int = 1

    @property
    def cover_share(self) -> float:
        """Part of an account's exchanges that only look honest."""
        return _COVER[self.cover]

    def at_least(self, **floors: int) -> Evasion:
        """These dials, raised to what a kind of campaign is by its nature."""
        return replace(
            self, **{name: max(level, getattr(self, name)) for name, level in floors.items()}
        )

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    @staticmethod
    def parse(text: str) -> Evasion:
        """Read `2` (all dials) or `identity=1,cover=3` (the others stay at 1).

        Raises:
            InputError: The text is neither, or a level lies outside 0 to 3.
        """
        if re.fullmatch(r"\d+", text.strip()):
            level = _level("evasion", text.strip())
            return Evasion(level, level, level, level)
        levels = {}
        for part in text.split(","):
            name, _, value = part.strip().partition("=")
            if name not in Evasion.__dataclass_fields__ or not value:
                raise InputError(
                    f"{part.strip()!r} is no dial.",
                    where="--evasion",
                    remedy="Write one number, or some of identity=N,wording=N,timing=N,cover=N.",
                )
            levels[name] = _level(name, value)
        return Evasion(**levels)


def _level(name: str, value: str) -> int:
    number = int(value) if value.isdigit() else -1
    if name == "cover":
        number = _COVER_PERCENT.get(number, number)
    if not 0 <= number <= _HIGHEST:
        raise InputError(
            f"{name} cannot be {value}.",
            where="--evasion",
            remedy="Each dial goes from 0 to 3 (cover also as 25, 50 or 90).",
        )
    return number
