"""One database of people, actions and the audit log: SQLite by default, PostgreSQL where many share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from stillwatch.policy.store.actions import ActionTable
from stillwatch.policy.store.allowed import AllowList
from stillwatch.policy.store.appeals import AppealTable
from stillwatch.policy.store.audit import AuditLog
from stillwatch.policy.store.people import People
from stillwatch.policy.store.schema import HEAD
from stillwatch.records import InputError, StillwatchError

if TYPE_CHECKING:
    from stillwatch.identity import Tokeniser

__all__ = ["STORE_FILE", "Store", "StoreAwayError", "default_url"]

STORE_FILE = "store.sqlite"
"""Where the store of a lake lies, in the lake's folder."""

_BUSY_MILLISECONDS = 30_000
_READS = "stillwatch_reads"
_VERSION_TABLE = "alembic_version"
_REMEDY = "Give sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE with --store."


class StoreAwayError(StillwatchError):
    """The store cannot be reached now; what was to be written was not."""


def default_url(lake: Path) -> str:
    """The store of a lake that names no other."""
    return f"sqlite:///{(lake / STORE_FILE).absolute()}"


@dataclass(slots=True)
class Store:
    """An open store. Safe to share between threads; open it anew after a fork.

    Attributes:
        tokeniser: Makes the tokens by which the audit log names accounts; needed to write actions.
    """

    engine: sa.Engine
    tokeniser: Tokeniser | None = None
    audit: AuditLog = field(init=False)
    people: People = field(init=False)
    actions: ActionTable = field(init=False)
    allowed: AllowList = field(init=False)
    appeals: AppealTable = field(init=False)

    def __post_init__(self) -> None:
        self.audit = AuditLog(self)
        self.people = People(self)
        self.actions = ActionTable(self)
        self.allowed = AllowList(self)
        self.appeals = AppealTable(self)

    @classmethod
    def open(cls, url: str, *, tokeniser: Tokeniser | None = None, is_made: bool = True) -> Store:
        """Open a store, and bring its tables to this version.

        Args:
            url: A database URL of SQLAlchemy.
            is_made: Whether a SQLite file that is missing is made.

        Raises:
            InputError: The URL is none, there is no store, or a newer version made it.
            StoreAwayError: The database does not answer.
        """
        engine = _engine(url, is_made=is_made)
        store = cls(engine, tokeniser)
        try:
            with _away(engine):
                _bring_up_to_date(engine)
        except BaseException:
            engine.dispose()
            raise
        return store

    def close(self) -> None:
        """Let go of the database's connections."""
        self.engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """The one writer of the moment: all of the block is written, or nothing.

        Raises:
            StoreAwayError: The database does not answer, or is being written to for too long.
        """
        with _away(self.engine), self.engine.begin() as connection:
            if connection.dialect.name != "sqlite":  # there, BEGIN IMMEDIATE has the lock already
                connection.execute(sa.select(HEAD.c.id).with_for_update())
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view.

        Raises:
            StoreAwayError: The database does not answer.
        """
        with _away(self.engine), self.engine.connect() as connection:
            options: dict[str, Any] = {_READS: True}
            if connection.dialect.name != "sqlite":
                options["isolation_level"] = "REPEATABLE READ"
            connection = connection.execution_options(**options)
            with connection.begin():
                yield connection

    def leave_nothing_behind(self) -> None:
        """Take what was erased out of the log of writes as well, where the database keeps one here."""
        if self.engine.dialect.name != "sqlite":
            return
        with _away(self.engine):
            raw = self.engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                raw.close()

    def sequence(self) -> int:
        """Rises with every change that a gateway must see."""
        with self.reading() as connection:
            return int(connection.execute(sa.select(HEAD.c.sequence)).scalar_one())


@contextmanager
def _away(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError) as error:
        kind = type(getattr(error, "orig", None) or error).__name__
        raise StoreAwayError(
            f"the store does not answer ({kind}).",
            where=engine.url.render_as_string(hide_password=True),
            remedy="Nothing was changed. See that the database runs, and try again.",
        ) from error


def _engine(url: str, *, is_made: bool) -> sa.Engine:
    try:
        parsed = sa.make_url(url)
        backend = parsed.get_backend_name()
    except sa.exc.ArgumentError as error:
        raise InputError("this is no database URL.", where="--store", remedy=_REMEDY) from error
    if backend == "sqlite":
        _make_private(parsed.database, is_made=is_made)
        engine = sa.create_engine(parsed)
        sa.event.listen(engine, "connect", _set_up_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    if backend != "postgresql":
        raise InputError(
            f"stores are kept in SQLite or PostgreSQL, not in {backend}.",
            where="--store",
            remedy=_REMEDY,
        )
    try:
        return sa.create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            connect_args={"connect_timeout": 5},
        )
    except ModuleNotFoundError as error:
        raise InputError(
            "PostgreSQL's driver is not installed.",
            where="--store",
            remedy="Run `pip install 'stillwatch[postgresql]'`.",
        ) from error


def _make_private(database: str | None, *, is_made: bool) -> None:
    if not database or database == ":memory:":
        raise InputError("a store needs a file.", where="--store", remedy=_REMEDY)
    path = Path(database)
    if not path.exists() and not is_made:
        raise InputError(
            "there is no store here.",
            where=str(path),
            remedy="`stillwatch user add NAME --role administrator` makes one.",
        )
    if not path.parent.is_dir():
        raise InputError(
            "the store's folder does not exist.", where=str(path.parent), remedy="Make it first."
        )
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # BEGIN is ours, see below
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")  # what was erased is not to be read in the file
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get(_READS, False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _bring_up_to_date(engine: sa.Engine) -> None:
    from stillwatch.policy.store.migrations import LATEST

    with engine.connect() as connection:
        connection = connection.execution_options(**{_READS: True})
        with connection.begin():
            present = _version(connection)
    if present == LATEST:
        return
    with engine.begin() as connection:
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7361)")
        if (present := _version(connection)) != LATEST:
            _migrate(connection, present, engine)


def _version(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_VERSION_TABLE):
        return None
    found = connection.exec_driver_sql(f"SELECT version_num FROM {_VERSION_TABLE}").scalar()
    return None if found is None else str(found)


def _migrate(connection: sa.Connection, present: str | None, engine: sa.Engine) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise InputError(
            f"the store was made by a newer version of stillwatch (its tables are {present}).",
            where=engine.url.render_as_string(hide_password=True),
            remedy="Use that version, or another store.",
        ) from error
