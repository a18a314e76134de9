"""An invented internet: countries, carriers, hosting companies, VPN exits and shared addresses.

Addresses come from the reserved block 240.0.0.0/4 and system numbers from the private range,
so that no real network is ever named in a world.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stillwatch.simulation.frame import token

__all__ = ["COUNTRIES", "Country", "Internet", "Origin"]


@dataclass(frozen=True, slots=True)
class Country:
    """Where accounts live: code, hours east of Greenwich, language, share of all accounts."""

    code: str
    utc_offset: float
    language: str
    share: float


COUNTRIES: tuple[Country, ...] = (
    Country("US", -6, "en", 0.27),
    Country("GB", 0, "en", 0.09),
    Country("IN", 5.5, "en", 0.12),
    Country("CA", -5, "en", 0.05),
    Country("NG", 1, "en", 0.03),
    Country("DE", 1, "de", 0.08),
    Country("AT", 1, "de", 0.02),
    Country("ES", 1, "es", 0.05),
    Country("MX", -6, "es", 0.06),
    Country("JP", 9, "ja", 0.07),
    Country("TW", 8, "zh", 0.03),
    Country("SG", 8, "zh", 0.03),
    Country("TH", 7, "th", 0.03),
    Country("EG", 2, "ar", 0.04),
    Country("TR", 3, "tr", 0.03),
)

_FIRST_ADDRESS = 0xF0000000
_FIRST_ASN = 4_200_000_000
_BLOCK = 1 << 20
_HOSTING = 7
_VPN = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from."""

    ip: str
    net_token: str
    asn: int
    country: str
    network: str


class Internet:
    """All networks of one world; every account draws its addresses from here."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._blocks: dict[str, int] = {}
        for country in COUNTRIES:
            for name in ("cable", "fibre", "mobile"):
                self._blocks[f"{name}:{country.code}"] = len(self._blocks)
        for number in range(_HOSTING):
            self._blocks[f"hosting:{number}"] = len(self._blocks)
        for number in range(_VPN):
            self._blocks[f"vpn:{number}"] = len(self._blocks)
        for name in ("notebooks", "builds", "relay", "corporate"):
            self._blocks[name] = len(self._blocks)

    def _origin(self, block: str, net: int, host: int, country: str, network: str) -> Origin:
        number = self._blocks[block]
        prefix = (_FIRST_ADDRESS + number * _BLOCK) // 256 + net % (_BLOCK // 256)
        a, b, c = prefix >> 16, (prefix >> 8) & 255, prefix & 255
        return Origin(
            ip=f"{a}.{b}.{c}.{1 + host % 254}",
            net_token=token("net", self._seed, prefix),
            asn=_FIRST_ASN + number,
            country=country,
            network=network,
        )

    def home(self, rng: np.random.Generator, country: Country) -> Origin:
        """A household's line."""
        line = "cable" if rng.random() < 0.6 else "fibre"
        net, host = rng.integers(0, 4096), rng.integers(0, 254)
        return self._origin(
            f"{line}:{country.code}", int(net), int(host), country.code, "residential"
        )

    def mobile(self, rng: np.random.Generator, country: Country) -> Origin:
        """A carrier's shared address: hundreds of subscribers behind each of a few dozen."""
        net, host = rng.integers(0, 4), rng.integers(0, 12)
        return self._origin(f"mobile:{country.code}", int(net), int(host), country.code, "mobile")

    def office(self, rng: np.random.Generator, country: Country) -> Origin:
        """A company's fixed line; call it once and share what it returns."""
        net, host = rng.integers(0, 4096), rng.integers(0, 254)
        return self._origin(
            f"fibre:{country.code}", int(net), int(host), country.code, "residential"
        )

    def corporate_exit(self, rng: np.random.Generator, country: Country) -> Origin:
        """One of the exits of an international company's VPN provider."""
        net, host = rng.integers(0, 6), rng.integers(0, 16)
        return self._origin("corporate", int(net), int(host), country.code, "vpn")

    def hosting(self, rng: np.random.Generator, *, company: int | None = None) -> Origin:
        """A rented machine."""
        number = int(rng.integers(_HOSTING)) if company is None else company % _HOSTING
        net, host = rng.integers(0, 3000), rng.integers(0, 254)
        return self._origin(f"hosting:{number}", int(net), int(host), _seat(number), "hosting")

    def carrier(self, rng: np.random.Generator, number: int) -> Origin:
        """A household line of one given carrier."""
        country = COUNTRIES[number % len(COUNTRIES)]
        net, host = rng.integers(0, 4096), rng.integers(0, 254)
        return self._origin(
            f"cable:{country.code}", int(net), int(host), country.code, "residential"
        )

    def rack(
        self, rng: np.random.Generator, count: int, *, company: int | None = None
    ) -> list[Origin]:
        """`count` machines within one /24 of a hosting company."""
        number = int(rng.integers(_HOSTING)) if company is None else company % _HOSTING
        net, first = int(rng.integers(0, 3000)), int(rng.integers(0, 200))
        return [
            self._origin(f"hosting:{number}", net, first + i, _seat(number), "hosting")
            for i in range(count)
        ]

    def vpn(self, rng: np.random.Generator, *, provider: int | None = None) -> Origin:
        """An exit of a consumer VPN: thirty or so, shared by all its customers."""
        number = int(rng.integers(_VPN)) if provider is None else provider % _VPN
        net, host = rng.integers(0, 8), rng.integers(0, 4)
        return self._origin(f"vpn:{number}", int(net), int(host), _seat(number + 3), "vpn")

    def relay(self, rng: np.random.Generator, country: Country) -> Origin:
        """A privacy relay of an operating system."""
        net, host = rng.integers(0, 32), rng.integers(0, 60)
        return self._origin("relay", int(net), int(host), country.code, "relay")

    def notebooks(self, rng: np.random.Generator) -> Origin:
        """A hosted notebook service: everyone comes from a dozen addresses."""
        net, host = rng.integers(0, 2), rng.integers(0, 6)
        return self._origin("notebooks", int(net), int(host), "US", "hosting")

    def build_runner(self, rng: np.random.Generator) -> Origin:
        """A build service that takes a fresh address for every job."""
        net, host = rng.integers(0, 900), rng.integers(0, 254)
        return self._origin("builds", int(net), int(host), "US", "hosting")

    def shared_build_runner(self, rng: np.random.Generator) -> Origin:
        """A build service that leaves through one of two addresses."""
        return self._origin("builds", 1000, int(rng.integers(0, 2)), "US", "hosting")


def _seat(number: int) -> str:
    return ("US", "DE", "SG", "US", "GB", "JP", "US", "CA")[number % 8]
