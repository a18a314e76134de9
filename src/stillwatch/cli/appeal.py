"""`stillwatch appeal`: what customers say of a refusal, read and decided by people."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stillwatch.cli.appeal_words import tell_appeal, tell_evidence
from stillwatch.cli.chosen_store import ChosenStore, store_options
from stillwatch.cli.listeners import require_both_of_tls
from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.who_asks import signed_in, token_option
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.dossier.appealed import Evidence

__all__ = ["command"]

_path = click.Path(path_type=Path)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(name="appeal")
def command() -> None:
    """Take, list, read and decide appeals against refusals.

    Customers appeal with the reference that a refusal showed. Reading and deciding needs the token
    of a person: viewers read, analysts and approvers decide.
    """


@command.command()
@click.argument("reference")
@click.option("--text", help="What the customer says.")
@click.option("--text-file", type=_path, help="A file that says it; - reads standard input.")
@store_options
@_json
@reports_errors
def submit(
    reference: str,
    text: str | None,
    text_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Take an appeal for REFERENCE, as the form does.

    The answer is the same whether the reference exists or not.
    """
    from stillwatch.policy.appeals import checked_reference, checked_text

    reference, words = checked_reference(reference), checked_text(_text(text, text_file))
    with at.opened_with_key() as store:
        store.appeals.submit(reference, words, now=datetime.now(UTC))
    if as_json:
        emit_json({"reference": reference, "state": "received"})
    say("Taken, if the reference is right and has no open appeal.")


