"""What a person wrote in TOML, whatever it is that they wrote."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from stillwatch.records import InputError

__all__ = ["parsed_toml"]

# Nobody writes so much by hand; a log, or a device, that was named by mistake is not read whole.
_MOST_BYTES = 2**20


def parsed_toml(file: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        InputError: It is no TOML, or longer than 1 MiB.
    """
    with file.open("rb") as stream:
        data = stream.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise InputError(
            "this is longer than 1 MiB.", where=str(file), remedy="Give a TOML file, not a log."
        )
    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError:
        raise InputError(
            "this is not UTF-8 text.", where=str(file), remedy="Give a TOML file."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"this is not TOML: {error}.", where=str(file), remedy="Mend that place."
        ) from None
    except (ValueError, RecursionError):
        raise InputError(
            "this is not TOML: a number in it is too long, or something is nested too deeply.",
            where=str(file),
            remedy="Mend that place.",
        ) from None
