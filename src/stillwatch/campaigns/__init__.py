"""Tests each group against chance at a false discovery rate."""
