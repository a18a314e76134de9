"""Campaigns as OCSF events, held to the schema of its authors."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from stillwatch.cli.main import run
from stillwatch.dossier.ocsf import OCSF_VERSION, detection_findings
from stillwatch.records import Findings, write_findings

# A scan's findings, built by hand, are those of the dossier's tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "dossier"))

from dossier_builders import CAMPAIGN, build_findings, campaign_exchanges

NOW = datetime(2026, 3, 20, tzinfo=UTC)


@pytest.fixture(scope="module")
def schema() -> Draft202012Validator:
    embedded = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=OCSF_VERSION))
    name = embedded.lookup_class_name_from_uid(class_uid=2004)
    return Draft202012Validator(embedded.get_class_schema(class_name=name, profiles=[]))


@pytest.fixture(scope="module")
def findings() -> Findings:
    return build_findings(campaign_exchanges(24, 3))


def _events(findings: Findings) -> list[dict[str, Any]]:
    return list(detection_findings(findings, version="0.1.0", made_at=NOW))


def test_an_event_is_one_of_the_schema(findings: Findings, schema: Draft202012Validator) -> None:
    """As it is after JSON."""
    (event,) = (json.loads(json.dumps(e)) for e in _events(findings))
    assert [error.message for error in schema.iter_errors(event)] == []
    assert event["finding_info"]["uid"] == CAMPAIGN
    assert len(event["resources"]) == 24


def test_an_ended_campaign_is_closed(schema: Draft202012Validator) -> None:
    """With the type and the status that belong to it."""
    (event,) = _events(build_findings(campaign_exchanges(4, 2), status="ended"))
    assert (event["activity_id"], event["type_uid"], event["status_id"]) == (3, 200403, 4)
    assert list(schema.iter_errors(event)) == []


def test_an_event_holds_no_prompt(findings: Findings) -> None:
    """Nor a part of one: what was asked stays in the lake."""
    text = json.dumps(_events(findings))
    for exchange in campaign_exchanges(24, 3):
        assert str(exchange.input_text)[:40] not in text


def test_many_members_stay_few_in_an_event() -> None:
    """The count is whole, the list is cut."""
    (event,) = _events(build_findings(campaign_exchanges(250, 1)))
    assert len(event["resources"]) == 200
    assert event["unmapped"]["accounts"] == 250


def test_the_command_writes_a_line_a_campaign(findings: Findings, tmp_path: Path) -> None:
    """And says how many."""
    write_findings(findings, tmp_path / "findings")
    out = tmp_path / "events.jsonl"
    command = ["export-findings", "--findings", str(tmp_path / "findings"), "--out", str(out)]
    result = CliRunner().invoke(run, [*command, "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"format": "ocsf", "findings": 1}
    assert json.loads(out.read_text())["class_uid"] == 2004
