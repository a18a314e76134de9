"""The options of every command that opens the verdict store, and who runs the command."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.policy.store import Principal, Store

__all__ = ["TOKEN_VARIABLE", "opened_store", "person_of", "store_options", "token_option"]

TOKEN_VARIABLE = "STILLWATCH_TOKEN"  # noqa: S105 - the name of a variable

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


token_option = click.option(
    "--token-file",
    type=_path,
    help=f"A file with your token; without it, {TOKEN_VARIABLE} is read.",
)


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
    from stillwatch.policy.store import Store, default_url

    if store_url is None and lake_path is None:
        raise InputError(
            "give the store, or the lake in whose folder it lies.",
            where="--store, --lake",
            remedy="For example --lake DIR.",
        )
    url = store_url or default_url(lake_path or Path())
    key = _key(lake_path, key_file, key_command)
    tokeniser = Tokeniser(key) if key is not None else None
    with Store.open(url, tokeniser=tokeniser, is_made=False) as store:
        yield store


def person_of(store: Store, token_file: Path | None) -> Principal:
    """Who runs the command: the owner of the token. The system's user is no identity.

    Raises:
        InputError: There is no token, or others may read its file.
        NotAllowedError: It is nobody's.
    """
    if token_file is not None:
        if token_file.stat().st_mode & 0o077:
            raise InputError(
                "others may read this token.",
                where=str(token_file),
                remedy="Run `chmod 600` on it, and have a new token made if others are here.",
            )
        return store.people.authenticate(token_file.read_text(encoding="utf-8").strip())
    token = os.environ.get(TOKEN_VARIABLE, "")
    if not token:
        raise InputError(
            "who you are is not known: there is no token.",
            where=f"--token-file, {TOKEN_VARIABLE}",
            remedy="An administrator makes one with `stillwatch user add`.",
        )
    return store.people.authenticate(token)


def _key(lake_path: Path | None, key_file: Path | None, key_command: str | None) -> Any:
    from stillwatch.cli.key_of_lake import key_of_lake
    from stillwatch.identity import KeySource

    source = KeySource.chosen(file=key_file, command=key_command)
    if key_file is None and key_command is None and source.file and not source.file.exists():
        return None
    return key_of_lake(source, lake_path) if lake_path is not None else source.read()
