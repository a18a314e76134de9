"""A table given under the option of another is recognised by its columns."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from stillwatch.cli.main import run
from stillwatch.records import ACCOUNTS, CREDENTIALS, EXCHANGES, MODEL_RELEASES, TableSchema

MOMENT = datetime(2026, 5, 4, tzinfo=UTC)
OPTIONS = {
    "exchanges": (EXCHANGES, "--exchanges"),
    "accounts": (ACCOUNTS, "--accounts"),
    "credentials": (CREDENTIALS, "--credentials"),
    "model releases": (MODEL_RELEASES, "--releases"),
}
FEW_COLUMNS = {
    "exchanges": EXCHANGES.required,
    "accounts": ("account_id", "created_at", "plan", "organization_id"),
    "credentials": ("credential_id", "account_id", "created_at", "revoked_at"),
    "model releases": MODEL_RELEASES.required,
}
PAIRS = [(given, wanted) for given in OPTIONS for wanted in OPTIONS if given != wanted]


def row(schema: TableSchema) -> dict[str, Any]:
    return {
        item.name: MOMENT if pa.types.is_timestamp(item.arrow_type) else "v"
        for item in schema.columns
        if item.required
    }


def write(path: Path, schema: TableSchema, columns: tuple[str, ...] = ()) -> Path:
    path.parent.mkdir(exist_ok=True)
    table = schema.table([dict.fromkeys(schema.names) | row(schema)])
    pq.write_table(table.select(list(columns)) if columns else table, path)
    return path


def scan(*words: object) -> Result:
    return CliRunner().invoke(run, ["scan", "--no-timeline", *(str(word) for word in words)])


def said(result: Result) -> str:
    return " ".join(result.output.split())


@pytest.mark.parametrize(("given", "wanted"), PAIRS)
def test_a_table_in_anothers_place_is_named_with_its_option(
    tmp_path: Path, given: str, wanted: str
) -> None:
    """Whether it has all of its columns or a few, the advice is the right option."""
    schema, right = OPTIONS[given]
    _, wrong = OPTIONS[wanted]
    log = write(tmp_path / "log.parquet", EXCHANGES)
    for columns in (schema.names, FEW_COLUMNS[given]):
        table = write(tmp_path / "given.parquet", schema, columns)
        log_too = () if wanted == "exchanges" else ("--exchanges", log)

        result = scan(*log_too, wrong, table, "--out", tmp_path / "out")

        assert result.exit_code == 2, result.output
        assert f"this is a table of {given}, not of {wanted}. Pass it with {right}." in said(result)
        assert "rename" not in result.output
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "columns",
    [
        ("id", "account_id", "created_at", "prompt", "response", "status"),
        ("exchange_id", "account_id", "time", "model"),
        ("exchange_id", "account_id", "started_at", "created_at", "plan", "organization_id"),
    ],
)
def test_exchanges_with_names_of_their_own_are_no_other_table(
    tmp_path: Path, columns: tuple[str, ...]
) -> None:
    """A name or two in common with another table makes no table of it."""
    path = tmp_path / "log.parquet"
    values = {name: [MOMENT] if name.endswith("_at") else ["v"] for name in columns}
    pq.write_table(pa.table(values), path)

    assert "this is a table of" not in scan("--exchanges", path, "--out", tmp_path / "out").output


def test_accounts_with_more_columns_stay_accounts(tmp_path: Path) -> None:
    """Columns beyond the canonical ones come as they come, also under names of other tables."""
    log = write(tmp_path / "log.parquet", EXCHANGES)
    accounts = tmp_path / "accounts.parquet"
    columns = ("account_id", "created_at", "plan", "organization_id", "credential_id", "model")
    values = {name: [MOMENT] if name.endswith("_at") else ["v"] for name in columns}
    pq.write_table(pa.table(values), accounts)

    result = scan("--exchanges", log, "--accounts", accounts, "--out", tmp_path / "out")

    assert result.exit_code == 0, result.output


def test_other_tables_in_a_folder_of_exchanges_are_left_out_and_named(tmp_path: Path) -> None:
    """Unless they were given under their own option as well: then they are where they belong."""
    write(tmp_path / "world" / "day.parquet", EXCHANGES)
    accounts = write(tmp_path / "world" / "accounts.parquet", ACCOUNTS)
    write(tmp_path / "world" / "credentials.parquet", CREDENTIALS)

    words = ["--exchanges", tmp_path / "world", "--accounts", accounts]
    result = scan(*words, "--out", tmp_path / "out")

    assert result.exit_code == 0, result.output
    left_out = [line for line in result.output.splitlines() if line.startswith("Left out: ")]
    assert len(left_out) == 1
    assert "this is a table of credentials, not of exchanges." in left_out[0]
    assert "Pass it with --credentials. It was left out." in left_out[0]


def test_exchanges_in_a_folder_of_accounts_are_not_read_as_accounts(tmp_path: Path) -> None:
    """They have an account's id, which is all that a table of accounts must have."""
    write(tmp_path / "world" / "day.parquet", EXCHANGES)
    write(tmp_path / "world" / "accounts.parquet", ACCOUNTS)
    log = write(tmp_path / "log.parquet", EXCHANGES)

    words = ["--exchanges", log, "--accounts", tmp_path / "world"]
    result = scan(*words, "--out", tmp_path / "out")

    assert result.exit_code == 0, result.output
    assert "this is a table of exchanges, not of accounts. Pass it with --exchanges." in said(
        result
    )
