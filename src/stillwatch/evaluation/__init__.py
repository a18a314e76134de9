"""Findings against truth, beside baselines a user would write in an afternoon."""
