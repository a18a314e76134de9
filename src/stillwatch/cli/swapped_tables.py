"""Tables given under the option of another one, told by their columns before a scan reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from stillwatch.records import (
    ACCOUNTS,
    CREDENTIALS,
    EXCHANGES,
    LOG_TABLES,
    MODEL_RELEASES,
    InputError,
    Problem,
    TableSchema,
)

__all__ = ["keep_of_their_table"]

_OPTIONS = {
    EXCHANGES.name: "--exchanges",
    ACCOUNTS.name: "--accounts",
    CREDENTIALS.name: "--credentials",
    MODEL_RELEASES.name: "--releases",
}
# One column in common may be chance: many logs have a `created_at` of their own.
_COLUMNS_THAT_TELL = 2


def keep_of_their_table(
    given: Mapping[str, Sequence[Path]],
) -> tuple[dict[str, list[Path]], list[Problem]]:
    """What was given for each table, without the files in it that are of another table.

    Reads the columns of each Parquet file. A file that cannot be read stays: whoever opens it says
    why. A folder may hold other tables, too; they are left out, and named unless they were given
    for their own table as well.

    Args:
        given: Files and folders, by the name of the table that they were given for.

    Raises:
        InputError: A path does not exist, or what was given is a file of another table, or holds
            nothing else.
    """
    from stillwatch.lake.log import parquet_files

    files = {name: parquet_files(paths) for name, paths in given.items()}
    known_as = {(name, file.resolve()) for name, some in files.items() for file in some}
    kept: dict[str, list[Path]] = {}
    left_out: list[Problem] = []
    for schema in LOG_TABLES:
        name, paths = schema.name, list(given.get(schema.name, ()))
        of_others = {
            file: other for file in files.get(name, ()) if (other := _other_table(file, schema))
        }
        for file, other in of_others.items():
            error = InputError(
                f"this is a table of {_plain(other)}, not of {_plain(name)}.",
                where=str(file),
                remedy=f"Pass it with {_OPTIONS[other]}.",
            )
            if file in paths or len(of_others) == len(files[name]):
                raise error
            if (other, file.resolve()) not in known_as:
                left_out.append(
                    Problem(error.where, error.what, f"{error.remedy} It was left out.")
                )
        kept[name] = [f for f in files[name] if f not in of_others] if of_others else paths
    return kept, left_out


def _other_table(file: Path, wanted: TableSchema) -> str | None:
    """The table whose columns the file has, if it is plainly another than the one wanted."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = set(pq.read_schema(file).names)
    except (pa.ArrowException, OSError):
        return None
    fitting = [
        other for other in LOG_TABLES if other is not wanted and _speaks_for(columns, other, wanted)
    ]
    # Exchanges have an account's id as well, which is all that a table of accounts must have.
    fitting.sort(key=lambda other: (len(columns & set(other.names)), len(other.required)))
    return fitting[-1].name if fitting else None


def _speaks_for(columns: set[str], other: TableSchema, wanted: TableSchema) -> bool:
    """Whether a file with these columns is rather another table than the one wanted."""
    only_other, only_wanted = set(other.names) - {*wanted.names}, set(wanted.names) - {*other.names}
    if not columns >= set(other.required):
        return False
    if columns >= set(wanted.required) and only_wanted & set(wanted.required):
        return False
    told = columns & only_other
    enough = len(told) >= _COLUMNS_THAT_TELL or bool(told & set(other.required))
    return enough and len(told) > len(columns & only_wanted)


def _plain(table: str) -> str:
    return table.replace("_", " ")
