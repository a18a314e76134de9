"""Wrong accusations: worlds without a campaign, populations alone, labels, a hostile reference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scipy.stats import binom

from stillwatch.evaluation.bounds import clopper_pearson_lower, clopper_pearson_upper
from stillwatch.evaluation.suite.grids import HALVES
from stillwatch.evaluation.suite.page import pooling
from stillwatch.evaluation.suite.page.tables import (
    NOT_RUN,
    Section,
    Target,
    at_most,
    bound,
    count,
    figure,
    share,
    table,
)
from stillwatch.evaluation.suite.running import Measured
from stillwatch.simulation.internet import COUNTRIES

__all__ = ["alone_section", "contamination_section", "empty_section", "fairness_section"]

_RATES = (0.05, 0.01, 0.001)
_LEVEL = 0.05


def empty_section(measured: Sequence[Measured]) -> Section:
    """Every honest population and nobody hostile: any finding is false."""
    mine = pooling.of_family(measured, "empty")
    found = pooling.scans(mine)
    rows = []
    worlds = len(found)
    for rate in _RATES:
        wrong = sum(any(q <= rate for q, _ in scan["rates"]) for scan in found)
        rows.append(
            [
                f"{rate:.1%}",
                share(wrong, worlds),
                bound(clopper_pearson_upper(wrong, worlds)),
                figure(_excess(wrong, worlds, rate)),
                figure(_power(worlds, rate)),
            ]
        )
    groups, above = _clauses(found)
    clauses = [
        [f"{1 / level:.1%}", share(hits, groups), bound(clopper_pearson_upper(hits, groups))]
        for level, hits in zip((20, 100, 1000), above, strict=True)
    ]
    text = "\n".join(
        [
            table(
                f"{worlds} of {len(mine)} worlds run. *At most* is the exact upper 95 % bound of the "
                "share of worlds with a finding; *p* that of a one-sided test that the realised rate "
                "is above the nominal one; *power*, the chance that this test notices a realised "
                "rate three times the nominal one.",
                ["rate", "worlds with a finding", "at most", "p", "power"],
                rows,
            ),
            table(
                "Honest groups that were weighed, at the level of e-values: those whose least clause "
                "reaches the reciprocal of the rate. An e-value promises no more than the rate.",
                ["rate", "groups above", "at most"],
                clauses,
            ),
        ]
    )
    wrong = sum(any(q <= 0.01 for q, _ in scan["rates"]) for scan in found)
    targets = [
        Target(
            "worlds without a campaign: none reported in 300 at 1 %",
            f"{share(wrong, worlds)} worlds, at most {bound(clopper_pearson_upper(wrong, worlds))}"
            if worlds
            else NOT_RUN,
            None if not worlds or (worlds < 300 and not wrong) else wrong == 0,
        )
    ]
    for rate in (0.05, 0.001):
        hits = sum(any(q <= rate for q, _ in scan["rates"]) for scan in found)
        targets.append(
            Target(
                f"realised not above nominal at {rate:.1%} (one-sided test)",
                f"{share(hits, worlds)} worlds, p {figure(_excess(hits, worlds, rate))}, power "
                f"{figure(_power(worlds, rate))}"
                if worlds
                else NOT_RUN,
                None if not worlds else (_excess(hits, worlds, rate) or 1.0) >= _LEVEL,
            )
        )
    targets.append(
        Target(
            "0.1 % at the level of e-values, on 3,000 null groups",
            f"{share(above[-1], groups)} groups" if groups else NOT_RUN,
            None if groups < 3000 else (_excess(above[-1], groups, 0.001) or 1.0) >= _LEVEL,
        )
    )
    return Section("Worlds without a campaign", text, targets)


def _excess(hits: int, trials: int, rate: float) -> float | None:
    """P-value of "at most the nominal rate": how often so many or more would be seen at it."""
    return float(binom.sf(hits - 1, trials, rate)) if trials else None


def _power(trials: int, rate: float) -> float | None:
    """Chance to reject at 5 % when the realised rate is three times the nominal one."""
    if not trials:
        return None
    least = int(binom.ppf(1 - _LEVEL, trials, rate)) + 1
    return float(binom.sf(least - 1, trials, min(3 * rate, 1.0)))


def _clauses(found: Sequence[Mapping[str, Any]]) -> tuple[int, list[int]]:
    groups = sum(scan["clauses"]["honest_groups_tested"] for scan in found)
    above = [sum(scan["clauses"]["at_least"][i] for scan in found) for i in range(3)]
    return groups, above


def alone_section(measured: Sequence[Measured]) -> Section:
    """Each honest population with nobody beside it."""
    mine = pooling.of_family(measured, "alone")
    rows, wrong, ran = [], 0, 0
    for name in dict.fromkeys(m.cell.about["population"] for m in mine):
        runs = pooling.where(mine, population=name)
        found = pooling.scans(runs)
        if not found:
            rows.append([name, NOT_RUN, "", ""])
            continue
        flagged, accounts = pooling.honest_flags(found)
        findings = sum(scan["figures"]["findings"] for scan in found)
        wrong, ran = wrong + findings, ran + len(found)
        tested = sum(scan["groups_tested"] for scan in found)
        rows.append([name, share(flagged, accounts), count(findings), count(tested)])
    target = Target(
        "each honest population alone: none reported, even at a rate of 5 %",
        f"{wrong} findings in {ran} of {len(mine)} worlds" if ran else NOT_RUN,
        None if ran < len(mine) and not wrong else wrong == 0,
    )
    text = table(
        "Scanned at a rate of 5 %. With nobody beside it, a population is its own reference.",
        ["population", "accounts flagged", "findings", "groups weighed"],
        rows,
    )
    return Section("Each honest population alone", text, [target] if mine else [])


def fairness_section(measured: Sequence[Measured]) -> Section:
    """Labels of countries, a community that looks rare, and wrong flags by country."""
    mine = pooling.of_family(measured, "fairness")
    labels = [m for m in pooling.where(mine, what="labels") if m.result]
    rows, same = [], True
    for m in labels:
        assert m.result is not None
        scans = m.result["scans"]
        plain = scans["scan"]["digest"]
        row = [f"{m.cell.about['half']}, seed {m.cell.world.seed}"]
        row.append(count(scans["scan"]["figures"]["findings"]))
        for name in ("renamed", "shuffled"):
            if name not in scans:
                row.append("–")
                continue
            same = same and scans[name]["digest"] == plain
            row.append("the same" if scans[name]["digest"] == plain else "**changed**")
        rows.append(row)
    communities = [m for m in pooling.where(mine, what="community") if m.result]
    accused = sum(scan["figures"]["findings"] for scan in pooling.scans(communities, "community"))
    everything = [scan for m in measured if m.result for scan in m.result.get("scans", {}).values()]
    by_country, by_language = _sums(everything), _sums(everything, _language)
    text = "\n".join(
        [
            table(
                "Findings when every country takes the label of the next one (*renamed*), and when "
                "every account takes the country of another at random (*shuffled*).",
                ["world", "findings", "renamed", "shuffled"],
                rows,
            ),
            f"Three hundred honest customers with one country, language, bank, network and hour, "
            f"at a rate of 5 %: {accused} findings in {len(communities)} worlds.\n",
            _rates_by("country", by_country),
            _rates_by("language", by_language),
        ]
    )
    targets = [
        Target(
            "permuted labels of country change no finding",
            f"{len(labels)} worlds" if labels else NOT_RUN,
            same if labels else None,
        ),
        Target(
            "300 neighbours of one language, bank, network and hour: none reported",
            f"{accused} findings in {len(communities)} worlds" if communities else NOT_RUN,
            accused == 0 if communities else None,
        ),
        _overlap_target("country", by_country),
        _overlap_target("language", by_language),
    ]
    return Section("Fairness", text, targets if mine else [])


def _sums(
    found: Sequence[Mapping[str, Any]], named: Callable[[str], str] = str
) -> dict[str, list[int]]:
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for scan in found:
        for country, values in scan["countries"].items():
            name = named(country)
            sums[name] = [a + b for a, b in zip(sums[name], values, strict=True)]
    return dict(sorted(sums.items()))


def _language(country: str) -> str:
    return next((c.language for c in COUNTRIES if c.code == country), "unknown")


def _rates_by(what: str, sums: Mapping[str, Sequence[int]]) -> str:
    rows = [
        [
            name,
            share(flagged, accounts),
            share(touched, groups),
            bound(clopper_pearson_lower(touched, groups)),
            bound(clopper_pearson_upper(touched, groups)),
        ]
        for name, (flagged, accounts, touched, groups) in sums.items()
    ]
    return table(
        f"Honest accounts wrongly flagged by {what}, over every scan of this suite, with exact bounds "
        "at 95 % of the share of honest groups flagged; the same group counts once a scan.",
        [what, "accounts flagged", "groups flagged", "at least", "at most"],
        rows,
    )


def _overlap_target(what: str, sums: Mapping[str, Sequence[int]]) -> Target:
    lowers = [clopper_pearson_lower(a, b) for _, _, a, b in sums.values()]
    uppers = [clopper_pearson_upper(a, b) for _, _, a, b in sums.values()]
    low = max((v for v in lowers if v is not None), default=None)
    high = min((v for v in uppers if v is not None), default=None)
    wanted = f"wrong flags by {what} lie within each other's bounds"
    if low is None or high is None:
        return Target(wanted, NOT_RUN, None)
    return Target(
        wanted, f"highest lower bound {bound(low)}, lowest upper {bound(high)}", low <= high
    )


def contamination_section(measured: Sequence[Measured]) -> Section:
    """The share of the log that is hostile, up to the one we assume."""
    mine = pooling.of_family(measured, "contamination")
    rows, worst = [], None
    for level in sorted({m.cell.about["share"] for m in mine}):
        row = [f"{level} %"]
        for half in HALVES:
            runs = pooling.where(mine, share=level, half=half)
            found = pooling.scans(runs)
            if not found:
                row += [NOT_RUN if runs else "–", "", ""]
                continue
            flagged, honest = pooling.honest_flags(found)
            worst = max(worst or 0.0, flagged / honest)
            campaigns = pooling.campaigns(found)
            hits = sum(c["found"] for c in campaigns)
            row += [
                share(hits, len(campaigns)),
                figure(pooling.recall(campaigns)),
                share(flagged, honest),
            ]
        rows.append(row)
    headings = ["hostile accounts"]
    for half in HALVES:
        headings += [f"{half}: found", "recall", "honest flagged"]
    text = table(
        "The reference is the log itself, hostile accounts included. Ten per cent is the most we "
        "assume: beyond it power may fall.",
        headings,
        rows,
    )
    target = at_most(
        "hostile shares of 0 to 10 %: honest accounts flagged 0.01 % or fewer",
        worst,
        1e-4,
        "worst share and half",
    )
    return Section("Contaminated reference", text, [target] if mine else [])
