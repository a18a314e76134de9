"""Turns each real log format into canonical exchanges; quarantines what it cannot read."""
