"""Keeps exchanges as partitioned Parquet and runs the named queries on an engine."""
