"""The truth of a simulated world, kept apart from the log."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from stillwatch.records.schema import column, table_schema

__all__ = ["TRUTH_ACCOUNTS", "TRUTH_EXCHANGES", "TruthAccount", "TruthExchange"]

_STRING = pa.string()


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthAccount:
    """A row for each account and campaign; honest accounts have one row with null."""

    account_id: str = column(_STRING, "the account", required=True)
    population: str = column(_STRING, "honest population, or the campaign's kind", required=True)
    honest_group: str | None = column(_STRING, "which honest group it belongs to, if any")
    campaign: str | None = column(_STRING, "the campaign it serves, null if honest")
    role: str | None = column(_STRING, "operator, mixed or compromised; null if honest")


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthExchange:
    """What an exchange really was."""

    exchange_id: str = column(_STRING, "the exchange", required=True)
    account_id: str = column(_STRING, "who was billed", required=True)
    distill: bool = column(pa.bool_(), "collected for a campaign", required=True)
    campaign: str | None = column(_STRING, "which campaign")
    target: str | None = column(_STRING, "what was collected")
    item: str | None = column(_STRING, "the item of the campaign's queue")


TRUTH_ACCOUNTS = table_schema("truth_accounts", TruthAccount)
TRUTH_EXCHANGES = table_schema("truth_exchanges", TruthExchange)