@command.command(name="list")
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(min=1), help="Show so many."
)
@token_option
@store_options
@_json
@reports_errors
def list_(
    limit: int,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """List open appeals: the oldest of each campaign first, so that a flood hides nobody."""
    from stillwatch.policy.store import PrincipalRole

    with at.opened_with_key() as store:
        signed_in(store, token_file).require(PrincipalRole.VIEWER)
        found = store.appeals.waiting(limit=limit)
        open_, oldest = store.appeals.count_open()
    if as_json:
        appeals = [
            {
                "reference": appeal.reference,
                "state": appeal.state.value,
                "appeal_id": appeal.appeal_id,
                "campaign_id": appeal.campaign_id,
                "submitted_at": appeal.submitted_at,
            }
            for appeal in found
        ]
        emit_json({"open": open_, "oldest": oldest, "appeals": appeals})
        return
    for appeal in found:
        since = appeal.submitted_at.isoformat(timespec="minutes")
        click.echo(f"{appeal.reference}\t{since}\t{appeal.campaign_id}")
    say(f"{amount(open_, 'appeal')} open.")


@command.command()
@click.argument("reference")
@click.option("--findings", "findings_folder", type=_path, help="What `scan --out` wrote.")
@token_option
@store_options
@_json
@reports_errors
def show(
    reference: str,
    findings_folder: Path | None,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Show the appeal of REFERENCE (or of an appeal's id) with the evidence for and against.

    The evidence is that of the latest scan of --lake, or of --findings.
    """
    from stillwatch.policy.store import PrincipalRole

    with at.opened_with_key() as store:
        signed_in(store, token_file).require(PrincipalRole.VIEWER)
        appeal = store.appeals.named(_name(reference))
        actions = store.actions.of_account(appeal.account_id)
    evidence = _evidence(findings_folder, at.lake, appeal.account_id, appeal.campaign_id)
    if as_json:
        told: dict[str, Any] = {
            "reference": appeal.reference,
            "state": appeal.state.value,
            "appeal_id": appeal.appeal_id,
            "account_id": appeal.account_id,
            "campaign_id": appeal.campaign_id,
            "text": appeal.text,
            "submitted_at": appeal.submitted_at,
            "decided_at": appeal.decided_at,
            "decided_by": appeal.decided_by,
            "reason": appeal.reason,
            "actions": [
                {"step": a.step.value, "state": a.state.value, "ends_at": a.ends_at}
                for a in actions
            ],
            "evidence": evidence.as_dict() if evidence else None,
        }
        emit_json(told)
        return
    tell_appeal(appeal, actions)
    tell_evidence(evidence)


@command.command()
@click.argument("reference")
@click.option(
    "--outcome",
    required=True,
    type=click.Choice(["upheld", "reduced", "overturned"]),
    help="Overturned lifts all that is done to the account, at once.",
)
@click.option("--reason", required=True, help="Why; colleagues see it, the customer does not.")
@click.option(
    "--to",
    "milder_step",
    type=click.Choice(["tag", "verify", "throttle"]),
    help="The milder step; with `reduced` only.",
)
@token_option
@store_options
@_json
@reports_errors
def decide(
    reference: str,
    outcome: str,
    reason: str,
    milder_step: str | None,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Decide the open appeal of REFERENCE (or of an appeal's id)."""
    from stillwatch.policy.appeals import AppealState, Judgement
    from stillwatch.records import Step

    judgement = Judgement(
        state=AppealState(outcome),
        reason=reason,
        reduced_to=Step(milder_step) if milder_step else None,
    )
    with at.opened_with_key() as store:
        person = signed_in(store, token_file)
        appeal = store.appeals.decide(_name(reference), judgement, person, now=datetime.now(UTC))
    if as_json:
        emit_json({"reference": appeal.reference, "state": appeal.state.value})
    say(f"{appeal.state.value.capitalize()}. The customer is told that, and no reason.")
    if appeal.state is AppealState.OVERTURNED:
        say(
            "What was done to the account is lifted. A second approver may give this to "
            f"calibration: stillwatch appeal calibrate {appeal.appeal_id}"
        )


@command.command()
@click.argument("reference")
@token_option
@store_options
@_json
@reports_errors
def calibrate(
    reference: str,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Say, as an approver, that an overturned appeal may teach the detector.

    It is written into the lake's `overturned.json`, with all that was given before. Whoever decided
    the appeal cannot give it.
    """
    from stillwatch.lake.store import Lake
    from stillwatch.policy.overturned import write_overturned

    if at.lake is None:
        raise InputError(
            "calibration data lies in a lake.", where="--lake", remedy="Name the lake with --lake."
        )
    Lake.open(at.lake)
    with at.opened_with_key() as store:
        person = signed_in(store, token_file)
        appeal = store.appeals.give_to_calibration(_name(reference), person, now=datetime.now(UTC))
        given = store.appeals.for_calibration()
    path = write_overturned(at.lake, given)
    if as_json:
        emit_json({"reference": appeal.reference, "state": appeal.state.value, "given": len(given)})
    say(f"{path} holds {amount(len(given), 'overturned appeal')}.")


@command.command()
@click.option("--listen", required=True, metavar="HOST:PORT", help="Where; port 0 is any free one.")
@click.option("--tls-cert", type=_path, help="Our certificate and its chain, PEM.")
@click.option("--tls-key", type=_path, help="Its private key, PEM.")
@click.option(
    "--trusted-hops",
    default=0,
    show_default=True,
    type=click.IntRange(min=0),
    help="Proxies of yours before this listener, which add to X-Forwarded-For.",
)
@store_options
@reports_errors
def serve(
    listen: str,
    tls_cert: Path | None,
    tls_key: Path | None,
    trusted_hops: int,
    at: ChosenStore,
) -> None:
    """Take appeals over HTTP: a form at /, and JSON at /v1/appeals.

    Anybody may ask, so this listener is apart from that of gateways. Without TLS only loopback is
    listened on. SIGTERM and Ctrl-C end it.
    """
    from stillwatch.enforcement.appeals_serving import AppealsListener
    from stillwatch.listening.sockets import Security

    require_both_of_tls(tls_cert, tls_key)
    security = Security(certificate=tls_cert, private_key=tls_key, takes_strangers=True)
    with at.opened_with_key() as store:
        AppealsListener(
            listen,
            lambda: store,
            security,
            trusted_hops=trusted_hops,
            failed=lambda kind: say(f"A request failed ({kind})."),
        ).run(say)


def _text(text: str | None, file: Path | None) -> str:
    if (text is None) == (file is None):
        raise InputError(
            "say what the customer says, once.",
            where="--text, --text-file",
            remedy="Give one of the two.",
        )
    if text is not None:
        return text
    assert file is not None
    raw = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    return raw.decode("utf-8", "replace")


def _name(given: str) -> str:
    from stillwatch.policy.appeals import checked_reference

    return checked_reference(given)


def _evidence(
    findings_folder: Path | None, lake_path: Path | None, account_id: str, campaign_id: str
) -> Evidence | None:
    """What the latest scan says; None where no scan is there to be read."""
    from stillwatch.cli.explain import findings_folder_of
    from stillwatch.dossier.appealed import evidence_about
    from stillwatch.lake.manifest import MANIFEST
    from stillwatch.records import read_findings

    if findings_folder is not None:
        folder = findings_folder
    elif lake_path is not None and (lake_path / MANIFEST).exists():
        folder = findings_folder_of(None, lake_path)
        if not (folder / "members.parquet").is_file():
            return None
    else:
        return None
    return evidence_about(read_findings(folder), account_id, campaign_id)
