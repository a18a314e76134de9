"""Accounts whose values cannot be what their column says: mended or told, never read as nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from import_builders import Desk, exchange_rows

ACCOUNT = {"account_id": "a1", "plan": "team"}


def reasons(desk: Desk) -> list[str]:
    return [row["reason"] for row in desk.rows("quarantine")]


@pytest.mark.parametrize(
    ("column", "written", "kept"),
    [
        ("status", "Banned", "banned"),
        ("status", " ACTIVE ", "active"),
        ("organization_verified", "KYC", "kyc"),
    ],
)
def test_words_are_known_in_any_case(desk: Desk, column: str, written: str, kept: str) -> None:
    """A ban is a ban however it is written."""
    desk.import_(desk.jsonl("accounts.jsonl", [ACCOUNT | {column: written}]))

    assert [row[column] for row in desk.rows("accounts")] == [kept]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"status": "baned"}, "none of active, banned or closed; is banned meant?"),
        ({"status": "secret-word"}, "none of active, banned or closed; leave it empty"),
        ({"organization_verified": "contracts"}, "kyc; is contract meant?"),
        ({"quota_tokens_day": -1}, "a quota is not negative"),
        ({"account_id": "a\0b"}, "it holds a NUL character"),
    ],
    ids=["near word", "unknown word", "unknown verification", "negative quota", "NUL"],
)
def test_what_no_account_can_have_is_set_aside(
    desk: Desk, said: dict[str, Any], reason: str
) -> None:
    """The row waits in the quarantine with what is wrong, unquoted; its neighbours come in."""
    rows = [ACCOUNT | {"account_id": "a0"}, ACCOUNT | said, ACCOUNT | {"account_id": "a2"}]

    outcome = desk.import_(desk.jsonl("accounts.jsonl", rows))

    assert [row["account_id"] for row in desk.rows("accounts")] == ["a0", "a2"]
    (found,) = desk.rows("quarantine")
    assert found["line"] == 2
    assert reason in found["reason"]
    assert "secret" not in found["reason"] + outcome.words


def test_no_exchange_has_an_account_with_a_nul(desk: Desk) -> None:
    """Tools that end a text at a NUL would bill it to another account."""
    rows = exchange_rows(2)
    rows[1]["account_id"] = "a\0b"

    desk.import_(desk.jsonl("log.jsonl", rows))

    assert [row["exchange_id"] for row in desk.rows("exchanges")] == ["e0"]
    assert len(reasons(desk)) == 1


def test_value_that_was_left_empty_is_found_again(desk: Desk) -> None:
    """The report names file and line of the first value of a column that was of no use."""
    lines = [ACCOUNT | {"account_id": f"a{n}", "quota_tokens_day": 5} for n in range(4)]
    lines[2]["quota_tokens_day"] = "many"
    path = desk.jsonl("accounts.jsonl", lines)
    rows = exchange_rows(3)
    rows[1]["input_tokens"] = -7
    log = desk.jsonl("log.jsonl", rows)

    outcome = desk.import_(path, log)

    first = {"quota_tokens_day": f"{path}, line 3", "input_tokens": f"{log}, line 2"}
    assert outcome.report["emptied_first"] == first
    assert f"The first: {path}, line 3." in outcome.words


def test_what_a_folder_hides_is_counted_and_told(desk: Desk) -> None:
    """Files that are passed over for their names are no news to whoever reads the report."""
    folder = desk.folder / "in"
    (folder / "_temporary").mkdir(parents=True)
    (folder / ".hidden.jsonl").write_text("{}")
    desk.jsonl("in/log.jsonl", exchange_rows(1))

    outcome = desk.import_(folder)

    assert f"Passed over in {folder}, for a `.` or `_` before the name: 2." in outcome.words
    assert "Passed over" not in desk.import_(folder / "log.jsonl").words


def test_export_says_of_a_file_whether_anything_was_written(desk: Desk) -> None:
    """A file that could not be read at all is not said to be there in part."""
    path = desk.folder / "readme.txt"
    path.write_bytes(Path(__file__).read_bytes())
    desk.import_(path)

    out = desk.folder / "out"
    words = desk.command("quarantine", "export", "--lake", desk.lake_path, "--out", out).words

    assert f"{path} was not written: it could not be read at all: mend the file itself." in words
