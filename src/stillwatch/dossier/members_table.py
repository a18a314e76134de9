"""The members as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io

from stillwatch.dossier.case import Case
from stillwatch.dossier.hostile_text import csv_cell

__all__ = ["render_members"]

_HEADER = (
    "number", "account_id", "role", "share", "e_value", "first_flagged_at", "credential_ids",
    "reasons",
)  # fmt: skip


def render_members(case: Case) -> str:
    """The table of members as CSV (RFC 4180), in the order of the page, formulas neutralised."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(_HEADER)
    for number, member in enumerate(case.members, start=1):
        reasons = [
            f"{r['text']} (observed: {r['observed']}; usual: {r['baseline']})"
            for r in member["reasons"] or []
        ]
        rows.writerow(
            (
                number,
                csv_cell(member["account_id"]),
                csv_cell(member["role"]),
                f"{member['share']:.4f}",
                f"{member['e_value']:.6g}",
                member["first_flagged_at"].isoformat(),
                csv_cell(" ".join(member["credential_ids"] or [])),
                csv_cell(" | ".join(reasons)),
            )
        )
    return out.getvalue()
