"""A record that was touched is named, whatever was done to it; on both stores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from made_actions import NOW, action

from stillwatch.identity import SigningKey, create_signing_key
from stillwatch.policy.store import Principal, Store
from stillwatch.policy.store.audit import FIRST_HASH, hash_of
from stillwatch.policy.store.audit_check import check_file, check_store, first_difference
from stillwatch.policy.store.checkpoints import Checkpoint, add_checkpoint, read_checkpoints
from stillwatch.policy.store.schema import AUDIT, HEAD
from stillwatch.records import InputError


@pytest.fixture
def written(store: Store, ada: Principal) -> Store:
    """Ten records."""
    for _ in range(10):
        store.actions.propose([action()], ada, now=NOW)
    return store


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return create_signing_key(tmp_path / "audit-key.pem")


def unguarded(store: Store) -> None:
    """The database itself refuses every change of a record: its owner can take that away."""
    suffix = "" if store.engine.dialect.name == "sqlite" else " ON audit"
    names = ("no_update", "no_delete") if not suffix else ("no_change",)
    with store.engine.begin() as connection:
        for name in names:
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS audit_{name}{suffix}")


def run(store: Store, *statements: sa.Executable) -> None:
    """What somebody does who owns the database."""
    unguarded(store)
    with store.engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def rewrite(store: Store, first: int) -> None:
    """All records from a number on anew, with right hashes, and the store's count with them."""
    unguarded(store)
    with store.engine.begin() as connection:
        rows = connection.execute(sa.select(AUDIT).order_by(AUDIT.c.sequence)).all()
        previous = FIRST_HASH
        for row in rows:
            details = json.loads(row.details)
            if row.sequence >= first:
                details["step"] = "observe"
            text = json.dumps(details, sort_keys=True, separators=(",", ":"))
            digest = hash_of(
                sequence=row.sequence,
                at=row.at,
                kind=row.kind,
                by=row.by_name,
                details=details,
                previous_hash=previous,
            )
            connection.execute(
                sa.update(AUDIT)
                .where(AUDIT.c.sequence == row.sequence)
                .values(details=text, previous_hash=previous, hash=digest)
            )
            previous = digest
        connection.execute(sa.update(HEAD).values(audit_hash=previous))


def sealed(store: Store) -> Checkpoint:
    sequence, head = store.audit.head()
    return Checkpoint(sequence, head, NOW)


def test_an_untouched_log_is_whole(written: Store) -> None:
    """With a checkpoint of now, and with none."""
    assert check_store(written).ok
    checked = check_store(written, [sealed(written)])
    assert (checked.ok, checked.records, checked.checkpoints) == (True, 10, 1)


def test_the_database_refuses_a_change_by_itself(written: Store) -> None:
    """Until somebody who owns it takes the guard away."""
    for statement in (sa.update(AUDIT).values(by_name="eve"), sa.delete(AUDIT)):
        with (
            pytest.raises(sa.exc.DatabaseError, match="append-only"),
            written.engine.begin() as connection,
        ):
            connection.execute(statement)
    assert check_store(written).ok


def test_a_change_is_named(written: Store) -> None:
    """One word in one record."""
    run(written, sa.update(AUDIT).where(AUDIT.c.sequence == 4).values(by_name="eve"))
    checked = check_store(written)
    assert (checked.first_bad, checked.last_good) == (4, 3)
    assert "changed" in checked.why


def test_a_removal_is_named(written: Store) -> None:
    """The number that is not there any more."""
    run(written, sa.delete(AUDIT).where(AUDIT.c.sequence == 6))
    checked = check_store(written)
    assert checked.first_bad == 6
    assert "missing" in checked.why


def test_a_reorder_is_named(written: Store) -> None:
    """Two records that changed places are wrong from the first of them on."""
    number = AUDIT.c.sequence
    run(
        written,
        sa.update(AUDIT).where(number == 3).values(sequence=99),
        sa.update(AUDIT).where(number == 5).values(sequence=3),
        sa.update(AUDIT).where(number == 99).values(sequence=5),
    )
    assert check_store(written).first_bad == 3


def test_a_tail_cut_off_is_named(written: Store) -> None:
    """By the store's own count; where that was changed as well, by a checkpoint."""
    then = sealed(written)
    run(written, sa.delete(AUDIT).where(AUDIT.c.sequence > 7))
    assert check_store(written).first_bad == 8
    with written.reading() as connection:
        last = connection.execute(sa.select(AUDIT.c.hash).where(AUDIT.c.sequence == 7)).scalar()
    run(written, sa.update(HEAD).values(audit_sequence=7, audit_hash=last))
    assert check_store(written).ok
    checked = check_store(written, [then])
    assert checked.first_bad == 8
    assert "missing" in checked.why


def test_an_old_copy_brought_back_is_named(written: Store, ada: Principal) -> None:
    """It is whole by itself, and shorter than what was sealed."""
    old = [record.as_line() for record in written.audit.records()]
    written.actions.propose([action()], ada, now=NOW)
    assert check_file(old).ok
    assert check_file(old, [sealed(written)]).first_bad == 11


def test_a_chain_written_anew_from_the_middle_is_named(written: Store) -> None:
    """By checkpoints it lies between two of them; by an earlier copy, the very record."""
    copy = [record.as_line() for record in written.audit.records()]
    (third,) = [r for r in written.audit.records() if r.sequence == 3]
    seals = [Checkpoint(3, third.hash, NOW), sealed(written)]
    rewrite(written, 6)
    assert check_store(written).ok  # by itself it is whole
    checked = check_store(written, seals)
    assert (checked.first_bad, checked.last_good) == (10, 3)
    assert first_difference(written, copy) == 6


def test_an_exported_file_is_checked_alike(written: Store) -> None:
    """A line that was changed, removed, moved, or is none."""
    lines = [record.as_line() for record in written.audit.records()]
    assert check_file(lines).ok
    changed = [*lines[:4], lines[4].replace('"block"', '"tag"'), *lines[5:]]
    moved = [*lines[:2], lines[3], lines[2], *lines[4:]]
    for given, bad in (
        (changed, 5),
        ([*lines[:7], *lines[8:]], 8),
        (moved, 3),
        ([*lines[:9], lines[9][:40]], 10),
        ([*lines[:2], "[]", *lines[2:]], 3),
        ([*lines[:3], lines[2], *lines[3:]], 4),
    ):
        assert check_file(given).first_bad == bad


def test_a_checkpoint_is_believed_by_its_signature_alone(
    written: Store, key: SigningKey, tmp_path: Path
) -> None:
    """One that was changed, or that another key made, ends the check."""
    path = tmp_path / "checkpoints.jsonl"
    add_checkpoint(path, sealed(written), key)
    add_checkpoint(path, sealed(written), key)
    assert len(read_checkpoints(path, key.public)) == 2
    other = create_signing_key(tmp_path / "other.pem")
    with pytest.raises(InputError, match="not signed"):
        read_checkpoints(path, other.public)
    path.write_text(path.read_text().replace('"sequence": 10', '"sequence": 9'))
    with pytest.raises(InputError, match="not signed"):
        read_checkpoints(path, key.public)


def test_what_is_no_checkpoint_is_told(tmp_path: Path, key: SigningKey) -> None:
    """An empty file, other JSON, and a newer form."""
    path = tmp_path / "checkpoints.jsonl"
    for content in ("", "{}\n", "[1]\n", "no json\n"):
        path.write_text(content)
        with pytest.raises(InputError, match="checkpoint"):
            read_checkpoints(path, key.public)
