"""What a policy is tried on and applied to: findings, the log they come from, and what people decided."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from stillwatch.cli.explain import findings_folder_of
from stillwatch.cli.output import FOUND, say
from stillwatch.records import Findings, InputError, StillwatchError

if TYPE_CHECKING:
    from stillwatch.identity import Key
    from stillwatch.lake.log import Log
    from stillwatch.policy.decided import Decided
    from stillwatch.policy.rules import Known, Planned
    from stillwatch.records import Verdict

__all__ = ["Material", "findings_option", "material_of", "step_as_object"]

_AnyCommand = TypeVar("_AnyCommand", bound=Callable[..., Any])


def findings_option(command: _AnyCommand) -> _AnyCommand:
    """`--findings DIR`, as `findings_path`: in place of the latest scan of --lake."""
    return click.option(
        "--findings",
        "findings_path",
        type=click.Path(path_type=Path, file_okay=False),
        help="What `scan --out` wrote. Default: the latest scan of --lake.",
    )(command)


@dataclass(frozen=True, slots=True)
class Material:
    """Findings and the log they come from.

    Attributes:
        folder: Where the findings are.
        since, until: The first and the last exchange of the log.
    """

    findings: Findings
    folder: Path
    log: Log
    since: datetime
    until: datetime

    def verdicts(self) -> list[Verdict]:
        """What the scan says of each account in a campaign."""
        from stillwatch.policy.rules import verdicts_of

        return verdicts_of(self.findings)

    def campaigns(self) -> list[str]:
        """Their ids."""
        found: list[str] = self.findings.campaigns["campaign_id"].to_pylist()
        return found

    def known(self, decided: Decided, key: Key | None) -> Known:
        """What the log knows of the accounts in campaigns."""
        from stillwatch.identity import Tokeniser
        from stillwatch.policy.facts import known_of

        return known_of(self.log, self.findings, Tokeniser(key) if key else None, decided)


def material_of(lake: Path | None, findings_path: Path | None) -> Material:
    """The findings that were named, with their log; a lake without a scan is scanned first.

    Raises:
        InputError: Nothing was named, or it cannot be read.
        StillwatchError: The scan failed.
    """
    from stillwatch.cli.opened_log import lake_to_read, log_of_findings, log_of_lake
    from stillwatch.records import read_findings

    if findings_path is None and lake is None:
        raise InputError(
            "neither a lake nor findings were named.",
            where="--lake, --findings",
            remedy="Give the lake's folder with --lake.",
        )
    folder = findings_folder_of(findings_path, None if findings_path else lake)
    if findings_path is None:
        assert lake is not None
        if not (folder / "campaigns.parquet").is_file():
            _scan(lake)
    findings = read_findings(folder)
    log = log_of_lake(lake_to_read(lake), None) if lake else log_of_findings(findings, folder)
    totals = log.ask("policy_totals").to_pylist()[0]
    if totals["last_at"] is None:
        raise InputError("the log holds no exchange.", where=str(lake or folder))
    return Material(findings, folder, log, totals["first_at"], totals["last_at"])


def _scan(lake: Path) -> None:
    say("This lake was never scanned: scanning it now.")
    words = [sys.executable, "-m", "stillwatch", "scan", "--lake", str(lake)]
    status = subprocess.run(words, check=False, stdout=subprocess.DEVNULL).returncode
    if status not in (0, FOUND):
        raise StillwatchError(
            "the scan failed.", where=str(lake), remedy=f"Run `stillwatch scan --lake {lake}`."
        )


def step_as_object(step: Planned) -> dict[str, Any]:
    """One planned step, for JSON."""
    return {
        "campaign_id": step.verdict.campaign_id,
        "account_id": step.verdict.account_id,
        "role": step.verdict.role.value,
        "scope": step.scope.value,
        "subject": step.subject,
        "step": step.step.value,
        "wanted": step.wanted.value,
        "rule": step.rule,
        "guards": [guard.value for guard in step.guards],
        "begins_at": step.begins_at,
        "ends_at": step.ends_at,
        "waits_for_approval": step.is_by_two,
        "owner": step.standing.value,
        "organisation": step.organisation,
    }
