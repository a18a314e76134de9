"""What an import ends with: the columns it filled, and the signals that can work with them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stillwatch.cli.output import people, say
from stillwatch.records import LOG_TABLES
from stillwatch.sources.call_events import CALL_EVENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pyarrow as pa

    from stillwatch.lake.store import Lake

_COUNTED = (*LOG_TABLES, CALL_EVENTS)

__all__ = ["NEEDS", "Filled", "known_columns", "say_filled", "shown_share", "unable"]

# By the names of docs/signals.md: what a signal needs of each exchange or account, beside account
# and time. Of the columns of one text any one will do; each text must be satisfied.
NEEDS: dict[str, tuple[str, ...]] = {
    "templates": ("input_text system_text",),
    "shared facts": (
        "payment_token phone_token email_token device_token client_net_token signup_net_token "
        "tls_fingerprint credential_id end_user_token cache_key",
    ),
    "division": ("input_text",),
    "collection": ("input_text", "output_text"),
    "purpose": ("input_text",),
    "cohorts": ("country", "payment_bin signup_asn signup_net_token email_domain created_at"),
    "queue clock": (),
    "failover": ("input_text", "status"),
    "synchrony": (),
    "level volumes": (),
    "after a closure": ("closed_at status",),
    "round the clock": (),
    "release pivot": ("model", "released_at"),
    "clients": ("user_agent tls_fingerprint settings temperature max_output_tokens tool_names",),
    "replay": ("reasoning_signature_issued", "reasoning_signatures_presented"),
    "continuation": ("conversation_id", "turn_index"),
    "foreign history": ("prefix_digests prefill",),
    "given name": ("system_text",),
    "credentials": ("credential_id", "client_net_token end_user_token user_agent tls_fingerprint"),
    "no person": ("conversation_id turn_index",),
    "probing": ("status",),
    "repeated checks": ("input_text", "status"),
    "declared owners": ("organization_id organization_verified",),
}
_SHOWN_OPTIONS = 3


@dataclass(slots=True)
class Filled:
    """A destination that counts the values of what goes through it.

    Attributes:
        destination: Where rows go on to.
        rows: Table to its rows.
        values: Table to column to how many rows have a value there.
        after_rows: Called after each batch of rows.
    """

    destination: Any
    rows: Counter[str] = field(default_factory=Counter)
    values: dict[str, Counter[str]] = field(default_factory=dict)
    after_rows: Callable[[], None] = lambda: None

    def add(self, table: str, rows: pa.Table) -> None:
        """Count, and hand on."""
        schema = next((s for s in _COUNTED if s.name == table), None)
        if schema is not None:
            self.rows[table] += rows.num_rows
            counts = self.values.setdefault(table, Counter())
            for name in rows.column_names:
                if name in schema.names:
                    counts[name] += rows.num_rows - rows[name].null_count
        self.destination.add(table, rows)
        self.after_rows()

    def reveal_domains(self, domain_by_token: dict[str, str], *, shared_by: int) -> None:
        """Hand them on."""
        self.destination.reveal_domains(domain_by_token, shared_by=shared_by)

    def shares(self) -> dict[str, dict[str, float]]:
        """Table to each of its columns to the part of the rows that fill it, from 0 to 1."""
        return {
            schema.name: {
                name: round(self.values[schema.name][name] / self.rows[schema.name], 4)
                for name in schema.names
            }
            for schema in _COUNTED
            if self.rows[schema.name]
        }

    def known(self) -> set[str]:
        """The columns that some row filled."""
        return {name for counts in self.values.values() for name, n in counts.items() if n}


def known_columns(lake: Lake) -> set[str]:
    """The columns that the lake's small tables and its last exchanges have."""
    import pyarrow.parquet as pq

    last: list[Path] = [p for s in LOG_TABLES for p in lake.files(s.name)[-1:]]
    return {name for path in last for name in pq.read_schema(path).names}


def unable(known: set[str]) -> dict[str, list[str]]:
    """Signal to what it lacks, of those that cannot work with these columns."""
    lacking = {
        signal: [need for need in needs if not known & set(need.split())]
        for signal, needs in NEEDS.items()
    }
    return {signal: needs for signal, needs in lacking.items() if needs}


def shown_share(share: float) -> str:
    """A share of some rows in percent, which is neither none nor all of them."""
    rounded = f"{share:.0%}"
    return {"0%": "<1%", "100%": ">99%"}.get(rounded, rounded)


def say_filled(shares: Mapping[str, Mapping[str, float]], lacking: Mapping[str, list[str]]) -> None:
    """The table for people; nothing where no row of a canonical table came, as of a proxy's log."""
    if not shares:
        return
    from rich.table import Table

    table = Table(
        "table", "filled", "columns", title="What this import filled", title_justify="left"
    )
    for name, columns in shares.items():
        full = [c for c, share in columns.items() if share == 1]
        some = [f"{c} {shown_share(share)}" for c, share in columns.items() if 0 < share < 1]
        none = [c for c, share in columns.items() if share == 0]
        for title, listed in (("all rows", full), ("some", some), ("none", none)):
            if listed:
                table.add_row(name, title, ", ".join(listed))
    people.print(table)
    say(f"Signals that can work: {', '.join(s for s in NEEDS if s not in lacking)}.")
    for signal, needs in lacking.items():
        say(f"Not {signal}: it needs {' and '.join(_any_of(need.split()) for need in needs)}.")
    lacked = " ".join(need for needs in lacking.values() for need in needs).split()
    if any(_home_of(column) != "exchanges" for column in lacked):
        say(
            "Accounts, credentials and model releases are tables of their own, which "
            "`--format canonical` imports: see docs/sources/canonical.md."
        )


def _home_of(column: str) -> str:
    """The first table that has the column: what a log of calls can tell, exchanges have."""
    return next(schema.name for schema in LOG_TABLES if column in schema.names)


def _any_of(columns: Iterable[str]) -> str:
    homes = {column: _home_of(column) for column in columns}
    listed = [c if home == "exchanges" else f"{home}.{c}" for c, home in homes.items()]
    # "one other" would be longer than its name.
    more = len(listed) - _SHOWN_OPTIONS if len(listed) > _SHOWN_OPTIONS + 1 else 0
    shown = " or ".join(listed[: len(listed) - more])
    return f"{shown} or {more} others" if more > 0 else shown
