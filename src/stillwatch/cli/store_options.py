"""`--store`, `--lake` and `--token-file`: which store a command works on, and who asks.

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
    from stillwatch.identity import Tokeniser
    from stillwatch.policy.store import Principal, Store

__all__ = [
    "TOKEN_VARIABLE",
    "given_token",
    "lake_option",
    "open_store",
    "signed_in",
    "store_option",
    "store_url",
    "token_option",
]

TOKEN_VARIABLE = "STILLWATCH_TOKEN"  # noqa: S105 - the name of a variable

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def store_option(command: Decorated) -> Decorated:
    """`--store URL`, as `store`."""
    return click.option(
        "--store",
        help="The verdict store's database URL. Default: SQLite in the lake's folder.",
    )(command)


def lake_option(command: Decorated) -> Decorated:
    """`--lake DIR`, as `lake`, which may be left out where --store is given."""
    return click.option("--lake", type=click.Path(path_type=Path), help="The lake's folder.")(
        command
    )


def token_option(command: Decorated) -> Decorated:
    """`--token-file FILE`, as `token_file`."""
    return click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help=f"A file (mode 0600) with your token. Default: ${TOKEN_VARIABLE}.",
    )(command)


def store_url(store: str | None, lake: Path | None) -> str:
    """The URL that was given, or that of the lake's own store.

    Raises:
        InputError: Neither was given, or the lake's folder is none.
    """
    from stillwatch.policy.store import default_url

    if store:
        return store
    if lake is None:
        raise InputError(
            "no store was named.",
            where="--store, --lake",
            remedy="Give the lake's folder with --lake, or a database with --store URL.",
        )
    return default_url(lake)


def open_store(
    store: str | None,
    lake: Path | None,
    *,
    is_made: bool = False,
    tokeniser: Tokeniser | None = None,
) -> Store:
    """The store that --store or --lake names.

    Args:
        is_made: Whether a SQLite file that is missing is made.

    Raises:
        InputError: There is no such store.
    """
    from stillwatch.policy.store import Store

    return Store.open(store_url(store, lake), tokeniser=tokeniser, is_made=is_made)


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
