"""A grid of worlds, what was measured on each, and the page that says so."""
