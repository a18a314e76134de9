"""Which field of a source names the billed account: a choice of the one who runs the gateway."""

from __future__ import annotations

import os

__all__ = ["configured_names"]


def configured_names(source: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Names set in `STILLWATCH__SOURCE__ACCOUNT`, separated by commas, or else the default.

    The first name that a record has decides.
    """
    value = os.environ.get(f"STILLWATCH__{source.upper()}__ACCOUNT", "")
    return tuple(name for part in value.split(",") if (name := part.strip())) or default
