"""A store that may be away when it is asked for: opened when it is there, and then kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING

from stillwatch.policy.store.store import Store

if TYPE_CHECKING:
    from stillwatch.identity import Tokeniser

__all__ = ["StoreDoor"]


@dataclass(slots=True)
class StoreDoor:
    """What a server has in place of an open store, so that it starts and serves without one.

    Attributes:
        url: A database URL of SQLAlchemy.
        tokeniser: Makes the tokens by which the audit log names accounts.
    """

    url: str
    tokeniser: Tokeniser | None = None
    _store: Store | None = None
    _lock: Lock = field(default_factory=Lock)

    def store(self) -> Store:
        """The store.

        Raises:
            InputError: The URL is none, or a newer version made the store.
            StoreAwayError: The database does not answer; it is asked anew at the next call.
        """
        with self._lock:
            if self._store is None:
                self._store = Store.open(self.url, tokeniser=self.tokeniser)
            return self._store

    def close(self) -> None:
        """Let go of the database's connections."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
