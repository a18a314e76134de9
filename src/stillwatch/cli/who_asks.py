"""`--token-file`: who asks.

Who asks is known by a token alone: the user of the operating system is no identity, for several
people may share one, and whoever runs a service is none of them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stillwatch.records import InputError
from stillwatch.records.private_lines import read_private_line

if TYPE_CHECKING:
    from stillwatch.policy.store import Principal, Store

__all__ = [
    "TOKEN_VARIABLE",
    "given_token",
    "signed_in",
    "token_option",
]

TOKEN_VARIABLE = "STILLWATCH_TOKEN"  # noqa: S105 - the name of a variable

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def token_option(command: Decorated) -> Decorated:
    """`--token-file FILE`, as `token_file`."""
    return click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"A file (mode 0600) with your token. Default: ${TOKEN_VARIABLE}.",
    )(command)


def signed_in(store: Store, token_file: Path | None) -> Principal:
    """Who holds the token that was given.

    Raises:
        InputError: No token was given, or others may read its file.
        NotAllowedError: The token is nobody's.
    """
    token = given_token(token_file)
    if token is None:
        raise InputError(
            "this asks who you are.",
            where=f"--token-file, {TOKEN_VARIABLE}",
            remedy="Give your token. `stillwatch user token NAME` makes a new one.",
        )
    return store.people.authenticate(token)


def given_token(token_file: Path | None) -> str | None:
    """The token in the file, else in the environment; None without one."""
    if token_file is not None:
        return read_private_line(token_file, "token")
    return os.environ.get(TOKEN_VARIABLE, "").strip() or None
