"""Keys, normalisation and keyed tokens: the one place that sees a raw identifier."""
