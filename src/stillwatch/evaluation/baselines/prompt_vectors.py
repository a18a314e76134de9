"""Prompts as vectors, for the baselines that measure distances between them.

No model is loaded: words and pairs of words are hashed, weighted by how rare they are in the log,
and projected at random, which keeps distances (Johnson and Lindenstrauss 1984). The papers use
trained encoders; this stands in for them where nothing may be downloaded, and treats every baseline
alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_array, diags_array

__all__ = ["LEAST", "MOST", "PromptVectors", "prompt_vectors"]

FloatArray = npt.NDArray[np.float32]

LEAST = 12
"""An account with fewer prompts cannot be judged by these baselines."""

MOST = 32
"""Prompts of an account that are looked at, drawn by the hash of their ids, in order of time."""

_DIMENSIONS = 96
_BUCKETS = 1 << 15
_CHARACTERS = 400
_SEED = 20260301

_PROMPTS = f"""
CREATE OR REPLACE TEMP TABLE sampled_prompts AS
WITH ranked AS (
  SELECT account_id, exchange_id, started_at, left(lower(input_text), {_CHARACTERS}) AS text,
    row_number() OVER (PARTITION BY account_id ORDER BY hash(exchange_id)) AS rank,
    count(*) OVER (PARTITION BY account_id) AS prompts
  FROM exchanges WHERE input_text IS NOT NULL AND input_text <> ''
)
SELECT row_number() OVER (ORDER BY account_id, started_at, exchange_id) - 1 AS row, account_id, text
FROM ranked WHERE rank <= {MOST} AND prompts >= {LEAST}
"""

_WORDS = f"""
WITH split AS (
  SELECT row, list_filter(regexp_split_to_array(text, '[^\\p{{L}}\\p{{N}}]+'), lambda w: w <> '') AS words
  FROM sampled_prompts
),
terms AS (
  SELECT row, unnest(list_concat(words,
    list_transform(list_zip(words, words[2:]), lambda p: p[1] || ' ' || coalesce(p[2], '')))) AS term
  FROM split
)
SELECT row, (hash(term) % {_BUCKETS})::INTEGER AS bucket, count(*)::FLOAT AS uses
FROM terms GROUP BY ALL
"""


@dataclass(frozen=True, slots=True)
class PromptVectors:
    """Unit vectors of prompts, account by account.

    Attributes:
        accounts: Names.
        starts: The rows of account i are `starts[i]:starts[i + 1]`, in order of time.
        vectors: One row a prompt.
    """

    accounts: list[str]
    starts: npt.NDArray[np.int64]
    vectors: FloatArray

    def of(self, number: int) -> FloatArray:
        return self.vectors[self.starts[number] : self.starts[number + 1]]


def prompt_vectors(log: duckdb.DuckDBPyConnection) -> PromptVectors:
    """Vectors of a sample of the log's prompts; computed once for a log, then read back."""
    log.execute("CREATE TEMP TABLE IF NOT EXISTS prompt_vectors (row BIGINT, vector FLOAT[])")
    if not _rows(log, "prompt_vectors"):
        log.execute(_PROMPTS)
        _fill(log)
    names = log.sql("SELECT account_id FROM sampled_prompts ORDER BY row").to_arrow_table()
    who = np.array(names["account_id"].to_pylist(), dtype=np.str_)
    if not len(who):
        return PromptVectors([], np.zeros(1, np.int64), np.zeros((0, _DIMENSIONS), np.float32))
    table = log.sql("SELECT vector FROM prompt_vectors ORDER BY row").to_arrow_table()
    flat = table["vector"].combine_chunks().flatten().to_numpy().astype(np.float32)
    changes = np.flatnonzero(np.concatenate([[True], who[1:] != who[:-1]]))
    return PromptVectors(
        who[changes].tolist(),
        np.append(changes, len(who)).astype(np.int64),
        flat.reshape(-1, _DIMENSIONS),
    )


def _fill(log: duckdb.DuckDBPyConnection) -> None:
    rows = _rows(log, "sampled_prompts")
    if not rows:
        return
    words = log.execute(_WORDS).fetchnumpy()
    counts = csr_array(
        (1 + np.log(np.asarray(words["uses"])), (words["row"], words["bucket"])),
        shape=(rows, _BUCKETS),
    )
    used = np.bincount(np.asarray(words["bucket"]), minlength=_BUCKETS)
    rare = np.log((1 + rows) / (1 + used)) + 1
    signs = np.random.default_rng(_SEED).choice([-1.0, 1.0], (_BUCKETS, _DIMENSIONS))
    vectors = np.asarray(counts @ (diags_array(rare) @ signs), np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths > 0, lengths, 1)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), _DIMENSIONS)
    filled = pa.table({"row": np.arange(rows), "vector": lists.cast(pa.list_(pa.float32()))})
    log.register("filled_vectors", filled)
    log.execute("INSERT INTO prompt_vectors SELECT row, vector FROM filled_vectors")
    log.unregister("filled_vectors")


def _rows(log: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(log.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
