"""Splink on DuckDB: which accounts are one, by what they were opened with and come from.

    splink_accounts.py WORLD OUT

Run in the peers' own environment. Settings are those of Splink's tutorial for deduplication:
term frequencies for every token, levels that depend on each other inside one comparison, several
narrow blocking rules, u by sampling all pairs, m by expectation maximisation over three blocking
rules. Telephone numbers and whole mail addresses are left out since each account of these worlds has
its own, and countries since stillwatch may not look at them either.
Writes OUT/edges.parquet: `one`, `other`, `score` (the match weight, in bits).
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import splink.comparison_level_library as levels
import splink.comparison_library as comparisons
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

CLUSTERED_AT = 0.95  # the probability at which Splink's tutorial clusters

_RECORDS = """
CREATE TABLE records AS
WITH used AS (
  SELECT account_id, mode(client_ip) AS client_ip, mode(client_net_token) AS client_net,
    mode(client_asn) AS client_asn, mode(tls_fingerprint) AS tls,
    mode(user_agent || ' ' || tls_fingerprint) AS client
  FROM read_parquet('{world}/exchanges/*.parquet') GROUP BY account_id
)
SELECT account_id AS unique_id, payment_token, payment_bin, device_token, email_domain,
  signup_ip, signup_net_token AS signup_net, signup_asn, created_at::TIMESTAMP AS created_at,
  client_ip, client_net, client_asn, tls, client
FROM read_parquet('{world}/accounts.parquet') LEFT JOIN used USING (account_id)
"""


def _nested(name: str, *columns: str) -> comparisons.CustomComparison:
    """One comparison of columns that imply each other: the narrowest that agrees counts."""
    return comparisons.CustomComparison(
        output_column_name=name,
        comparison_levels=[
            levels.NullLevel(columns[0]),
            *(levels.ExactMatchLevel(c, term_frequency_adjustments=True) for c in columns),
            levels.ElseLevel(),
        ],
    )


def _exact(column: str) -> comparisons.ExactMatch:
    return comparisons.ExactMatch(column).configure(term_frequency_adjustments=True)


def _opened_within(count: int, unit: str) -> levels.AbsoluteTimeDifferenceLevel:
    return levels.AbsoluteTimeDifferenceLevel(
        "created_at", input_is_string=False, threshold=count, metric=unit
    )


SETTINGS = SettingsCreator(
    link_type="dedupe_only",
    comparisons=[
        _nested("payment", "payment_token", "payment_bin"),
        _exact("device_token"),
        _exact("email_domain"),
        _nested("signup_network", "signup_ip", "signup_net", "signup_asn"),
        _nested("client_network", "client_ip", "client_net", "client_asn"),
        _nested("client_software", "client", "tls"),
        comparisons.CustomComparison(
            output_column_name="opened",
            comparison_levels=[
                levels.NullLevel("created_at"),
                _opened_within(10, "minute"),
                _opened_within(3, "hour"),
                _opened_within(2, "day"),
                levels.ElseLevel(),
            ],
        ),
    ],
    blocking_rules_to_generate_predictions=[
        block_on("payment_token"),
        block_on("device_token"),
        block_on("signup_net"),
        block_on("client_net"),
        block_on("payment_bin", "signup_asn"),
        block_on("email_domain", "signup_asn"),
    ],
    retain_matching_columns=False,
)


def main(world: str, out: Path) -> None:
    connection = duckdb.connect()
    connection.execute(_RECORDS.format(world=world))
    linker = Linker(
        DuckDBAPI(connection=connection).register("records", dataset_display_name="accounts"),
        SETTINGS,
        log_level=None,
    )
    certain = [block_on("payment_token", "device_token"), block_on("device_token", "signup_ip")]
    linker.training.estimate_probability_two_random_records_match(certain, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e8, seed=1)
    for rule in ("payment_token", "device_token", "signup_net"):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(rule))
    predicted = linker.inference.predict(threshold_match_probability=0.01)
    linker.clustering.cluster_pairwise_predictions_at_threshold(
        predicted, threshold_match_probability=CLUSTERED_AT
    )
    connection.execute(
        f"COPY (SELECT unique_id_l AS one, unique_id_r AS other, match_weight AS score "
        f"FROM {predicted.physical_name}) TO '{out / 'edges.parquet'}'"
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
