"""Limits: a file that asks for too much is refused in bounded memory, and the words say why."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from import_builders import Desk, exchange_rows

from stillwatch.cli.main import run
from stillwatch.records import InputError
from stillwatch.sources.adapter import Unreadable, load_adapter
from stillwatch.sources.canonical import CanonicalAdapter
from stillwatch.sources.limits import Limits, TooDeepError, parsed_json

ZEROS = 120_000_000
BLANK = (b" " * 1023 + b"\n") * 70_000
_PEAK = """
import sys
from pathlib import Path
from stillwatch.sources.adapter import load_adapter
from stillwatch.sources.memory import process_bytes
adapter = load_adapter(sys.argv[1])
list(adapter.read(Path(sys.argv[2])))
before = process_bytes("VmHWM")
found = [item.reason for item in adapter.read(Path(sys.argv[3]))]
print((process_bytes("VmHWM") - before) // 1024)
print(*found, sep="\\n")
"""


def bomb(codec: str) -> bytes:
    """The beginning of a line, and then zeros; packed a million at a time, for speed."""
    first = pa.compress(b'{"x": "', codec=codec, asbytes=True)
    million: bytes = pa.compress(b"0" * 1_000_000, codec=codec, asbytes=True)
    return first + million * (ZEROS // 1_000_000)


@pytest.mark.parametrize(
    ("codec", "name"), [("gzip", "canonical"), ("gzip", "otlp"), ("zstd", "litellm")]
)
def test_small_file_that_unpacks_to_much_is_refused_in_bounded_memory(
    tmp_path: Path, codec: str, name: str
) -> None:
    """A bomb of 120 MB takes far less memory than that, and one reason names limit and remedy."""
    path, small = tmp_path / "bomb.jsonl", tmp_path / "small.jsonl"
    path.write_bytes(bomb(codec))
    small.write_bytes(gzip.compress(b"{}\n"))

    done = subprocess.run(
        [sys.executable, "-c", _PEAK, name, small, path],
        capture_output=True,
        text=True,
        check=True,
        env={"STILLWATCH__LIMITS__ROW_MB": "4", "PYTHONPATH": ":".join(sys.path)},
    )

    grown, *reasons = done.stdout.splitlines()
    (reason,) = reasons
    assert int(grown) < 30 * 1024  # kB
    assert f"more than 500 times its {path.stat().st_size:,} bytes" in reason
    assert "raise `ratio` in [limits]" in reason


def test_import_of_such_a_file_says_what_where_and_what_to_do(desk: Desk) -> None:
    """The command ends as with any unusable input, and the lake has no row of it."""
    path = desk.folder / "bomb.jsonl.gz"
    path.write_bytes(bomb("gzip"))

    outcome = desk.import_(path)

    assert outcome.status == 2
    assert "nothing in the input could be used" in outcome.words
    assert str(path) in outcome.words
    assert "unpacks to more than 500 times" in outcome.words
    assert desk.count("exchanges") == 0


def test_rows_before_a_limit_are_kept_and_those_behind_it_come_with_a_higher_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read stays; once the limit is raised the rest comes, and nothing twice."""
    rows = "".join(json.dumps(row, default=str) + "\n" for row in exchange_rows(5)).encode()
    path = desk.folder / "log.jsonl.gz"
    path.write_bytes(gzip.compress(rows + BLANK + rows.replace(b'"e', b'"f')))

    first = desk.import_(path)
    monkeypatch.setenv("STILLWATCH__LIMITS__RATIO", "2000")
    second = desk.import_(path)

    assert (first.status, first.report["imported"], first.report["quarantined"]) == (0, 5, 1)
    assert (second.report["imported"], second.report["duplicates"]) == (5, 5)
    assert second.report["quarantined"] == 0


def test_repetitive_honest_log_is_no_bomb(desk: Desk) -> None:
    """Lines that differ in little but their ids are what a template looks like in a log."""
    rows = [row | {"system_text": "Be kind. " * 1500} for row in exchange_rows(1000)]
    content = desk.jsonl("log.jsonl", rows).read_bytes() * 5
    path = desk.folder / "log.jsonl.gz"
    path.write_bytes(gzip.compress(content, compresslevel=6))
    assert len(content) > max(64 * 2**20, 80 * path.stat().st_size)

    found = list(CanonicalAdapter().read(path))

    assert len(found) == 5000
    assert not any(isinstance(item, Unreadable) for item in found)


@pytest.mark.parametrize(
    ("setting", "words"),
    [("PACKED_MB", "compressed file is larger than 1 MiB"), ("UNPACKED_MB", "more than 1 MiB")],
)
def test_sizes_are_limited(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, setting: str, words: str
) -> None:
    """The compressed file and what it holds have a limit each, and the words name its setting."""
    noise = bytes(range(32, 256)) * 12_000
    path = desk.folder / "log.jsonl.gz"
    path.write_bytes(gzip.compress(noise, compresslevel=0))
    monkeypatch.setenv(f"STILLWATCH__LIMITS__{setting}", "1")

    outcome = desk.import_(path)

    assert outcome.status == 2
    assert words in outcome.words
    assert f"`{setting.lower()}`" in outcome.words


def test_parquet_that_unpacks_to_much_is_refused(desk: Desk) -> None:
    """Its own account of its size is enough: not one of its pages is read."""
    text = pa.array(["\0" * 1_000_000] * 120)
    table = pa.table({"account_id": ["a"] * 120, "started_at": [0] * 120, "input_text": text})
    path = desk.folder / "x.parquet"
    pq.write_table(table, path, compression="zstd", use_dictionary=False)

    outcome = desk.import_(path)

    assert outcome.status == 2
    assert "unpacks to more than 500 times" in outcome.words


def test_parquet_of_more_rows_than_its_bytes_can_tell_is_refused(desk: Desk) -> None:
    """A page of one value stands for millions of rows: counted by the footer, none is read."""
    count = 20_000_000
    path = desk.folder / "x.parquet"
    accounts = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int8()), count), ["a"])
    times = pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int8()), count), [0])
    table = pa.table({"account_id": accounts, "started_at": times})
    pq.write_table(table, path, row_group_size=count, store_schema=False)
    assert pq.ParquetFile(path).metadata.row_group(0).total_byte_size < 2**20

    outcome = desk.import_(path)

    assert outcome.status == 2
    assert outcome.report["read"] == 1
    assert "unpacks to more than 500 times" in outcome.words


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def the_unreadable_one(name: str, path: Path) -> Unreadable:
    """What a format says of a file of which it can read nothing."""
    (item,) = load_adapter(name).read(path)
    assert isinstance(item, Unreadable)
    return item


