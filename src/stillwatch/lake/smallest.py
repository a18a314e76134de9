"""Which of many small files become one, so that they stay few and none is written anew often."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from stillwatch.lake.manifest import Part

__all__ = ["smallest"]


def smallest(
    parts: Sequence[Part], most_files: int, enough_rows: int | None = None
) -> tuple[Part, ...]:
    """The smallest of these, as many as must become one file; none where they are few enough.

    A file that has no more rows than those below it together goes with them: so each that stays is
    larger than all below it, and the next merge leaves it alone as well.

    Args:
        enough_rows: Files with as many neither go nor count, and no more go than make as many.
    """
    if enough_rows is not None:
        parts = [part for part in parts if part.rows < enough_rows]
    if len(parts) <= most_files:
        return ()
    by_size = sorted(parts, key=lambda part: (part.rows, part.path))
    count = len(parts) - most_files + 1
    rows = sum(part.rows for part in by_size[:count])
    while count < len(by_size) and by_size[count].rows <= rows:
        rows += by_size[count].rows
        count += 1
    if enough_rows is not None:
        sums = accumulate(part.rows for part in by_size[:count])
        count = next((n for n, rows in enumerate(sums, 1) if rows >= enough_rows), count)
    return tuple(sorted(by_size[:count], key=lambda part: part.path))
