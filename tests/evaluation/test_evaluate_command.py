"""`stillwatch evaluate` in a shell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from hand_made_worlds import perfect_findings, two_rings_and_a_class

from stillwatch.cli.main import run
from stillwatch.records import write_findings

# Others script against these keys: none may be renamed.
_CONTRACT_KEYS = {
    "account_precision",
    "account_recall",
    "pair_precision",
    "pair_recall",
    "exchange_precision",
    "exchange_recall",
    "target_accuracy",
    "role_accuracy",
    "share_error",
    "honest_flagged",
    "honest_groups_flagged",
    "honest_flagged_upper95",
    "honest_flagged_by_population",
    "time_to_detection",
    "campaigns",
}


@pytest.fixture
def world_and_findings(tmp_path: Path) -> tuple[str, str]:
    world = two_rings_and_a_class()
    write_findings(perfect_findings(world), tmp_path / "findings")
    return str(world.write(tmp_path / "world")), str(tmp_path / "findings")


def evaluate(*arguments: str) -> Result:
    return CliRunner().invoke(run, ["evaluate", *arguments])


def test_json_is_one_object_with_every_promised_key(world_and_findings: tuple[str, str]) -> None:
    """Standard output holds one JSON object and nothing else."""
    result = evaluate(*world_and_findings, "--json")

    value = json.loads(result.stdout)
    assert result.exit_code == 0
    assert value.keys() >= _CONTRACT_KEYS
    assert [b["name"] for b in value["baselines"]] == [
        "payment_or_address",
        "prompt_opening",
        "volume_and_regularity",
        "seat",
        "prada",
        "mmd",
    ]


def test_baselines_can_be_left_out(world_and_findings: tuple[str, str]) -> None:
    """`--no-baselines` spares their time and their key."""
    result = evaluate(*world_and_findings, "--json", "--no-baselines")

    assert "baselines" not in json.loads(result.stdout)


def test_people_get_tables_on_standard_error(world_and_findings: tuple[str, str]) -> None:
    """Without `--json` nothing goes to standard output, and the outcome is said in a sentence."""
    result = evaluate(*world_and_findings)

    assert result.stdout == ""
    assert "2 of 2 campaigns found" in result.stderr


@pytest.mark.parametrize("missing", ["world", "findings"])
def test_a_missing_folder_is_unusable_input(
    world_and_findings: tuple[str, str], missing: str
) -> None:
    """The message names the folder and what to give instead; the exit status is 2."""
    world, findings = world_and_findings
    arguments = ("nowhere", findings) if missing == "world" else (world, "nowhere")

    result = evaluate(*arguments)

    assert result.exit_code == 2
    assert "nowhere" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda table: table.drop_columns(["role"]), "role"),
        (
            lambda table: table.set_column(
                table.column_names.index("role"), "role", pa.array(["boss"] * table.num_rows)
            ),
            "boss",
        ),
    ],
)
def test_spoilt_findings_are_unusable_input(
    world_and_findings: tuple[str, str], spoil: Callable[[pa.Table], pa.Table], complaint: str
) -> None:
    """A missing column and an unknown role are named; there is no traceback."""
    members = Path(world_and_findings[1]) / "members.parquet"
    pq.write_table(spoil(pq.read_table(members)), members)

    result = evaluate(*world_and_findings)

    assert result.exit_code == 2
    assert complaint in result.stderr


def test_a_truncated_world_is_unusable_input(world_and_findings: tuple[str, str]) -> None:
    """A Parquet file that was cut off is named."""
    part = next((Path(world_and_findings[0]) / "exchanges").iterdir())
    part.write_bytes(part.read_bytes()[:100])

    result = evaluate(*world_and_findings)

    assert result.exit_code == 2
    assert part.name in result.stderr


def test_a_member_without_a_required_value_is_not_passed_over(
    world_and_findings: tuple[str, str],
) -> None:
    """A row that cannot be read would be an accusation that nobody counts, so it is an error."""
    members = Path(world_and_findings[1]) / "members.parquet"
    table = pq.read_table(members)
    kind = table.schema.field("reasons").type
    place = table.column_names.index("reasons")
    pq.write_table(table.set_column(place, "reasons", pa.nulls(table.num_rows, kind)), members)

    result = evaluate(*world_and_findings)

    assert result.exit_code == 2
    assert "rows cannot be read" in result.stderr
