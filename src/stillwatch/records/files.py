"""Writing findings so that they are whole or absent, and readable by their owner only."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stillwatch.records.errors import InputError
from stillwatch.records.findings import FINDINGS_TABLES, Findings

__all__ = ["flush_to_disk", "private_file", "read_findings", "write_findings", "write_parquet"]

_NOTES = "scan.json"


@contextmanager
def private_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, moved onto it (mode 0600) only if the block succeeds."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        yield partial
        os.chmod(partial, 0o600)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def flush_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, would survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_parquet(table: pa.Table, path: Path) -> None:
    """One Parquet file, whole or absent, mode 0600."""
    with private_file(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def write_findings(findings: Findings, directory: Path) -> None:
    """Write the tables of a scan into `directory`, replacing those of an earlier scan.

    All tables are written aside first, so that a full disk leaves the earlier scan as it was.
    """
    directory.mkdir(parents=True, exist_ok=True)
    staging = directory / f".staging-{os.getpid()}"
    staging.mkdir(mode=0o700, exist_ok=True)
    try:
        for schema in FINDINGS_TABLES:
            write_parquet(findings.table(schema.name), staging / f"{schema.name}.parquet")
        with private_file(staging / _NOTES) as partial:
            partial.write_text(json.dumps(findings.notes, indent=2, default=str) + "\n")
        for path in sorted(staging.iterdir()):
            os.replace(path, directory / path.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def read_findings(directory: Path) -> Findings:
    """The findings an earlier scan left in `directory`."""
    tables = {}
    for schema in FINDINGS_TABLES:
        path = directory / f"{schema.name}.parquet"
        if not path.is_file():
            raise InputError(
                f"there are no findings here: {schema.name}.parquet is missing.",
                where=str(directory),
                remedy="Give the folder that `stillwatch scan --out DIR` wrote.",
            )
        try:
            tables[schema.name] = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                "the file cannot be read as Parquet.",
                where=str(path),
                remedy="Run the scan again; it replaces the whole folder.",
            ) from error
    notes = directory / _NOTES
    return Findings(**tables, notes=json.loads(notes.read_text()) if notes.is_file() else {})
