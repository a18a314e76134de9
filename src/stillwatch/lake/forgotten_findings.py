"""Erasure in the findings that a lake keeps: what names an erased account, and pages that quote it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stillwatch.lake.database import lake_database
from stillwatch.lake.erasure_rules import Wanted, is_before, is_in, names_any
from stillwatch.lake.parquet_source import parquet_source
from stillwatch.lake.store import Lake
from stillwatch.lake.workplace import locked, put_in_place, workplace
from stillwatch.records import FINDINGS_TABLES, Findings, InputError, read_findings, write_findings

__all__ = ["FindingsForgotten", "forget_in_findings"]

_ERASED = "(erased)"
_WORD = re.compile(r"[^\s,;()\[\]{}<>|\"']+")
_DOSSIER = "dossier"
_NAMES = {
    "members": ("account_id",),
    "exchanges": ("account_id",),
    "links": ("account_a", "account_b"),
}


@dataclass(slots=True)
class FindingsForgotten:
    """What became of the findings in a lake.

    Attributes:
        scans: How many folders of findings named what was erased.
        rows: How many rows of their tables went.
        dossiers: How many pages were removed.
        not_reached: Files beside them that are not ours, or cannot be read, and may name it.
    """

    scans: int = 0
    rows: int = 0
    dossiers: int = 0
    not_reached: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Gone:
    """What the lake has no more, of all that one folder of findings names.

    Attributes:
        accounts: Whose rows go.
        exchanges: Whose attributions go.
        campaigns: Those whose pages quote what was erased.
    """

    accounts: frozenset[str]
    exchanges: frozenset[str]
    campaigns: frozenset[str]


def forget_in_findings(
    lake: Path, wanted: Wanted, held: frozenset[str], *, dry_run: bool = False
) -> FindingsForgotten:
    """Erase in every folder of findings in the lake, each in one step.

    Rows of erased accounts and exchanges go, campaigns of which none is left, and the pages of
    those that quote them; what stays is marked as stale in `scan.json`, with the reason.
    """
    forgotten = FindingsForgotten()
    if not dry_run and not wanted.text_only:
        shutil.rmtree(Lake.open(lake).looks_directory, ignore_errors=True)
    places = sorted(path for path in lake.glob("findings*") if path.is_dir())
    for place in places:
        with workplace(lake) as folder, locked(lake):
            found = _forget_in(lake, place, wanted, held, folder=None if dry_run else folder)
            forgotten.scans += found.scans
            forgotten.rows += found.rows
            forgotten.dossiers += found.dossiers
            forgotten.not_reached += found.not_reached
    return forgotten


def _forget_in(
    lake: Path, place: Path, wanted: Wanted, held: frozenset[str], *, folder: Path | None
) -> FindingsForgotten:
    """In one folder. The lake's lock is held, so that no scan puts others there meanwhile."""
    try:
        findings = read_findings(place)
    except (InputError, ValueError):
        return FindingsForgotten(not_reached=[place])
    gone = _gone(lake, findings, wanted, held)
    found = FindingsForgotten(not_reached=_files_of_others(place, gone))
    left = findings if wanted.text_only else _without(findings, gone)
    pages = [
        path
        for name in sorted(gone.campaigns)
        for path in sorted((place / _DOSSIER).glob(f"{name}.*"))
    ]
    if not pages and left is findings:
        return found
    found.scans = 1
    found.rows = sum(
        findings.table(t.name).num_rows - left.table(t.name).num_rows for t in FINDINGS_TABLES
    )
    found.dossiers = sum(path.suffix == ".html" for path in pages)
    if folder is None:
        return found
    new = folder / "findings"
    shutil.copytree(place, new, symlinks=True)
    for page in pages:
        (new / page.relative_to(place)).unlink()
    write_findings(replace(left, notes=_marked(left.notes, wanted)), new)
    put_in_place(new, place, folder=folder)
    return found


def _gone(lake: Path, findings: Findings, wanted: Wanted, held: frozenset[str]) -> _Gone:
    members = findings.members
    if wanted.before is None:
        accounts = frozenset(wanted.accounts & _named(findings))
        hit = members.filter(pa.array(is_in(members["account_id"], accounts)))
        return _Gone(accounts, frozenset(), frozenset(hit["campaign_id"].to_pylist()))
    old = is_before(findings.campaigns["first_seen"], wanted.before)
    campaigns = frozenset(findings.campaigns.filter(pa.array(old))["campaign_id"].to_pylist())
    if wanted.text_only:
        return _Gone(frozenset(), frozenset(), campaigns)
    accounts, exchanges = _not_in_lake(lake, findings, wanted.before, held)
    return _Gone(accounts, exchanges, campaigns)


def _named(findings: Findings) -> frozenset[str]:
    """Every account that the tables name."""
    columns = [findings.table(table)[name] for table, names in _NAMES.items() for name in names]
    columns.append(pc.list_flatten(findings.tested["account_ids"]))
    return frozenset(name for c in columns for name in pc.unique(c).to_pylist() if name)


