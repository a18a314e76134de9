"""What an import would write, kept in memory: to look at one row, and for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

__all__ = ["KeptTables"]


@dataclass(slots=True)
class KeptTables:
    """A destination of `take_in` that is no lake. It grows with what it is given.

    Attributes:
        tables: The batches in their order, each with the name of its table.
    """

    tables: list[tuple[str, pa.Table]] = field(default_factory=list)

    def add(self, table: str, rows: pa.Table) -> None:
        self.tables.append((table, rows))

    def reveal_domains(self, domain_by_token: dict[str, str], *, shared_by: int) -> None:
        """Nothing is shown: who shares a domain is told only by a whole log."""
