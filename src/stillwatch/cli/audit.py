"""`stillwatch audit`: the record of what was done, checked, copied and sealed."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stillwatch.cli.chosen_store import ChosenStore, store_options_without_key
from stillwatch.cli.output import FAILED, amount, emit_json, reports_errors, say
from stillwatch.records import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stillwatch.policy.store import Store
    from stillwatch.policy.store.audit_check import Checked
    from stillwatch.policy.store.checkpoints import Checkpoint

__all__ = ["command"]

_FILE = click.Path(path_type=Path, dir_okay=False)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(name="audit")
def command() -> None:
    """Verify, export or seal the record of what was done.

    Every act is a record that holds the hash of the one before it. Whoever can write to the database
    could write all of it anew: that is found out by checkpoints, signed with a key that the database
    does not hold, and kept where its users cannot write.
    """


@command.command()
@click.option("--file", type=_FILE, help="What `audit export` wrote, in place of the store.")
@click.option("--checkpoint", type=_FILE, help="A file of checkpoints to compare with.")
@click.option("--verify-key", type=_FILE, help="The public key that signed them.")
@store_options_without_key
@_json
@reports_errors
def verify(
    file: Path | None,
    checkpoint: Path | None,
    verify_key: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Check that no record was changed, removed, moved or cut off; name the first that was.

    With --file alone the file is checked; with a store as well, the store, and that it goes on from
    the file. Exit status: 0 whole, 1 not.
    """
    from stillwatch.policy.store.audit_check import check_file, check_store

    sealed = _checkpoints(checkpoint, verify_key)
    if file is not None and at.url is None and at.lake is None:
        with file.open(encoding="utf-8", errors="replace") as lines:
            checked = check_file(lines, sealed)
    else:
        with at.opened() as opened:
            checked = check_store(opened, sealed)
            if file is not None:
                checked = _against(opened, file, checked)
    if as_json:
        emit_json(
            {
                "ok": checked.ok,
                "records": checked.records,
                "first_bad": checked.first_bad,
                "why": checked.why,
                "last_good": checked.last_good,
                "checkpoints": checked.checkpoints,
            }
        )
    if checked.ok:
        told = f", and {amount(checked.checkpoints, 'checkpoint')}" if sealed else ""
        say(f"Whole: {amount(checked.records, 'record')}{told}.")
        if not sealed:
            say("Without a checkpoint nobody knows whether it was written anew as a whole.")
        return
    say(f"Record {checked.first_bad} is wrong: {checked.why}.")
    say(f"The last record that is certain: {checked.last_good}.")
    sys.exit(FAILED)


@command.command()
@click.option("--out", type=_FILE, required=True, help="The file to write, one record a line.")
@store_options_without_key
@_json
@reports_errors
def export(out: Path, at: ChosenStore, as_json: bool) -> None:
    """Write the record as lines of JSON. It holds tokens, never an identifier or a text."""
    from stillwatch.records import flush_to_disk, private_file

    count = 0
    with at.opened() as opened, private_file(out) as partial:
        with partial.open("w", encoding="utf-8") as lines:
            for record in opened.audit.records():
                lines.write(f"{record.as_line()}\n")
                count += 1
        flush_to_disk(partial)
    if as_json:
        emit_json({"records": count, "file": str(out)})
    say(f"{amount(count, 'record')} written to {out}.")


@command.command()
@click.option(
    "--out",
    type=_FILE,
    required=True,
    help="The file of checkpoints to add to, where the database's users cannot write.",
)
@click.option("--signing-key", type=_FILE, help="The key that signs; made where there is none.")
@store_options_without_key
@_json
@reports_errors
def checkpoint(out: Path, signing_key: Path | None, at: ChosenStore, as_json: bool) -> None:
    """Seal how far the record has come. Run it every hour, and keep the file elsewhere."""
    from stillwatch.identity import create_signing_key, read_signing_key
    from stillwatch.policy.store.audit_check import check_store
    from stillwatch.policy.store.checkpoints import Checkpoint, add_checkpoint

    place = signing_key or _default_key()
    with at.opened() as opened:
        checked = check_store(opened)
        if not checked.ok:
            raise InputError(
                f"record {checked.first_bad} is wrong: {checked.why}.",
                where="audit log",
                remedy="What is broken is not sealed. `stillwatch audit verify` says more.",
            )
        sequence, head = opened.audit.head()
    key = read_signing_key(place) if place.exists() else create_signing_key(place)
    add_checkpoint(out, Checkpoint(sequence, head, datetime.now(UTC)), key)
    if as_json:
        emit_json({"sequence": sequence, "head": head, "file": str(out)})
    say(f"Sealed at record {sequence}. Verify with --checkpoint {out} --verify-key {place}.pub")


def _against(store: Store, file: Path, checked: Checked) -> Checked:
    """The store's check, with what an earlier copy of it says."""
    from dataclasses import replace

    from stillwatch.policy.store.audit_check import check_file, first_difference

    with file.open(encoding="utf-8", errors="replace") as lines:
        copy = check_file(lines)
    if not copy.ok:
        raise InputError(
            f"record {copy.first_bad} of the copy is wrong: {copy.why}.",
            where=str(file),
            remedy="Compare with a copy that is whole.",
        )
    with file.open(encoding="utf-8", errors="replace") as lines:
        number = first_difference(store, lines)
    if number is None and copy.records > checked.records:
        number = checked.records + 1
    if number is None or (checked.first_bad is not None and checked.first_bad <= number):
        return checked
    return replace(
        checked, first_bad=number, why="the copy has it differently", last_good=number - 1
    )


def _checkpoints(file: Path | None, verify_key: Path | None) -> Sequence[Checkpoint]:
    from stillwatch.identity import read_verify_keys
    from stillwatch.identity.signing_keys import public_file_of
    from stillwatch.policy.store.checkpoints import read_checkpoints

    if file is None:
        if verify_key is not None:
            raise InputError(
                "a key without checkpoints verifies nothing.",
                where="--verify-key",
                remedy="Give the file of checkpoints with --checkpoint.",
            )
        return ()
    return read_checkpoints(file, read_verify_keys(verify_key or public_file_of(_default_key())))


def _default_key() -> Path:
    from stillwatch.identity.keys import default_key_file

    return default_key_file().with_name("audit-signing-key.pem")
