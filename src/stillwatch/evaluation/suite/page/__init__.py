"""The page of a suite: tables, plots and targets from what was measured."""
