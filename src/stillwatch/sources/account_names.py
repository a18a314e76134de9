"""Which field of a source names the account: a choice of the one who runs the gateway."""

from __future__ import annotations

import os

__all__ = ["configured_names"]


def configured_names(
    source: str, default: tuple[str, ...], *, setting: str = "account"
) -> tuple[str, ...]:
    """Names set in `STILLWATCH__SOURCE__SETTING`, separated by commas, or else the default.

    The first name that a record has decides.
    """
    value = os.environ.get(f"STILLWATCH__{source.upper()}__{setting.upper()}", "")
    return tuple(name for part in value.split(",") if (name := part.strip())) or default
