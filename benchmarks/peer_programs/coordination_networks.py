"""coordination-network-toolkit: which accounts write at the same moment, or the same at it.

    coordination_networks.py WORLD OUT co_post|co_tweet|co_similar_tweet

Run in the peers' own environment. An exchange is given as a message, its prompt as the text; the
toolkit's own default of 60 seconds, two messages in common and a Jaccard similarity of 0.8 are kept.
Exchanges without text are left out where texts are compared: the toolkit would take them for alike.
Writes OUT/edges.parquet: `one`, `other`, `score` (messages in common).
"""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import coordination_network_toolkit.compute_networks as networks
import duckdb
import pandas as pd
from coordination_network_toolkit.graph import get_edge_rows
from coordination_network_toolkit.preprocess import preprocess_csv_files
from coordination_network_toolkit.similarity import MinDocSizeSimilarity

WINDOW_SECONDS = 60
LEAST_IN_COMMON = 2
SIMILARITY = 0.8

_MESSAGES = """
COPY (
  SELECT exchange_id AS message_id, account_id AS user_id, account_id AS username,
    '' AS repost_id, '' AS reply_id, coalesce(input_text, '') AS message,
    floor(epoch(started_at))::BIGINT AS timestamp, '' AS urls
  FROM read_parquet('{world}/exchanges/*.parquet') WHERE {which}
) TO '{file}' (FORMAT csv, HEADER)
"""


def main(world: str, out: Path, network: str) -> None:
    messages, database = out / "messages.csv", str(out / "messages.db")
    which = "true" if network == "co_post" else "input_text <> ''"
    duckdb.execute(_MESSAGES.format(world=world, which=which, file=messages))
    csv.field_size_limit(2**31 - 1)  # prompts are longer than posts
    preprocess_csv_files(database, [str(messages)])
    cores = len(os.sched_getaffinity(0))
    if network == "co_post":
        networks.compute_co_post_network(
            database, WINDOW_SECONDS, min_edge_weight=LEAST_IN_COMMON, n_threads=cores
        )
    elif network == "co_tweet":
        networks.compute_co_tweet_network(
            database, WINDOW_SECONDS, min_edge_weight=LEAST_IN_COMMON, n_threads=cores
        )
    else:
        networks.compute_co_similar_tweet(
            database,
            WINDOW_SECONDS,
            n_threads=cores,
            similarity_threshold=SIMILARITY,
            min_edge_weight=LEAST_IN_COMMON,
            similarity_function=MinDocSizeSimilarity(1),
        )
    rows = [row[:3] for row in get_edge_rows(database, network)]
    edges = pd.DataFrame(rows, columns=["one", "other", "score"])
    edges.astype({"one": "str", "other": "str", "score": "float"}).to_parquet(out / "edges.parquet")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
