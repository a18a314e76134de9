"""The alert rules, by Debian's promtool: each is fired by what it is about, and by nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.gateways

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs/deploy/alerts.yml"
_QUIET = [
    ('up{job="stillwatch"}', "1x240"),
    ("stillwatch_refreshed_seconds_ago", "1x240"),
    ("stillwatch_is_store_up", "1x240"),
    ('stillwatch_failures_total{part="store"}', "0x240"),
    ('stillwatch_weakened_steps_total{adapter="litellm_generic",wanted="block"}', "0x240"),
    ('stillwatch_decisions_total{refused="true"}', "0+6x240"),
    ('stillwatch_decision_seconds_bucket{adapter="decide",le="0.001"}', "0+600x240"),
    ('stillwatch_decision_seconds_bucket{adapter="decide",le="0.005"}', "0+600x240"),
    ('stillwatch_decision_seconds_bucket{adapter="decide",le="0.05"}', "0+600x240"),
    ('stillwatch_decision_seconds_bucket{adapter="decide",le="+Inf"}', "0+600x240"),
    ("stillwatch_waiting_steps", "0x240"),
    ("stillwatch_oldest_appeal_seconds", "3600x240"),
    ("stillwatch_held_back", "0x240"),
    ("stillwatch_spooled_audit_records", "0x240"),
    ('stillwatch_receiver_rows_total{outcome="accepted"}', "0+600x240"),
    ('stillwatch_receiver_rows_total{outcome="rejected"}', "0x240"),
    ("stillwatch_receiver_lake_quarantined", "0x240"),
    ("stillwatch_receiver_lake_imported", "0+600x240"),
    ("stillwatch_receiver_spool_oldest_seconds", "5x240"),
]
# Alert -> the series that change, and the labels of the alert besides its severity.
_FIRING: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "StillwatchDown": ({'up{job="stillwatch"}': "0x240"}, {"job": "stillwatch"}),
    "StillwatchSnapshotStale": ({"stillwatch_refreshed_seconds_ago": "0+60x240"}, {}),
    "StillwatchStoreDown": ({"stillwatch_is_store_up": "0x240"}, {}),
    "StillwatchFailuresRising": (
        {'stillwatch_failures_total{part="store"}': "0+12x240"},
        {"part": "store"},
    ),
    "StillwatchStepsWeakened": (
        {'stillwatch_weakened_steps_total{adapter="litellm_generic",wanted="block"}': "0+10x240"},
        {"adapter": "litellm_generic"},
    ),
    "StillwatchRefusalsRising": (
        {'stillwatch_decisions_total{refused="true"}': "0x222 0+3000x18"},
        {},
    ),
    "StillwatchDecisionsSlow": (
        {'stillwatch_decision_seconds_bucket{adapter="decide",le="0.005"}': "0+500x240",
         'stillwatch_decision_seconds_bucket{adapter="decide",le="0.001"}': "0+500x240"},
        {"adapter": "decide"},
    ),
    "StillwatchStepWaiting": ({"stillwatch_waiting_steps": "2x240"}, {}),
    "StillwatchAppealNearLimit": ({"stillwatch_oldest_appeal_seconds": "200000x240"}, {}),
    "StillwatchBlastRadiusReached": ({"stillwatch_held_back": "7x240"}, {}),
    "StillwatchAuditSpooled": ({"stillwatch_spooled_audit_records": "1x240"}, {}),
    "StillwatchIngestSilent": (
        {'stillwatch_receiver_rows_total{outcome="accepted"}': "500x240"},
        {},
    ),
    "StillwatchQuarantineRising": ({"stillwatch_receiver_lake_quarantined": "0+60x240"}, {}),
    "StillwatchRowsRejected": (
        {'stillwatch_receiver_rows_total{outcome="rejected"}': "0+200x240"},
        {},
    ),
    "StillwatchSpoolOld": ({"stillwatch_receiver_spool_oldest_seconds": "0+60x240"}, {}),
}  # fmt: skip
_EVALUATED_AT = "4h"


@pytest.fixture(scope="module")
def promtool(installed: Callable[..., None]) -> str:
    installed("promtool=prometheus")
    return "promtool"


def _rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_the_rules_are_rules(promtool: str) -> None:
    """By Prometheus's own judgement."""
    done = subprocess.run([promtool, "check", "rules", str(RULES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_fired_and_a_quiet_deployment_fires_none(
    promtool: str, tmp_path: Path
) -> None:
    """One test of promtool's for each alert, and in each all other alerts stay silent."""
    rules = _rules()
    assert set(_FIRING) == set(rules)
    tests = [_test_of("quiet", {}, expected={}, rules=rules)]
    for alert, (changed, labels) in _FIRING.items():
        tests.append(_test_of(alert, changed, expected={alert: labels}, rules=rules))
    file = tmp_path / "tests.yml"
    content = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(yaml.safe_dump(content), encoding="utf-8")

    done = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stdout + done.stderr


def _test_of(
    name: str,
    changed: dict[str, str],
    *,
    expected: dict[str, dict[str, str]],
    rules: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    series = [{"series": one, "values": changed.get(one, usual)} for one, usual in _QUIET]
    assert set(changed) <= {one for one, _ in _QUIET}
    checks = []
    for alert, rule in rules.items():
        alerts = []
        if alert in expected:
            labels = {**rule["labels"], **expected[alert]}
            alerts = [{"exp_labels": labels, "exp_annotations": rule["annotations"]}]
        checks.append({"eval_time": _EVALUATED_AT, "alertname": alert, "exp_alerts": alerts})
    return {"name": name, "interval": "1m", "input_series": series, "alert_rule_test": checks}
