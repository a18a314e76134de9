"""Baseline 1: accounts tied by a payment token or an address, transitively."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from stillwatch.evaluation.baselines.suspects import Proposal, SuspectGroup

__all__ = ["groups_sharing_payment_or_address"]

# Values that only one account has tie nothing, so they are dropped at the source.
_SHARED_VALUES = """
WITH facts AS (
  SELECT 'payment' AS kind, payment_token AS value, account_id FROM accounts
  UNION
  SELECT 'address', signup_ip, account_id FROM accounts
  UNION
  SELECT 'address', client_ip, account_id FROM exchanges
),
counted AS (
  SELECT kind, value, account_id, count(*) OVER (PARTITION BY kind, value) AS accounts
  FROM facts WHERE value IS NOT NULL
)
SELECT kind, kind || ':' || value AS value, account_id, accounts FROM counted WHERE accounts >= 2
"""

_FACTS: dict[str, tuple[str, ...]] = {
    "payment": ("payment",),
    "address": ("address",),
    "payment or address": ("payment", "address"),
}

# A value that more accounts share is taken for a carrier or an issuer and left out.
_MOST_ACCOUNTS_OF_A_VALUE = (5, 20, 100, 1_000_000_000)


def groups_sharing_payment_or_address(log: duckdb.DuckDBPyConnection) -> Iterator[Proposal]:
    """Connected accounts, scored by the size of their group."""
    shared: pa.Table = log.sql(_SHARED_VALUES).to_arrow_table()
    for (words, kinds), most in product(_FACTS.items(), _MOST_ACCOUNTS_OF_A_VALUE):
        tied = pc.and_(
            pc.is_in(shared["kind"], pa.array(kinds)), pc.less_equal(shared["accounts"], most)
        )
        cap = f", values of at most {most} accounts" if most < 1_000_000_000 else ""
        yield Proposal(f"same {words}{cap}", _connected(shared.filter(tied)))


def _connected(ties: pa.Table) -> list[SuspectGroup]:
    if ties.num_rows == 0:
        return []
    accounts = ties["account_id"].combine_chunks().dictionary_encode()
    values = ties["value"].combine_chunks().dictionary_encode()
    count = len(accounts.dictionary)
    rows = accounts.indices.to_numpy()
    columns = values.indices.to_numpy() + count
    nodes = count + len(values.dictionary)
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(nodes, nodes))
    _, labels = connected_components(graph, directed=False)
    members: dict[int, list[str]] = defaultdict(list)
    for account, label in zip(accounts.dictionary.to_pylist(), labels[:count], strict=True):
        members[int(label)].append(account)
    return [SuspectGroup(tuple(sorted(group)), float(len(group))) for group in members.values()]
