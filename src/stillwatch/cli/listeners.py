"""What every command that listens asks of its options, before it listens."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from stillwatch.records import InputError

__all__ = ["require_both_of_tls", "require_server"]

_NEEDED = ("uvicorn", "httptools", "prometheus_client")


def require_server(command: str, doing: str, extra: str) -> None:
    """Raises `InputError` where the packages of a server are not installed.

    Args:
        command: Its name.
        doing: What it does, as the first word of a sentence.
        extra: The extra that holds them.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"{doing} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} "
            "not installed.",
            where=f"stillwatch {command}",
            remedy=f"Install the extra: `pip install 'stillwatch[{extra}]'`.",
        )


def require_both_of_tls(certificate: Path | None, private_key: Path | None) -> None:
    """Raises `InputError` where one of the two was given without the other."""
    if (certificate is None) != (private_key is None):
        raise InputError(
            "a certificate and its key go together.",
            where="--tls-cert, --tls-key",
            remedy="Give both, or none.",
        )
