"""A real PostgreSQL for the tests, on a socket of its own, that can be stopped and started again."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg

_USER = "postgres"


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        assert versions, f"{name} of PostgreSQL is missing: run `make test-stores`"
        found = str(versions[-1])
    return found


class PostgresqlServer:
    """A cluster in a folder of its own. Its server refuses to run as root, so that root lends a user."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="stillwatch-postgresql-"))
        self._data = self._folder / "data"
        self._as = {"user": _USER, "group": _USER} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(self._folder, _USER, _USER)
        self._run("initdb", "--username", _USER, "--auth", "trust", "--no-sync", "-D", self._data)
        self._databases = 0

    def start(self) -> None:
        """Begin to answer on the socket; nothing listens on a network."""
        options = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c fsync=off"
        log = self._folder / "server.log"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-o", options, "-l", log)

    def stop(self) -> None:
        """At once, as if it had been killed: connections break."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", self._data)

    def new_database(self) -> str:
        """An empty database; its URL."""
        self._databases += 1
        name = f"store_{self._databases}"
        with psycopg.connect(
            host=str(self._folder), user=_USER, dbname=_USER, autocommit=True
        ) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://{_USER}@/{name}?host={self._folder}"

    def _run(self, name: str, *words: str | Path) -> None:
        done = subprocess.run(
            [_program(name), *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder,
            check=False,
            **self._as,
        )
        assert done.returncode == 0, done.stderr

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
