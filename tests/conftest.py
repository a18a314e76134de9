"""Puts `tests/` on the path, so that the detector's tests share `planted_logs`."""
