"""The store that a command works on, opened with the key under which its audit log names accounts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stillwatch.cli.store_options import open_store

if TYPE_CHECKING:
    from stillwatch.identity import Key
    from stillwatch.policy.store import Store

__all__ = ["key_if_there", "opened_store", "store_options"]

_path = click.Path(path_type=Path)
_AnyCommand = TypeVar("_AnyCommand", bound=Callable[..., Any])


def store_options(command: _AnyCommand) -> _AnyCommand:
    """`--store`, `--lake`, and the key under which the audit log names accounts."""
    for option in (
        click.option("--key-command", help="A command that prints the key."),
        click.option("--key-file", type=_path, help="The key of the tokens."),
        click.option("--lake", "lake_path", type=_path, help="The lake's folder."),
        click.option(
            "--store",
            "store_url",
            metavar="URL",
            help="sqlite:///PATH or postgresql+psycopg://…; by default SQLite in the lake's folder.",
        ),
    ):
        command = option(command)
    return command


@contextmanager
def opened_store(
    store_url: str | None,
    lake_path: Path | None,
    *,
    key_file: Path | None = None,
    key_command: str | None = None,
) -> Iterator[Store]:
    """The store that was asked for, closed when the block ends.

    The key is read where there is one; without it nothing can be done that the audit log tells of
    an account for the first time.

    Raises:
        InputError: Neither a store nor a lake was named, or there is none.
    """
    from stillwatch.identity import Tokeniser

    key = key_if_there(lake_path, key_file, key_command)
    tokeniser = Tokeniser(key) if key is not None else None
    with open_store(store_url, lake_path, tokeniser=tokeniser) as store:
        yield store


def key_if_there(
    lake_path: Path | None, key_file: Path | None, key_command: str | None
) -> Key | None:
    """The key that was named, or that lies where it usually does; None where there is none there.

    Raises:
        InputError: It cannot be read, or is not the one of the lake.
    """
    from stillwatch.cli.key_of_lake import key_of_lake
    from stillwatch.identity import KeySource

    source = KeySource.chosen(file=key_file, command=key_command)
    if key_file is None and key_command is None and source.file and not source.file.exists():
        return None
    return key_of_lake(source, lake_path) if lake_path is not None else source.read()
