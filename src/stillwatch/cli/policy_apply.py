"""`stillwatch policy apply`: from the latest scan to actions in the store."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stillwatch.cli.chosen_store import ChosenStore, store_options
from stillwatch.cli.output import amount, emit_json, reports_errors, say
from stillwatch.cli.policy_material import findings_option, material_of, step_as_object
from stillwatch.cli.who_asks import signed_in, token_option
from stillwatch.records import InputError

if TYPE_CHECKING:
    from stillwatch.policy.applying import Application
    from stillwatch.policy.rules import Planned, Policy

__all__ = ["apply"]


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--live",
    is_flag=True,
    help="Let gateways obey. The policy's mode must be live, and you an approver.",
)
@click.option(
    "--again",
    metavar="CAMPAIGN",
    multiple=True,
    help="Take up a campaign again of which people refused, lifted or rolled back steps.",
)
@findings_option
@token_option
@store_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reports_errors
def apply(
    file: Path | None,
    live: bool,
    again: tuple[str, ...],
    findings_path: Path | None,
    token_file: Path | None,
    at: ChosenStore,
    as_json: bool,
) -> None:
    """Write what a policy decides about the latest scan into the store.

    In shadow it is written down, and no gateway hears of it. With --live gateways obey within
    seconds of the moment at which a step begins, but for what waits for a second person. Applied
    twice, nothing is done twice: run it after every scan.
    """
    from stillwatch.cli.policy import policy_of
    from stillwatch.policy.applying import application_of, write_application
    from stillwatch.policy.decided import decided_in, without_settled
    from stillwatch.policy.rules import plan_steps
    from stillwatch.policy.store import PrincipalRole

    policy = policy_of(file)
    _require_mode(policy, is_live=live)
    with at.opened_with_key() as store:
        by = signed_in(store, token_file)
        by.require(PrincipalRole.APPROVER if live or again else PrincipalRole.ANALYST)
        material = material_of(at.lake, findings_path)
        _require_known(again, material.campaigns())
        now = datetime.now(UTC)
        store.actions.expire(now=now)
        decided = decided_in(store, material.campaigns(), now=now)
        verdicts = material.verdicts()
        planned = plan_steps(
            verdicts,
            policy,
            material.known(decided, at.key()),
            now=now,
            open_actions=store.actions.waiting_or_in_force(now=now),
        )
        todo, settled = without_settled(planned, decided, again=again)
        application = application_of(
            todo,
            store.actions.of_campaigns(material.campaigns()),
            {(v.campaign_id, v.account_id) for v in verdicts},
            decided,
            by,
            is_live=live,
            now=now,
        )
        write_application(store, application, policy, by, is_live=live, now=now, again=again)
    if as_json:
        emit_json(_as_object(application, todo, settled, policy, is_live=live))
    _tell(application, settled, is_live=live)


def _require_mode(policy: Policy, *, is_live: bool) -> None:
    from stillwatch.policy.rules import Mode

    if is_live and policy.mode is not Mode.LIVE:
        raise InputError(
            "this policy is in shadow mode.",
            where=policy.source,
            remedy='Try it with `stillwatch policy replay`; then set mode = "live" in its file.',
        )


def _require_known(again: tuple[str, ...], campaigns: list[str]) -> None:
    unknown = sorted(set(again) - set(campaigns))
    if unknown:
        raise InputError(
            "the scan holds no such campaign.",
            where=f"--again {unknown[0][:64]}",
            remedy="`stillwatch scan` prints the campaigns.",
        )


def _as_object(
    application: Application,
    planned: list[Planned],
    settled: list[Planned],
    policy: Policy,
    *,
    is_live: bool,
) -> dict[str, Any]:
    from stillwatch.policy.replaying import accounts_by_step, organisations_touched

    touched = organisations_touched(planned)
    return {
        "policy": policy.source,
        "mode": "live" if is_live else "shadow",
        "steps": [step_as_object(step) for step in planned],
        "accounts_by_step": {s.value: n for s, n in accounts_by_step(planned).items()},
        "honest_organisations_touched": len(touched),
        "organisations_touched": touched,
        "proposed": len(application.proposed),
        "waiting": len(application.needing_approval),
        "going_on": application.going_on,
        "superseded": len(application.superseded),
        "left_to_people": [step_as_object(step) for step in settled],
    }


def _tell(application: Application, settled: list[Planned], *, is_live: bool) -> None:
    new, waiting = len(application.proposed), len(application.needing_approval)
    if is_live:
        say(f"{amount(new - waiting, 'new step')} in force from their moment on.")
        first = min((a.begins_at for a in application.proposed), default=None)
        if first is not None:
            say(f"The first begins {first:%Y-%m-%d %H:%M} UTC.")
    else:
        say(f"{amount(new, 'new step')} written down. No gateway hears of them.")
    if application.going_on:
        say(f"{amount(application.going_on, 'step')} go on as they are.")
    if application.superseded:
        say(f"{amount(len(application.superseded), 'earlier step')} ended by it.")
    if settled:
        say(
            f"{amount(len(settled), 'step')} left out, for people refused, lifted or rolled back "
            "the like. --again CAMPAIGN takes one up again."
        )
    if waiting:
        say(f"{amount(waiting, 'step')} wait for a second person. Next: stillwatch policy waiting")
