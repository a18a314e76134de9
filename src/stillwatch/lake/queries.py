"""Named, readable SQL: one query a file under `queries/`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["load_query", "query_names"]


@cache
def load_query(name: str) -> str:
    """The text of `queries/NAME.sql`, as `--show-sql` prints it."""
    return (files("stillwatch.lake") / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def query_names() -> tuple[str, ...]:
    """All queries, in alphabetical order."""
    folder = files("stillwatch.lake") / "queries"
    return tuple(
        sorted(p.name.removesuffix(".sql") for p in folder.iterdir() if p.name.endswith(".sql"))
    )
