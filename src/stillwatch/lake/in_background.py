"""Work on one batch while the next is being made."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

__all__ = ["InBackground"]


class InBackground:
    """A second thread that does one thing after another, one at a time.

    Worth it for work that lets go of the interpreter's lock: compression, sketching, Arrow.
    What is being worked on is one batch at most, so memory stays bounded.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._work: Future[None] | None = None

    def start(self, work: Callable[..., None], *values: Any) -> None:
        """Begin `work(*values)`, once what was begun before is done; raises what that raised."""
        self.wait()
        self._work = self._thread.submit(work, *values)

    def wait(self) -> None:
        """Return when nothing is going on any more; raises what the work raised."""
        work, self._work = self._work, None
        if work is not None:
            work.result()

    def close(self) -> None:
        """Wait, and end the thread."""
        try:
            self.wait()
        finally:
            self._thread.shutdown()

    def __enter__(self) -> InBackground:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._thread.shutdown()
