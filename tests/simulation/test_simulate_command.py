"""`stillwatch simulate` in a shell."""

from __future__ import annotations

import json

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from stillwatch.cli.simulate import command
from stillwatch.simulation import CAMPAIGNS, POPULATIONS, WORLDS


def run(*arguments):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_json_has_the_keys_others_script_against(tmp_path):
    """One object on standard output."""
    result = run(
        "--world", "tiny", "--accounts", 120, "--days", 2, "--out", tmp_path / "w", "--json"
    )

    facts = json.loads(result.stdout)
    assert result.exit_code == 0
    assert facts["accounts"] == pytest.approx(120, abs=10)
    assert facts["exchanges"] > 100
    assert facts["campaign_accounts"] == 20
    assert (tmp_path / "w" / "exchanges" / "2026-03-02.parquet").is_file()


def test_list_names_everything():
    """Worlds, populations with their reason to look guilty, campaigns with their case."""
    result = run("--list")

    assert result.exit_code == 0
    for name in (*WORLDS, *POPULATIONS, *CAMPAIGNS):
        assert f"  {name} " in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--world", "demoo"), "Did you mean 'demo'"),
        (("--campaigns", "hidra"), "Did you mean 'hydra'"),
        (("--populations", "familly"), "Did you mean 'family'"),
        (("--evasion", "7"), "from 0 to 3"),
        (("--accounts", "3"), "too small"),
        (("--days", "0"), "too small"),
        (("--exchanges", "5"), "too small"),
        (("--campaign-accounts", "1"), "too small"),
        (("--campaign-exchanges", "0"), "too small"),
        (("--only", "hidra"), "Did you mean 'hydra'"),
        (("--only", "people", "--campaigns", "hydra"), "Leave out --campaigns"),
        (
            ("--campaign-accounts", "20", "--campaign-exchanges", "50", "--exchanges", "900"),
            "alone",
        ),
        (("--seed", "-1"), "too small"),
        (("--corpus", "nowhere-at-all"), "nowhere-at-all"),
    ],
)
def test_unusable_arguments_end_with_status_2_and_a_way_out(tmp_path, arguments, words):
    """And leave nothing behind."""
    result = run("--world", "tiny", "--out", tmp_path / "w", *arguments)

    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_to_write_it_says_so():
    """`--out` is needed for anything but the list."""
    result = run("--world", "tiny")

    assert result.exit_code == 2
    assert "--out" in result.output


def test_a_world_without_anyone_is_refused(tmp_path):
    """Both lists empty leave nothing to simulate."""
    result = run("--populations", "", "--campaigns", "", "--out", tmp_path / "w")

    assert result.exit_code == 2
    assert "--list" in result.output


def test_only_says_who_lives_in_the_world(tmp_path):
    """Populations and campaigns alike, and nobody else."""
    run(
        "--world",
        "build",
        "--only",
        "family,hydra",
        "--accounts",
        "60",
        "--days",
        "2",
        "--exchanges",
        "500",
        "--out",
        tmp_path / "w",
    )

    described = json.loads((tmp_path / "w" / "world.json").read_text())
    assert described["populations"] == ["family"]
    assert described["campaigns"] == ["hydra"]


def test_campaigns_are_as_large_as_asked(tmp_path):
    """Accounts and exchanges of each campaign, whatever the others' volume is scaled to."""
    run(
        "--world",
        "tiny",
        "--accounts",
        "200",
        "--days",
        "4",
        "--evasion",
        "0",
        "--exchanges",
        "4000",
        "--campaign-accounts",
        "25",
        "--campaign-exchanges",
        "30",
        "--out",
        tmp_path / "w",
    )

    truth = pq.read_table(tmp_path / "w" / "truth_accounts.parquet")
    sent = pq.read_table(tmp_path / "w" / "truth_exchanges.parquet")
    assert truth["campaign"].drop_null().value_counts().to_pylist()[0]["counts"] == 25
    assert 0.9 * 750 <= len(sent["campaign"].drop_null()) <= 1.1 * 750
    assert 0.8 * 4000 <= sent.num_rows <= 1.2 * 4000
