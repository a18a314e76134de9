"""Erasure: of an account, or of what is older than some days; of texts alone, or of whole rows."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from stillwatch.lake.erasing import Erasing
from stillwatch.lake.erasure_rules import Wanted
from stillwatch.lake.forgotten_findings import FindingsForgotten, forget_in_findings
from stillwatch.lake.holds import open_holds
from stillwatch.lake.known_ids import leave_out_gone
from stillwatch.lake.manifest import Manifest
from stillwatch.lake.part_file import move_into_lake
from stillwatch.lake.readers import reading
from stillwatch.lake.repair import DAMAGED
from stillwatch.lake.workplace import locked, workplace
from stillwatch.records import InputError

__all__ = ["Forgotten", "Wanted", "forget"]


@dataclass(slots=True)
class Forgotten:
    """What was erased, or would be.

    Attributes:
        rows: How many rows, by table; sketches, which lie beside exchanges, are not counted.
        texts: Exchanges that lost their text and keep all else.
        held: Exchanges that stay since a hold on their account is open.
        files: How many files of the lake were replaced or taken out.
        findings: What became of the findings in the lake.
        not_reached: Files of ours that cannot be searched: those that a repair has set aside.
    """

    rows: dict[str, int] = field(default_factory=dict)
    texts: int = 0
    held: int = 0
    files: int = 0
    findings: FindingsForgotten = field(default_factory=FindingsForgotten)
    not_reached: list[Path] = field(default_factory=list)


def forget(lake: Path, wanted: Wanted, *, dry_run: bool = False) -> Forgotten:
    """Erase from a lake, in one commit, and then from the findings in it.

    Files are prepared while others import and read; what is imported meanwhile is looked through
    under the lake's lock. Replaced files stay for those who read them: see `remove_replaced`.
    Whoever is killed in between runs it again: what is erased already is passed over, and findings
    are looked through each time.

    Args:
        dry_run: Only count.

    Raises:
        InputError: A hold is open on what was named, a file is damaged, or there is no lake.
    """
    forgotten = Forgotten()
    with workplace(lake) as folder, reading(lake):
        manifest = Manifest.read(lake)
        held = _held(lake, wanted)
        erasing = Erasing(lake, folder / "parts", wanted, held, dry_run=dry_run)
        erasing.prepare(manifest)
        if dry_run:
            _count(forgotten, erasing)
        else:
            with locked(lake):
                if _held(lake, wanted) != held:
                    raise _changed(lake)
                current = Manifest.read(lake)
                erasing.prepare(current)
                _count(forgotten, erasing)
                _commit(lake, erasing, current)
            leave_out_gone(lake, folder)
    forgotten.not_reached = sorted(p for p in (lake / DAMAGED).rglob("*") if p.is_file())
    forgotten.findings = forget_in_findings(lake, wanted, held, dry_run=dry_run)
    return forgotten


def _commit(lake: Path, erasing: Erasing, current: Manifest) -> None:
    now = datetime.now(UTC)
    manifest, written = current, []
    for table, outcomes in erasing.changed().items():
        new = [outcome.new for outcome in outcomes.values() if outcome.new is not None]
        manifest = manifest.with_others(table, gone=set(outcomes), new=new, now=now)
        written += new
    if manifest is not current:
        move_into_lake(written, folder=erasing.folder, lake=lake)
        replace(manifest, erased_at=now.isoformat()).write(lake)


def _count(forgotten: Forgotten, erasing: Erasing) -> None:
    changed = erasing.changed()
    forgotten.held = erasing.held_rows
    forgotten.files = sum(map(len, changed.values()))
    for table, outcomes in changed.items():
        rows = sum(outcome.rows for outcome in outcomes.values())
        if erasing.wanted.text_only:
            forgotten.texts += rows
        elif table != "sketches":
            forgotten.rows[table] = rows


def _held(lake: Path, wanted: Wanted) -> frozenset[str]:
    """The accounts whose rows stay.

    Raises:
        InputError: A hold is open on the whole lake, or on an account that was named.
    """
    holds = open_holds(lake, datetime.now(UTC))
    in_the_way = [hold for hold in holds if hold.account is None or hold.account in wanted.accounts]
    if in_the_way:
        listed = ", ".join(hold.hold_id for hold in in_the_way)
        raise InputError(
            f"nothing was erased: of the holds on it {len(in_the_way):,} are open ({listed}).",
            where=str(lake),
            remedy=f"`stillwatch lake hold list --lake {lake}` gives their reasons; "
            "`stillwatch lake hold release` ends one.",
        )
    return frozenset(hold.account for hold in holds if hold.account is not None)


def _changed(lake: Path) -> InputError:
    return InputError(
        "nothing was erased: a hold was opened or released meanwhile.",
        where=str(lake),
        remedy="Run it again.",
    )
