"""The finding as a page a person can check."""
