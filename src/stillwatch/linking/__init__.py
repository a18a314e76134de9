"""Evidence that two accounts act as one, then groups of accounts."""
