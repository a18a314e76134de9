"""The migrations of the store, oldest first."""

__all__ = ["LATEST"]

LATEST = "0002"
"""The newest revision; a test holds it to the files in `versions`."""
