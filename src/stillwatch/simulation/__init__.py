"""Traffic worlds with known truth, for tests, benchmarks and demos."""
