"""What a scan reads: the log, once, as evidence that can be cut off at any moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stillwatch.campaigns.declared import Declarations, read_declarations
from stillwatch.lake.log import Log
from stillwatch.signals.shared_facts import Facts, read_shared_facts
from stillwatch.signals.traffic import Traffic, read_traffic

__all__ = ["Evidence", "read_evidence"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the detector looks at, in order of time."""

    traffic: Traffic
    facts: Facts
    declarations: Declarations

    def until(self, moment: int) -> Evidence:
        """What was known before `moment` (microseconds since 1970)."""
        return Evidence(
            self.traffic.until(moment), self.facts.until(moment), self.declarations.until(moment)
        )


def read_evidence(log: Log, *, progress: Callable[[int], None] = lambda _rows: None) -> Evidence:
    """Read a log into memory: about 500 bytes an exchange, the text excluded."""
    traffic = read_traffic(log, progress=progress)
    facts = read_shared_facts(log, traffic.account_names)
    declarations = read_declarations(log, traffic.account_names)
    return Evidence(traffic, facts, declarations)
