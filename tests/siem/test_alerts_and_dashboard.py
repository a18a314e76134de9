"""Alerts, dashboard and page name only figures that the code has, and sections that exist."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from stillwatch.enforcement.asking import Decision
from stillwatch.enforcement.metrics import Levels, Metrics, Part
from stillwatch.enforcement.possible import Adapter
from stillwatch.policy.appeals import AppealRules
from stillwatch.policy.noticing import Limits
from stillwatch.records.actions import Step

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from docs_reference import metric_families

DOCS = Path(__file__).resolve().parents[2] / "docs"
_NAME = re.compile(r"\bstillwatch_\w+")
_ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def _known() -> set[str]:
    return {name + end for name, kind, _, _ in metric_families() for end in _ENDINGS[kind]}


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DOCS / "deploy/alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_alerts_ask_of_figures_there_are() -> None:
    """A name that nobody counts would never fire."""
    asked = {name for rule in _rules() for name in _NAME.findall(rule["expr"])}
    assert asked
    assert asked <= _known()


def test_the_dashboard_shows_figures_there_are() -> None:
    """Every panel asks something, and of nothing else."""
    dashboard = json.loads((DOCS / "deploy/grafana-dashboard.json").read_text(encoding="utf-8"))
    for panel in dashboard["panels"]:
        asked = {n for target in panel["targets"] for n in _NAME.findall(target["expr"])}
        assert asked, panel["title"]
        assert asked <= _known(), panel["title"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_every_alert_has_its_page() -> None:
    """Whoever is woken finds what to do."""
    headings = re.findall(r"^## (.+)$", (DOCS / "runbooks.md").read_text("utf-8"), re.MULTILINE)
    for rule in _rules():
        page, _, heading = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/runbooks.md"
        assert heading in headings


def test_limits_of_alerts_are_those_of_the_code() -> None:
    """An alert on an appeal comes when the notice does."""
    (rule,) = (r for r in _rules() if r["alert"] == "StillwatchAppealNearLimit")
    hours = int(re.findall(r"> (\d+) \* 3600", rule["expr"])[0])
    limits = Limits()
    assert limits.appeal_answered_within == AppealRules().answered_within
    assert hours * 3600 == limits.appeal_told_at * limits.appeal_answered_within.total_seconds()


def test_labels_are_few_words() -> None:
    """Whatever is decided, there are no more series than the vocabularies allow."""
    metrics = Metrics()
    for adapter in Adapter:
        for wanted in Step:
            decision = Decision(wanted=wanted, step=Step.OBSERVE, group="c-1", reference="ab" * 16)
            metrics.decided(adapter, decision, possible=frozenset({Step.OBSERVE}), seconds=0.1)
    for part in Part:
        metrics.failed(part)
    page = metrics.rendered(Levels(snapshot_age_seconds=3, in_force={Step.BLOCK: 2})).decode()
    assert "c-1" not in page
    assert "ab" * 16 not in page
    assert len(page.splitlines()) < 400


def test_what_is_not_known_fires_nothing() -> None:
    """It is no number, and no comparison with it holds."""
    page = Metrics().rendered(Levels()).decode()
    assert "stillwatch_refreshed_seconds_ago NaN" in page
    assert 'stillwatch_actions_in_force{step="block"} 0.0' in page


@pytest.mark.parametrize("wanted", [Step.BLOCK, Step.TAG])
def test_a_weakened_step_is_counted_where_the_adapter_cannot(wanted: Step) -> None:
    """And not where a budget had room."""
    metrics = Metrics()
    decision = Decision(wanted=wanted, step=Step.TAG, is_known=True)
    metrics.decided(Adapter.ASGI, decision, possible=frozenset({Step.OBSERVE, Step.TAG}))
    page = metrics.rendered(Levels()).decode()
    counted = 'stillwatch_weakened_steps_total{adapter="asgi",wanted="block"} 1.0' in page
    assert counted == (wanted is Step.BLOCK)
