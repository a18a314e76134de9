"""Which store a command works on: its options, as one object that opens it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.identity import Key
    from stillwatch.policy.store import Store

__all__ = ["ChosenStore", "store_option", "store_options", "store_options_without_key"]

_path = click.Path(path_type=Path)
_Command = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ChosenStore:
    """A store that may not be there, and the key under which its audit log names accounts.

    Attributes:
        url: Of its database; None is SQLite in the lake's folder.
        lake: The lake's folder, where one was named.
    """

    url: str | None
    lake: Path | None
    key_file: Path | None = None
    key_command: str | None = None

    @property
    def is_there(self) -> bool:
        """Whether it was named, or lies in the lake; of a database only its server knows."""
        from stillwatch.policy.store.store import STORE_FILE

        return self.url is not None or bool(self.lake and (self.lake / STORE_FILE).is_file())

    def database_url(self) -> str:
        """The URL that was given, or that of the lake's own store.

        Raises:
            InputError: Neither was given.
        """
        from stillwatch.policy.store import default_url

        if self.url:
            return self.url
        if self.lake is None:
            raise InputError(
                "no store was named.",
                where="--store, --lake",
                remedy="Give the lake's folder with --lake, or a database with --store URL.",
            )
        return default_url(self.lake)

    def key(self) -> Key | None:
        """The key that was named, or that lies where it usually does; None where there is none.

        Raises:
            InputError: It cannot be read, or is not the one of the lake.
        """
        from stillwatch.cli.key_of_lake import key_of_lake
        from stillwatch.identity import KeySource

        source = KeySource.chosen(file=self.key_file, command=self.key_command)
        is_named = self.key_file is not None or self.key_command is not None
        if not is_named and source.file and not source.file.exists():
            return None
        return key_of_lake(source, self.lake) if self.lake is not None else source.read()

    def opened(self, *, is_made: bool = False) -> Store:
        """The store, without the key: to look, and to do what tells of no account.

        Args:
            is_made: Whether a SQLite file that is missing is made.

        Raises:
            InputError: There is no such store.
        """
        from stillwatch.policy.store import Store

        return Store.open(self.database_url(), is_made=is_made)

    @contextmanager
    def opened_with_key(self) -> Iterator[Store]:
        """The store with the key, as far as there is one; closed when the block ends.

        Without a key nothing can be done that the audit log tells of an account for the first time.

        Raises:
            InputError: Neither a store nor a lake was named, or there is none.
        """
        from stillwatch.identity import Tokeniser
        from stillwatch.policy.store import Store

        key = self.key()
        tokeniser = Tokeniser(key) if key is not None else None
        with Store.open(self.database_url(), tokeniser=tokeniser, is_made=False) as store:
            yield store


_STORE = click.option(
    "--store",
    "store_url",
    metavar="URL",
    help="sqlite:///PATH or postgresql+psycopg://…; by default SQLite in the lake's folder.",
)
_LAKE = click.option("--lake", "lake_path", type=_path, help="The lake's folder.")
_KEYS = (
    click.option("--key-file", type=_path, help="The key of the tokens."),
    click.option("--key-command", help="A command that prints the key."),
)


def store_options(command: _Command) -> _Command:
    """`--store`, `--lake` and the key, as one argument `at`."""
    return _at(command, _STORE, _LAKE, *_KEYS)


def store_options_without_key(command: _Command) -> _Command:
    """`--store` and `--lake`, as one argument `at`: for what tells of no account."""
    return _at(command, _STORE, _LAKE)


def store_option(command: _Command) -> _Command:
    """`--store` alone, as `store_url`: for commands whose lake is named otherwise."""
    return _STORE(command)


def _at(command: _Command, *options: Callable[[_Command], _Command]) -> _Command:
    @functools.wraps(command)
    def with_store(
        *args: Any,
        store_url: str | None,
        lake_path: Path | None,
        key_file: Path | None = None,
        key_command: str | None = None,
        **others: Any,
    ) -> Any:
        return command(*args, at=ChosenStore(store_url, lake_path, key_file, key_command), **others)

    decorated: _Command = with_store
    for option in reversed(options):
        decorated = option(decorated)
    return decorated
