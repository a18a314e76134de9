"""The whole page: targets first, then each family."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from stillwatch.evaluation.suite.page import (
    attackers,
    dials,
    effort,
    honest,
    losses,
    stages,
    worlds,
)
from stillwatch.evaluation.suite.page.tables import Section, Target, table
from stillwatch.evaluation.suite.running import Measured
from stillwatch.evaluation.suite.sources import sources_hash
from stillwatch.evaluation.suite.suites import VERSION
from stillwatch.records import InputError

__all__ = ["BEGIN", "END", "write_page"]

BEGIN = "<!-- measured: begin -->"
END = "<!-- measured: end -->"

_SECTIONS: dict[str, Callable[[Sequence[Measured]], Section]] = {
    "worlds": worlds.worlds_section,
    "evasion": dials.evasion_section,
    "stages": stages.stages_section,
    "size": dials.size_section,
    "empty": honest.empty_section,
    "alone": honest.alone_section,
    "fairness": honest.fairness_section,
    "contamination": honest.contamination_section,
    "robustness": losses.robustness_section,
    "ablation": losses.ablation_section,
    "time": effort.time_section,
    "red-team": attackers.red_team_section,
    "framers": attackers.framers_section,
    "cost": effort.cost_section,
}
"""By family of cells."""


def write_page(page: Path, suite: str, measured: Sequence[Measured]) -> None:
    """Put what was measured between the markers of `page`, and its plots in `suite/` beside it.

    Raises:
        InputError: The page is there and lacks the markers.
    """
    families = {m.cell.family for m in measured}
    sections = {name: make(measured) for name, make in _SECTIONS.items()}
    sections = {n: s for n, s in sections.items() if s.targets or s.plots or _has_rows(s)}
    text = _render(suite, measured, sections, len(families))
    old = page.read_text() if page.is_file() else f"# Evaluation\n\n{BEGIN}\n{END}\n"
    if BEGIN not in old or END not in old:
        raise InputError(
            "the page lacks the markers between which figures go.",
            where=str(page),
            remedy=f"Put the lines {BEGIN} and {END} into it.",
        )
    before, after = old.split(BEGIN, 1)[0], old.split(END, 1)[1]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")
    pictures = page.parent / "suite"
    for section in sections.values():
        for name, drawn in section.plots.items():
            pictures.mkdir(exist_ok=True)
            (pictures / name).write_text(drawn)


def _has_rows(section: Section) -> bool:
    return len(re.findall(r"^\|", section.text, re.MULTILINE)) > 2


def _render(
    suite: str, measured: Sequence[Measured], sections: Mapping[str, Section], families: int
) -> str:
    run = [m for m in measured if m.result]
    stale = [m for m in run if not m.current]
    made_of = sorted({m.made_of for m in run if m.made_of})
    exchanges = sum(m.result["world"]["exchanges"] for m in run if m.result)
    parts = [
        f"Suite `{suite}`, version {VERSION}: {len(run)} of {len(measured)} cells of {families} "
        f"families run, {exchanges:,} exchanges in all. "
        f"Made by the source {', '.join(f'`{h}`' for h in made_of) or '–'}"
        f"{f'; {len(stale)} cells by another than the present `{sources_hash()}`' if stale else ''}.",
        "Every world is simulated: real and composed prompts, real client rhythms, and a chosen "
        "attacker.\nNo real attack traffic with account ids is public, so these figures say how well "
        "this detector finds these attackers, not how well it finds all.\n",
        "### Targets\n",
        table(
            "A target is *met* or *missed* on what was measured, which the second column names; *so "
            "far* where cells of its family are not run yet.",
            ["target", "measured", "verdict"],
            [
                [t.wanted, t.measured, _verdict(t, name, measured)]
                for name, section in sections.items()
                for t in section.targets
            ],
        ).replace("|---|---:|---:|", "|---|---|---|", 1),
    ]
    parts += [f"### {section.title}\n\n{section.text}" for section in sections.values()]
    parts.append(
        f"### Again\n\n```sh\nstillwatch evaluate --suite {suite} --out suite --jobs 2\n```\n\n"
        "Each cell's file of results holds the commands that made it.\n"
    )
    return "\n".join(parts)


def _verdict(target: Target, family: str, measured: Sequence[Measured]) -> str:
    """Nothing is met for good while cells of its family are not run; a miss stays one."""
    whole = all(m.result for m in measured if m.cell.family == family)
    return target.verdict if whole or not target.met else f"{target.verdict} so far"
