"""Strangers and colleagues behind one address."""

from __future__ import annotations

from stillwatch.simulation.clients import Software, draw_client
from stillwatch.simulation.clocks import WakingHours
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.habits import chat, own_work
from stillwatch.simulation.populations.population import GroupSize, Single, Together
from stillwatch.simulation.text import WorkKind

__all__ = ["CorporateVpn", "Office"]


class Office(Together):
    """An office behind one address: private accounts, one network, the same working hours."""

    name, share, daily, group = "office", 0.03, 2.0, GroupSize(4, 12, 60)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        first = cohort.open(plan="individual")
        address = cohort.internet.office(rng, first.country)
        for number, volume in enumerate(cohort.volumes(size, spread=1.0)):
            customer = cohort.open(country=first.country) if number else first
            chat(
                cohort,
                customer,
                int(volume),
                origins=[address, cohort.internet.mobile(rng, first.country)],
                hours=WakingHours.draw(rng, first.country.utc_offset, at_work=True),
            )


class CorporateVpn(Single):
    """Employees behind the exits of one VPN provider for companies: a hundred shared addresses."""

    name, share, daily = "corporate_vpn", 0.02, 3.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        for volume in cohort.volumes(size, spread=1.1):
            customer = cohort.open()
            exits = [cohort.internet.corporate_exit(rng, customer.country) for _ in range(3)]
            hours = WakingHours.draw(rng, customer.country.utc_offset, at_work=True)
            if rng.random() < 0.5:
                chat(cohort, customer, int(volume), origins=exits, hours=hours)
                continue
            own_work(
                cohort,
                customer,
                WorkKind.DEVELOPER,
                int(volume),
                client=draw_client(rng, Software.EDITOR),
                origins=exits,
                hours=hours,
            )
