"""One list divided over many accounts, for honest reasons: the hardest look-alikes.

What they ask for is their own documents' work, not what trains a general model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stillwatch.simulation.clients import Client, Software, draw_client
from stillwatch.simulation.clocks import burst, office_hours
from stillwatch.simulation.cohort import Cohort, Customer
from stillwatch.simulation.frame import DAY, HOUR, Ints
from stillwatch.simulation.habits import run_job
from stillwatch.simulation.internet import Origin
from stillwatch.simulation.populations.population import GroupSize, Together
from stillwatch.simulation.text import AnswerStyle, WorkKind
from stillwatch.simulation.traffic import Manner

__all__ = ["Agency", "CatalogueVendor", "ShardedBackfill"]


class CatalogueVendor(Together):
    """A catalogue or localisation vendor: one list divided over forty clients' accounts."""

    name, share, daily, group = "catalogue_vendor", 0.015, 9.0, GroupSize(14, 40, 90)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        vendor = int(rng.integers(1 << 31))
        clients = [cohort.open(plan="pay_as_you_go", lasting=True) for _ in range(size)]
        total = max(size, int(cohort.expected))
        inputs = cohort.library.work(WorkKind.CATALOGUE, rng, total, owner=vendor)
        begin = max(client.begin for client in clients[:1])
        started = cohort.rhythms.client_times(rng, frame, total, begin, frame.end)
        share = rng.dirichlet(np.full(size, 0.8))
        _deal(
            cohort,
            clients,
            np.sort(rng.choice(size, total, p=share))
            if rng.random() < 0.4
            else rng.choice(size, total, p=share),
            inputs,
            started,
            WorkKind.CATALOGUE,
            vendor,
            draw_client(rng, Software.GO_SERVICE),
            cohort.internet.rack(rng, 2),
        )


class ShardedBackfill(Together):
    """A small firm that shards its own backfill over ten undeclared accounts, to escape limits."""

    name, share, daily, group = "sharded_backfill", 0.008, 22.0, GroupSize(6, 10, 18)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        firm = int(rng.integers(1 << 31))
        begins = frame.start + int(rng.uniform(0.0, 0.6) * frame.days * DAY)
        first = cohort.open(plan="pay_as_you_go", born=begins - 200 * DAY, lasting=True)
        accounts = [first]
        for _ in range(size - 1):
            # Opened the days before, some with the same card, all from the same line.
            born = begins - int(rng.uniform(0.2, 4) * DAY)
            accounts.append(_sibling(cohort, first, born))
        total = max(size, int(cohort.expected))
        inputs = cohort.library.work(WorkKind.SHARDED_BACKFILL, rng, total, owner=firm)
        window = min(frame.end - begins, int(rng.uniform(2, 7) * DAY))
        gap = window / total / 1e6
        started = np.minimum(burst(rng, total, begins, gap=gap * 0.8), frame.end - 1)
        _deal(
            cohort,
            accounts,
            np.arange(total) % size,
            inputs,
            started,
            WorkKind.SHARDED_BACKFILL,
            firm,
            draw_client(rng, Software.PYTHON_SDK),
            [cohort.internet.hosting(rng)],
        )


class Agency(Together):
    """An agency that runs thirty clients' accounts from one office with one scheduler."""

    name, share, daily, group = "agency", 0.012, 5.0, GroupSize(10, 30, 60)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        agency = int(rng.integers(1 << 31))
        first = cohort.open(plan="individual", lasting=True)
        office = cohort.internet.office(rng, first.country)
        client = draw_client(rng, Software.NODE_SDK)
        minute = int(rng.integers(60))
        for number, volume in enumerate(cohort.volumes(size, spread=0.5)):
            customer = first
            if number:
                customer = cohort.open(plan="individual", country=first.country, lasting=True)
            times = office_hours(
                rng,
                int(volume),
                customer.begin,
                customer.end,
                utc_offset=first.country.utc_offset,
            )
            # The scheduler posts at the same minute of the hour, one client after the other.
            started = times // HOUR * HOUR + minute * 60_000_000 + number * 4_000_000
            started = np.sort(started + rng.integers(0, 3_000_000, len(started)))
            manner = _manner(cohort, WorkKind.AGENCY, agency, client, AnswerStyle.PROSE)
            inputs = cohort.library.work(WorkKind.AGENCY, rng, len(started), owner=customer.seed)
            run_job(cohort, customer, inputs, started, manner, origins=[office])


def _sibling(cohort: Cohort, first: Customer, born: int) -> Customer:
    if cohort.rng.random() < 0.4:
        return cohort.open_beside(first, plan="pay_as_you_go", born=born)
    return cohort.open(plan="pay_as_you_go", country=first.country, born=born, lasting=True)


def _manner(
    cohort: Cohort, kind: WorkKind, owner: int, client: Client, style: AnswerStyle
) -> Manner:
    return Manner(
        client=client,
        style=style,
        system=cohort.library.system(kind, cohort.rng, owner=owner),
        temperature=0.2,
        limits=0.02,
    )


def _deal(
    cohort: Cohort,
    accounts: Sequence[Customer],
    dealt: Ints,
    inputs: Sequence[str],
    started: Ints,
    kind: WorkKind,
    owner: int,
    client: Client,
    origins: Sequence[Origin],
) -> None:
    """Give every item of one list to one account."""
    style = AnswerStyle.PROSE if kind is WorkKind.CATALOGUE else AnswerStyle.JSON
    manner = _manner(cohort, kind, owner, client, style)
    for number, customer in enumerate(accounts):
        mine = np.nonzero(dealt == number)[0]
        if len(mine):
            run_job(
                cohort,
                customer,
                [inputs[i] for i in mine.tolist()],
                started[mine],
                manner,
                origins=origins,
                origin_of=mine % len(origins),
                model="aster-3-mini",
            )
