"""Findings against the truth of a simulated world, beside what an afternoon's script would find."""
