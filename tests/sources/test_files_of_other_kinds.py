"""Files that are no lines of UTF-8: packed otherwise, UTF-16, archives, other delimiters, none."""

from __future__ import annotations

import bz2
import csv
import io
import json
import lzma
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from import_builders import Desk, exchange_rows

from stillwatch.sources.adapter import ADAPTERS

_LINES = "".join(json.dumps(row, default=str) + "\n" for row in exchange_rows(3))


def _zipped(data: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("log.jsonl", data)
    return packed.getvalue()


def _tarred(data: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        entry = tarfile.TarInfo("log.jsonl")
        entry.size = len(data)
        file.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


_KINDS = {
    "packed with bzip2: unpack it": bz2.compress(_LINES.encode()),
    "packed with xz: unpack it": lzma.compress(_LINES.encode()),
    "packed with zip: unpack it": _zipped(_LINES.encode()),
    "a tar archive: unpack it": _tarred(_LINES.encode()),
    "UTF-16: convert it": _LINES.encode("utf-16"),
    "is UTF-16: convert it": _LINES.encode("utf-16-le"),
}


@pytest.mark.parametrize("log_format", sorted(ADAPTERS))
def test_what_cannot_be_read_is_named_once_in_every_format(log_format: str, desk: Desk) -> None:
    """One row of the quarantine for each file says what it is and what to do."""
    folder, chart = desk.folder / "logs", desk.folder / "map.toml"
    folder.mkdir()
    chart.write_text('[columns]\naccount_id = "a"\nstarted_at = "t"\n')
    for number, data in enumerate(_KINDS.values()):
        (folder / f"{number}.log").write_bytes(data)

    desk.import_(folder, options=("--format", log_format, *_map(log_format, chart)))

    reasons = [row["reason"] for row in sorted(desk.rows("quarantine"), key=lambda r: r["file"])]
    assert len(reasons) == len(_KINDS)
    assert all(said in reason for said, reason in zip(_KINDS, reasons, strict=True))


def _map(log_format: str, chart: Path) -> tuple[str, ...]:
    return ("--map", str(chart)) if log_format == "generic" else ()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("log_format", ["canonical", "generic"])
def test_columns_may_be_divided_otherwise(delimiter: str, log_format: str, desk: Desk) -> None:
    """The header says by what, and rows that were mended are read alike."""
    log, chart, out = desk.folder / "log.csv", desk.folder / "map.toml", desk.folder / "out"
    names = ("exchange_id", "account_id", "started_at")
    chart.write_text("[columns]\n" + "".join(f'{n} = "{n}"\n' for n in names))
    with log.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(exchange_rows(1)[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(exchange_rows(3))
        file.write(f"e9{delimiter}a\n")
    options = ("--format", log_format, *_map(log_format, chart))

    report = desk.import_(log, options=options).report

    assert (report["imported"], report["quarantined"]) == (3, 1)
    assert desk.command("quarantine", "export", "--lake", desk.lake_path, "--out", out).status == 0
    (mended,) = out.glob("*/*.csv")
    line = mended.read_text().splitlines()[-1]
    mended.write_text(mended.read_text().replace(line, delimiter.join(_values())))
    assert desk.import_(mended, options=(*options, "--mended")).report["imported"] == 1
    assert {row["exchange_id"] for row in desk.rows("exchanges")} == {"e0", "e1", "e2", "e9"}


def _values() -> list[str]:
    return [str(value) for value in (exchange_rows(1)[0] | {"exchange_id": "e9"}).values()]


def test_the_calls_of_a_browsers_archive_are_read(desk: Desk) -> None:
    """A HAR file is one document; each of its entries is a call."""
    question = {"model": "m", "messages": [{"role": "user", "content": "Why?"}]}
    answer = {"choices": [{"message": {"content": "So."}, "finish_reason": "stop"}]}

    def entry(second: int) -> dict[str, Any]:
        return {
            "startedDateTime": f"2026-03-01T12:00:0{second}.000Z",
            "request": {
                "method": "POST",
                "url": "https://api.example/v1/chat/completions",
                "headers": [],
                "postData": {"mimeType": "application/json", "text": json.dumps(question)},
            },
            "response": {
                "status": 200,
                "content": {"mimeType": "application/json", "text": json.dumps(answer)},
            },
        }

    archive = {"log": {"version": "1.2", "entries": [entry(1), entry(2)]}}
    for indent, account in ((None, "a"), (2, "b")):
        log = desk.folder / f"{account}.har"
        log.write_text(json.dumps(archive, indent=indent))
        options = ("--format", "openai", "--set", f"account_id={account}")
        assert desk.import_(log, options=options).report["imported"] == 2

    told = {(row["input_text"], row["output_text"]) for row in desk.rows("exchanges")}
    assert told == {("Why?", "So.")}


def test_reasons_are_counted_whatever_the_place_in_the_line(desk: Desk) -> None:
    """Thirty broken lines are broken in one way, and not in thirty."""
    log = desk.folder / "log.jsonl"
    log.write_text("".join(f'{{"a": {"1" * n}x}}\n' for n in range(1, 31)))
    desk.import_(log, options=("--format", "litellm"))

    shown = desk.command("quarantine", "show", "--lake", desk.lake_path).report

    assert list(shown["by_reason"].values()) == [30]


def test_folders_of_a_lake_are_their_owners(desk: Desk) -> None:
    """Those that a file made on the way as well."""
    desk.import_(desk.jsonl("log.jsonl", exchange_rows(1)))

    modes = {p.name: oct(p.stat().st_mode & 0o777) for p in desk.lake_path.rglob("*") if p.is_dir()}
    assert {"exchanges", "sketches"} <= modes.keys()
    assert set(modes.values()) == {"0o700"}
