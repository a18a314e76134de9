"""A scan's findings, read with care: they may be another version's, or another tool's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.records import (
    ATTRIBUTED_EXCHANGES,
    FINDINGS_TABLES,
    MEMBERS,
    Findings,
    InputError,
    Role,
    TableSchema,
    conform,
    read_findings,
)

__all__ = ["read_canonical_findings"]


def read_canonical_findings(directory: Path) -> Findings:
    """The findings in `directory`, every table with its canonical columns and types.

    Raises:
        InputError: A table is missing or unreadable, lacks a required column or a required value,
            or names a role that is none.
    """
    findings = read_findings(directory)
    tables = {
        schema.name: _whole(findings.table(schema.name), schema, directory)
        for schema in FINDINGS_TABLES
    }
    roles = {str(role) for role in pc.unique(tables["members"]["role"]).to_pylist()}
    unknown = sorted(roles - set(Role))
    if unknown:
        raise InputError(
            f"there is no role {unknown[0]!r}.",
            where=str(directory / "members.parquet"),
            remedy=f"A role is one of {', '.join(Role)}.",
        )
    return replace(findings, **tables)


def _whole(table: pa.Table, schema: TableSchema, directory: Path) -> pa.Table:
    """The table in canonical form.

    A row of the members or of the exchanges that had to be left out would be an accusation unseen.
    """
    where = str(directory / f"{schema.name}.parquet")
    canonical = conform(table, schema, where=where)
    if canonical.rejected_rows and schema in (MEMBERS, ATTRIBUTED_EXCHANGES):
        problem = canonical.problems[0]
        raise InputError(
            f"{len(canonical.rejected_rows)} of {table.num_rows} rows cannot be read: {problem}",
            where=where,
            remedy="Give every required column a value in each row; a list may be empty.",
        )
    return canonical.table