@pytest.mark.parametrize("wide", [0, 400])
def test_nesting_is_counted_to_the_level(wide: int) -> None:
    """As many levels as allowed are read and one more is not, however many brackets there are."""
    text = json.dumps({"deep": nested(19), "wide": [[]] * wide})

    assert parsed_json(text, 20)["wide"] == [[]] * wide
    with pytest.raises(TooDeepError):
        parsed_json(text.encode(), 19)


@pytest.mark.parametrize("name", ["canonical", "otlp", "litellm", "openai", "bedrock"])
def test_value_nested_too_deeply_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words say how deep is read and which setting decides it."""
    monkeypatch.setenv("STILLWATCH__LIMITS__NESTING", "30")
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"x": nested(40)}) + "\n")

    item = the_unreadable_one(name, path)

    assert "nested too deeply: 30 levels" in item.reason
    assert "`nesting`" in item.reason


@pytest.mark.parametrize("name", ["canonical", "otlp", "litellm", "openai", "bedrock"])
def test_row_longer_than_the_limit_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One limit for every format, and a setting that raises it."""
    monkeypatch.setenv("STILLWATCH__LIMITS__ROW_MB", "1")
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"x": "' + b"y" * 2**21 + b'"}\n')

    item = the_unreadable_one(name, path)

    assert (item.line, "longer than 1 MiB" in item.reason, "`row_mb`" in item.reason) == (
        1,
        True,
        True,
    )


def test_csv_row_that_never_ends_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A quote that opens on every line makes one row of the file; it is not gathered."""
    monkeypatch.setenv("STILLWATCH__LIMITS__ROW_MB", "1")
    path = tmp_path / "log.csv"
    good = b"account_id,started_at,input_text\na,2026-03-01T00:00:00Z,x\n"
    path.write_bytes(good + b'"a\n' + b'","a\n' * 400_000)

    _, item = CanonicalAdapter().read(path)

    assert isinstance(item, Unreadable)
    assert (item.line, "closing quote" in item.reason, "`row_mb`" in item.reason) == (3, True, True)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1e3", "\u0663"])
def test_limit_that_is_none_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of nothing, or of no number, is refused before anything is read."""
    monkeypatch.setenv("STILLWATCH__LIMITS__RATIO", value)

    with pytest.raises(InputError, match="STILLWATCH__LIMITS__RATIO"):
        Limits.configured()


def by_file(folder: Path, value: str) -> tuple[list[str], dict[str, str]]:
    path = folder / "stillwatch.toml"
    path.write_text(f"[limits]\nratio = {value}\n")
    return ["--config", str(path)], {}


def by_variable(_folder: Path, value: str) -> tuple[list[str], dict[str, str]]:
    return [], {"STILLWATCH__LIMITS__RATIO": value}


@pytest.mark.parametrize("configured", [by_file, by_variable])
def test_limits_are_configured_as_everything_is(
    desk: Desk, configured: Callable[[Path, str], tuple[list[str], dict[str, str]]]
) -> None:
    """A file or a variable sets a limit; what is no number is refused; the default is shown."""
    path = desk.folder / "log.jsonl.gz"
    path.write_bytes(bomb("gzip"))
    words = ["import", "--format", "canonical", str(path), "--lake", str(desk.lake_path)]
    desk.command("keys", "init", "--key-file", desk.folder / "key")
    words += ["--key-file", str(desk.folder / "key")]

    options, environment = configured(desk.folder, "400")
    limited = CliRunner().invoke(run, [*words, *options], env=environment)
    options, environment = configured(desk.folder, '"much"')
    wrong = CliRunner().invoke(run, [*words, *options], env=environment)
    shown = CliRunner().invoke(run, ["config", "show", "--json"])

    assert "more than 400 times" in limited.stderr
    assert (wrong.exit_code, "a whole number of one or more" in wrong.stderr) == (2, True)
    values = {(s["section"], s["key"]): s["value"] for s in json.loads(shown.stdout)["settings"]}
    assert values["limits", "ratio"] == 500
