"""The same words in a shell."""
