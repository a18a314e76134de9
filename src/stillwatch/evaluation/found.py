"""A scan's findings, read with care: they may be another version's, or another tool's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc

from stillwatch.records import (
    FINDINGS_TABLES,
    Findings,
    InputError,
    Role,
    conform,
    read_findings,
)

__all__ = ["read_canonical_findings"]


def read_canonical_findings(directory: Path) -> Findings:
    """The findings in `directory`, every table with its canonical columns and types.

    Raises:
        InputError: A table is missing or unreadable, lacks a required column, or names a role
            that is none.
    """
    findings = read_findings(directory)
    tables = {
        schema.name: conform(
            findings.table(schema.name), schema, where=str(directory / f"{schema.name}.parquet")
        ).table
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
