"""The quarantine to its end: shown, counted, exported, mended, imported; nothing lost or doubled."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from import_builders import Desk, exchange_rows

from stillwatch.sources.adapter import ADAPTERS

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture
def broken(desk: Desk) -> Path:
    """Three rows that can be read, and three that cannot."""
    path = desk.jsonl("log.jsonl", exchange_rows(6))
    lines = path.read_text().splitlines()
    lines[1] = lines[1].removesuffix("}")
    lines[3] = lines[3].replace("account_id", "acount_id")
    lines[4] = lines[4].removesuffix("}")
    path.write_text("\n".join(lines) + "\n")
    return path


def shown(desk: Desk, *options: str) -> dict[str, Any]:
    return desk.command("quarantine", "show", "--lake", desk.lake_path, *options).report


def exported(desk: Desk, *options: str) -> dict[str, Any]:
    out = desk.folder / "out"
    return desk.command(
        "quarantine", "export", "--lake", desk.lake_path, "--out", out, *options
    ).report


def ids(desk: Desk) -> list[str]:
    return sorted(row["exchange_id"] for row in desk.rows("exchanges"))


def test_rows_are_counted_by_reason_and_by_file(desk: Desk, broken: Path) -> None:
    """Counts are of all rows, however few are shown."""
    outcome = desk.import_(broken)
    report = shown(desk, "--limit", "1")

    assert outcome.report["quarantined"] == report["quarantined"] == 3
    assert sorted(report["by_reason"].values()) == [1, 2]
    assert report["by_file"] == {str(broken): 3}
    assert len(report["rows"]) == 1
    assert report["rows"][0]["format"] == "canonical"


def test_exported_rows_are_mended_and_imported_once(desk: Desk, broken: Path) -> None:
    """Each row comes into the lake, leaves the quarantine, and is there once."""
    desk.import_(broken)
    report = exported(desk)
    (path,) = (desk.folder / "out" / "canonical").glob("*.jsonl")
    lines = path.read_text().splitlines()
    path.write_text("".join(_mended(line) + "\n" for line in lines))

    outcome = desk.import_(path.parent, options=("--mended",))
    again = desk.import_(path.parent, options=("--mended",))

    assert report == {"exported": 3, "formats": ["canonical"], "left": {}}
    assert path.stat().st_mode & 0o077 == 0
    assert (outcome.report["imported"], again.report["imported"]) == (3, 0)
    assert ids(desk) == [f"e{i}" for i in range(6)]
    left = shown(desk, "--mended")
    assert (left["quarantined"], left["mended"], len(left["rows"])) == (0, 3, 3)
    assert all(row["mended_at"] for row in left["rows"])


def _mended(line: str) -> str:
    whole = line if line.endswith("}") else line + "}"
    return whole.replace("acount_id", "account_id")


def test_row_that_fails_again_stays_in_the_quarantine(desk: Desk, broken: Path) -> None:
    """Only what can be read now is settled: one row of three was forgotten."""
    desk.import_(broken)
    exported(desk)
    (path,) = (desk.folder / "out" / "canonical").glob("*.jsonl")
    first, second, third = path.read_text().splitlines()
    path.write_text(f"{_mended(first)}\n{second}\n{_mended(third)}\n")

    desk.import_(path, options=("--mended",))
    half = shown(desk)
    path.write_text("".join(_mended(line) + "\n" for line in (first, second, third)))
    desk.import_(path, options=("--mended",))

    assert [(row["file"], row["line"]) for row in half["rows"]] == [(str(path), 2)]
    assert shown(desk)["quarantined"] == 0
    assert len(ids(desk)) == 6


def test_file_mended_in_its_place_leaves_the_quarantine(desk: Desk, broken: Path) -> None:
    """Without an export, too; and without --mended nothing leaves it."""
    desk.import_(broken)
    lines = broken.read_text().splitlines()
    broken.write_text("".join(_mended(line) + "\n" for line in lines))

    desk.import_(broken)
    before = shown(desk)["quarantined"]
    desk.import_(broken, options=("--mended",))

    assert (before, shown(desk)["quarantined"], len(ids(desk))) == (3, 0, 6)


def test_file_that_was_changed_is_exported_only_if_asked(desk: Desk, broken: Path) -> None:
    """Its lines may be other rows by now: a rotated log has the name of its successor."""
    desk.import_(broken)
    os.utime(broken, (2e9, 2e9))
    refused = exported(desk)
    taken = exported(desk, "--changed")
    broken.unlink()
    (desk.folder / "out").rename(desk.folder / "old")

    gone = exported(desk)

    assert (refused["exported"], taken["exported"], gone["exported"]) == (0, 3, 0)
    assert "changed" in refused["left"][str(broken)]
    assert "not there" in gone["left"][str(broken)]
    assert shown(desk)["quarantined"] == 3


def test_csv_and_parquet_rows_come_back(desk: Desk) -> None:
    """CSV keeps its header; a row of Parquet becomes a line of JSON."""
    head = "exchange_id,account_id,started_at,input_text\n"
    (desk.folder / "x.csv").write_text(
        head + 'c0,,2026-03-01T00:00:00Z,"two\nlines"\nc1,a,2026-03-01T00:00:00Z,x\n'
    )
    desk.parquet("y.parquet", [row | {"account_id": ""} for row in exchange_rows(1)])
    desk.import_(desk.folder / "x.csv", desk.folder / "y.parquet")
    exported(desk)
    for path in (desk.folder / "out" / "canonical").glob("0*"):
        text = path.read_text()
        path.write_text(
            text.replace("c0,,", "c0,a,").replace('"account_id": ""', '"account_id": "a"')
        )

    desk.import_(desk.folder / "out" / "canonical", options=("--mended",))

    texts = {row["exchange_id"]: row["input_text"] for row in desk.rows("exchanges")}
    assert texts["c0"] == "two\nlines"
    assert set(texts) == {"c0", "c1", "e0"}
    assert shown(desk)["quarantined"] == 0


SECRETS = ("planted.secret@example.org", "sk-planted-secret-0123456789", "203.0.113.77")


def _planted(value: Any, number: int) -> Any:
    """The value with each of its texts, and some names, replaced by a secret."""
    if isinstance(value, dict):
        return {
            (SECRETS[number % 3] if number % 7 == 6 and i == 0 else name): _planted(
                inner, number + i
            )
            for i, (name, inner) in enumerate(value.items())
        }
    if isinstance(value, list):
        return [_planted(inner, number + i) for i, inner in enumerate(value)]
    return SECRETS[number % 3] if isinstance(value, str) else value


@pytest.mark.parametrize("name", sorted(set(ADAPTERS) - {"generic"}))
def test_no_reason_and_no_word_holds_what_a_log_says(desk: Desk, name: str) -> None:
    """Secrets in every field, in broken lines and in headers appear nowhere but in the row."""
    values: list[Any] = json.loads(json.dumps(exchange_rows(3), default=str))
    for path in sorted(FIXTURES.rglob("*.jsonl"))[:12]:
        values += [json.loads(line) for line in path.read_text().splitlines()[:3] if line]
    lines = [json.dumps(_planted(value, n)) for n, value in enumerate(values)]
    lines += [line[: len(line) * 2 // 3] for line in lines]
    lines += [json.dumps(secret) for secret in SECRETS] + [",".join(SECRETS)]
    (desk.folder / "a.jsonl").write_text("\n".join(lines) + "\n")
    (desk.folder / "b.csv").write_text((",".join(SECRETS) + "\n") * 3)
    (desk.folder / "c.csv").write_text(f"account_id,started_at,{SECRETS[1]}\n" + ",".join(SECRETS))
    desk.parquet("d.parquet", [{secret: secret for secret in SECRETS}])
    desk.command("keys", "init", "--key-file", desk.folder / "key")

    outcome = desk.command(
        "import", "--format", name, desk.folder, "--lake", desk.lake_path,
        "--key-file", desk.folder / "key",
    )  # fmt: skip
    said = json.dumps([row["reason"] for row in shown(desk, "--limit", "100000")["rows"]])

    assert outcome.report["quarantined"] > 10
    for secret in SECRETS:
        assert secret not in said
        assert secret not in outcome.words
        assert secret not in json.dumps(outcome.report)
