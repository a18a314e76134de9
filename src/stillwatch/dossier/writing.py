"""Writing the dossiers of a scan: one page and one table a campaign, whole or absent."""

from __future__ import annotations

import re
from pathlib import Path

from stillwatch.dossier.case import gather_cases
from stillwatch.dossier.members_table import render_members
from stillwatch.dossier.page import render_page
from stillwatch.lake.log import Log
from stillwatch.records import Findings, InputError, private_file

__all__ = ["write_dossiers"]

_FOLDER = "dossier"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_MADE_BY_US = '<meta name="generator" content="stillwatch'


def write_dossiers(findings: Findings, log: Log, directory: Path, *, command: str) -> list[Path]:
    """Write `dossier/CAMPAIGN_ID.html`, and the members as `.csv` beside it, mode 0600.

    Pages of an earlier scan whose campaigns are no longer found are removed: read beside the new
    findings, they would accuse without them.

    Args:
        directory: The folder of the findings.
        command: The command that made the findings, for the reader to run again.

    Returns:
        The pages, in the order of the findings.

    Raises:
        InputError: A campaign id cannot be a file name.
    """
    folder = directory / _FOLDER
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pages = []
    for case in gather_cases(findings, log):
        name = case.campaign_id
        if not _SAFE_NAME.fullmatch(name):
            raise InputError(
                f"the campaign id {name!r} cannot be the name of a file.",
                where=str(directory),
                remedy="Run the scan again; ids of its own making always can.",
            )
        page = folder / f"{name}.html"
        _write(page, render_page(case, command=command))
        _write(folder / f"{name}.csv", render_members(case))
        pages.append(page)
    _remove_outdated(folder, keep=pages)
    return pages


def _write(path: Path, text: str) -> None:
    with private_file(path) as partial:
        partial.write_text(text, encoding="utf-8", newline="")


def _remove_outdated(folder: Path, *, keep: list[Path]) -> None:
    for page in sorted(folder.glob("*.html")):
        if page not in keep and _MADE_BY_US in page.read_text(encoding="utf-8", errors="replace"):
            page.unlink()
            page.with_suffix(".csv").unlink(missing_ok=True)
