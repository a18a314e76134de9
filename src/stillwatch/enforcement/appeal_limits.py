"""How often strangers may ask, in memory that does not grow: by reference, by network, in all."""

from __future__ import annotations

from dataclasses import dataclass, field

from stillwatch.identity.normalise import address_of, network_of

__all__ = ["Rates", "Turnstile"]

# Counts of a window; beyond it only the limit of all together holds, and memory stays as it is.
_MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Requests a minute.

    Attributes:
        of_reference: More than a person needs who mistypes and looks again.
        of_network: Of a /24 or /48: an office behind one address.
        of_all: What the store answers beside its other work.
    """

    of_reference: int = 10
    of_network: int = 60
    of_all: int = 3_000


@dataclass(slots=True)
class _Window:
    most: int
    counts: dict[str, int] = field(default_factory=dict)

    def takes(self, key: str) -> bool:
        count = self.counts.get(key)
        if count is None and len(self.counts) >= _MOST_COUNTED:
            return True
        self.counts[key] = (count or 0) + 1
        return self.counts[key] <= self.most


@dataclass(slots=True)
class Turnstile:
    """Counts requests in windows of one minute. It never asks whether a reference exists."""

    rates: Rates = field(default_factory=Rates)
    _minute: int = -1
    _networks: _Window = field(init=False)
    _references: _Window = field(init=False)
    _all: int = 0

    def __post_init__(self) -> None:
        self._networks = _Window(self.rates.of_network)
        self._references = _Window(self.rates.of_reference)

    def lets_in(self, peer: str, now: float) -> bool:
        """Whether somebody at this address may ask; `now` is in seconds, monotonic."""
        self._turn(now)
        # A network that asks too often does not use up what all have together.
        if not self._networks.takes(_network(peer)) or self._all >= self.rates.of_all:
            return False
        self._all += 1
        return True

    def lets_ask_of(self, reference: str, now: float) -> bool:
        """Whether this reference may be asked of once more."""
        self._turn(now)
        return self._references.takes(reference)

    def seconds_left(self, now: float) -> int:
        """Until the next window, at least one."""
        return max(1, 60 - int(now % 60))

    def _turn(self, now: float) -> None:
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self._all = minute, 0
            self._networks.counts.clear()
            self._references.counts.clear()


def _network(peer: str) -> str:
    address = address_of(peer)
    return str(network_of(address)) if address is not None else "unknown"
