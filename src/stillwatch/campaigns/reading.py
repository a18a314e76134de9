"""What a scan reads: the log, once, as evidence that can be cut off at any moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stillwatch.campaigns.declared import (
    AccountRecords,
    Declarations,
    declarations_of,
    read_account_records,
)
from stillwatch.lake.log import Log
from stillwatch.signals.account_attributes import AccountAttributes, read_account_attributes
from stillwatch.signals.handovers import Handovers, read_handovers
from stillwatch.signals.releases import Releases, read_releases
from stillwatch.signals.shared_facts import Facts, Sightings, read_sightings
from stillwatch.signals.traffic import Traffic, read_traffic

__all__ = ["Evidence", "read_evidence"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the detector looks at, in order of time, accounts numbered alike throughout.

    `facts` and `declarations` are made of `sightings` and `records`, now or at an earlier midnight.
    """

    traffic: Traffic
    facts: Facts
    declarations: Declarations
    sightings: Sightings
    records: AccountRecords
    attributes: AccountAttributes
    handovers: Handovers
    releases: Releases

    def until(self, midnight: int) -> Evidence:
        """What was known before a midnight (UTC, microseconds since 1970).

        The same as reading the log until then: accounts that had not begun are not there at all,
        and whatever is counted is counted anew.
        """
        traffic = self.traffic.until(midnight)
        accounts = np.searchsorted(self.traffic.account_names, traffic.account_names)
        return _evidence(
            traffic,
            self.sightings.until(midnight, accounts),
            self.records.until(midnight, accounts),
            self.attributes.until(midnight, accounts),
            self.handovers.until(midnight, accounts),
            self.releases.until(midnight),
        )


def read_evidence(
    log: Log, *, grid_hours: int = 24, progress: Callable[[int], None] = lambda _rows: None
) -> Evidence:
    """Read a log: about 500 bytes an exchange, the text excluded, most of it in files (`lake.scratch`).

    Args:
        grid_hours: It can be cut at every so many hours from midnight (UTC).
    """
    traffic = read_traffic(log, progress=progress)
    sightings = read_sightings(log, traffic.account_names, grid_hours)
    records = read_account_records(log, traffic.account_names)
    attributes = read_account_attributes(log, traffic.account_names)
    handovers = read_handovers(log, traffic)
    releases = read_releases(log)
    log.give_back_memory()
    return _evidence(traffic, sightings, records, attributes, handovers, releases)


def _evidence(
    traffic: Traffic,
    sightings: Sightings,
    records: AccountRecords,
    attributes: AccountAttributes,
    handovers: Handovers,
    releases: Releases,
) -> Evidence:
    facts, declarations = sightings.facts(), declarations_of(records)
    return Evidence(
        traffic, facts, declarations, sightings, records, attributes, handovers, releases
    )