def _not_in_lake(
    lake: Path, findings: Findings, before: datetime, held: frozenset[str]
) -> tuple[frozenset[str], frozenset[str]]:
    """The accounts and exchanges that the tables name and the lake has no more from `before` on."""
    snapshot = Lake.open(lake)
    evidence = pc.struct_field(pc.list_flatten(findings.members["reasons"]), "evidence")
    ids = [findings.exchanges["exchange_id"], pc.list_flatten(evidence)]
    named = {
        "account_id": pa.table({"account_id": pa.array(sorted(_named(findings)), pa.string())}),
        "exchange_id": pa.table(
            {"exchange_id": pa.chunked_array([c for i in ids for c in i.chunks])}
        ),
    }
    sources = {name: [f"select null::varchar as {name} where false"] for name in named}
    if files := snapshot.files("exchanges"):
        stays = f"started_at >= timestamptz '{before.isoformat()}' or account_id in (from held)"
        for name in named:
            sources[name].append(f"select {name} from {parquet_source(files)} where {stays}")
    if files := snapshot.files("accounts"):
        sources["account_id"].append(f"select account_id from {parquet_source(files)}")
    found = []
    # Should something spill, it lies where leavings are removed.
    with lake_database(lake / ".staging" / "none", in_order=False) as database:
        database.register("held", pa.table({"account_id": pa.array(sorted(held), pa.string())}))
        for name, table in named.items():
            database.register("named", table)
            there = " union all ".join(sources[name])
            query = f"select distinct {name} from named anti join ({there}) using ({name})"
            found.append(frozenset(row[0] for row in database.execute(query).fetchall() if row[0]))
    return found[0], found[1]


def _without(findings: Findings, gone: _Gone) -> Findings:
    """The findings without what is gone, and without campaigns of which nothing is left."""
    tables = {t.name: findings.table(t.name) for t in FINDINGS_TABLES}
    for table, names in _NAMES.items():
        for name in names:
            tables[table] = _kept(tables[table], ~is_in(tables[table][name], gone.accounts))
    tables["exchanges"] = _kept(
        tables["exchanges"], ~is_in(tables["exchanges"]["exchange_id"], gone.exchanges)
    )
    left = set(pc.unique(tables["members"]["campaign_id"]).to_pylist())
    if gone.exchanges:
        left &= set(pc.unique(tables["exchanges"]["campaign_id"]).to_pylist())
    for table in ("campaigns", "members", "exchanges"):
        tables[table] = _kept(tables[table], is_in(tables[table]["campaign_id"], frozenset(left)))
    for table in ("campaigns", "members", "tested"):
        rows = [_redacted(row, gone) for row in tables[table].to_pylist()]
        tables[table] = pa.Table.from_pylist(rows, schema=tables[table].schema)
    if tables == {t.name: findings.table(t.name) for t in FINDINGS_TABLES}:
        return findings
    return Findings(**tables, notes=_redacted(findings.notes, gone))


def _kept(table: pa.Table, mask: Any) -> pa.Table:
    return table.filter(pa.array(mask))


def _redacted(value: Any, gone: _Gone) -> Any:
    """The value without elements of lists that are gone, and without their names in texts."""
    if isinstance(value, dict):
        return {key: _redacted(inner, gone) for key, inner in value.items()}
    if isinstance(value, list):
        return [_redacted(inner, gone) for inner in value if not _is_gone(inner, gone)]
    if isinstance(value, str) and names_any(value, gone.accounts):
        return _ERASED if value in gone.accounts else _WORD.sub(_replacing(gone), value)
    return value


def _is_gone(value: Any, gone: _Gone) -> bool:
    return isinstance(value, str) and (value in gone.accounts or value in gone.exchanges)


def _replacing(gone: _Gone) -> Callable[[re.Match[str]], str]:
    return lambda word: _ERASED if names_any(word[0], gone.accounts) else word[0]


def _files_of_others(place: Path, gone: _Gone) -> list[Path]:
    """What lies beside the findings and is not ours, as far as it names an erased account."""
    ours = {f"{t.name}.parquet" for t in FINDINGS_TABLES} | {"scan.json"}
    names = [name.encode() for name in sorted(gone.accounts)]
    return [
        path
        for path in sorted(place.rglob("*"))
        if path.is_file()
        and path.parent.name != _DOSSIER
        and str(path.relative_to(place)) not in ours
        and any(name in path.read_bytes() for name in names)
    ]


def _marked(notes: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    what = "texts" if wanted.text_only else "rows"
    if wanted.before is None:
        count = len(wanted.accounts)
        of = f"of {count:,} account{'s' if count != 1 else ''}"
    else:
        of = f"from before {wanted.before:%Y-%m-%d}"
    mark = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "reason": f"{what} {of} were erased since",
    }
    return {**notes, "stale": [*notes.get("stale", ()), mark]}
