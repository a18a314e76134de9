"""`import --detect`: what a log is, whatever it is packed in and whatever happened to it."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from bedrock_builders import LOG, LOGS
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_builders import START, Desk, exchange_rows

from stillwatch.cli.main import run
from stillwatch.sources.adapter import ADAPTERS
from stillwatch.sources.detection import detect_format

FIXTURES = Path(__file__).parent / "fixtures"
LITELLM = FIXTURES / "litellm-1.106.2"
# Folder of the fixtures, and where it has several formats the file, to what it is; the words say
# what more has to be said of it.
_OWN = {
    "anthropic": "anthropic",
    "anthropic/batch.jsonl": "anthropic: records of a message batch of Anthropic's",
    "anthropic/batch_requests.jsonl": "anthropic: requests of a message batch of Anthropic's",
    "anthropic/msgbatch_standin1_results.jsonl": "anthropic: answers of a message batch",
    "bedrock": "bedrock",
    "bedrock/00000000-0000-4000-8000-000000000003_input.json.gz": "bedrock: a body that Bedrock",
    "canonical": "canonical",
    "envoy": "envoy",
    "envoy/calls.jsonl": "openai",
    "generic/cloudflare.json": "generic: pages of Cloudflare AI Gateway's log",
    "generic/helicone.jsonl": "generic: requests of Helicone",
    "generic/langfuse.jsonl": "generic: observations of Langfuse",
    "generic/langsmith.jsonl": "generic: runs of LangSmith",
    "litellm": "litellm",
    "litellm/spend_logs.ndjson": "litellm-spend",
    "litellm/spend_logs_no_prompts.ndjson": "litellm-spend",
    "openai": "openai",
    "openai/batch.jsonl": "openai: records of a batch of OpenAI's",
    "openai/batch_input.jsonl": "openai: requests of a batch of OpenAI's",
    "openai/batch_standin1_output.jsonl": "openai: answers of a batch of OpenAI's",
    "opentelemetry": "otlp",
}
# Bedrock writes it to see whether it may write; there is nothing in it.
_EMPTY = "amazon-bedrock-logs-permission-check"
LOG_FILES = sorted(
    path
    for path in FIXTURES.rglob("*")
    if path.is_file() and path.suffix != ".md" and path.name != _EMPTY
)
OF_LINES = [
    path
    for path in LOG_FILES
    if path.suffix in (".jsonl", ".ndjson") and path.read_bytes().count(b"\n") > 3
]


def _own(path: Path) -> str:
    folder = path.relative_to(FIXTURES).parts[0].partition("-")[0]
    return _OWN.get(f"{folder}/{path.name}") or _OWN[folder]


def _told(path: Path) -> str:
    """The format that a file is found to have, or none, and what more is said of it."""
    best = detect_format([path])[0]
    if best.fit == 0:
        return "none"
    return f"{best.name}: {best.known.what}" if best.known else best.name


def _name(value: Any) -> str:
    return "/".join(value.parts[-2:]) if isinstance(value, Path) else str(value)


def _zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


PACKINGS = {"plain": bytes, "gzip": gzip.compress, "zstd": _zstd}
# Parquet is packed by itself, and is read in no other packing.
PACKED = [
    (p, how) for p in LOG_FILES for how in PACKINGS if p.suffix != ".parquet" or how == "plain"
]


@pytest.mark.parametrize(("path", "packing"), PACKED, ids=_name)
def test_every_fixture_is_told_as_what_it_is(path: Path, packing: str, tmp_path: Path) -> None:
    """However it is packed and under whatever name: nothing is taken for another's log."""
    data = path.read_bytes()
    data = gzip.decompress(data) if path.suffix == ".gz" else data
    # A body of Bedrock's is known by its place, all others by what is in them.
    name = path.name if path.parent.name == "data" else f"log{path.suffix}"
    copy = tmp_path / path.parent.name / name
    copy.parent.mkdir()
    copy.write_bytes(PACKINGS[packing](data))

    assert _told(copy).startswith(_own(path))
    assert ":" in _own(path) or _told(copy) == _own(path)


@pytest.mark.parametrize("path", OF_LINES, ids=_name)
def test_a_damaged_log_is_told_all_the_same(path: Path, tmp_path: Path) -> None:
    """Cut off within its last line, noise between its lines, a byte order mark, other line ends."""
    lines = path.read_bytes().splitlines()
    noise = random.Random(path.name).randbytes(300).replace(b"\n", b"")
    for content in (
        b"\n".join(lines)[:-7],
        b"\n".join([lines[0], noise, *lines[1:], b"{", b"null", b"[]"]),
        b"\xef\xbb\xbf" + b"\r\n".join(lines),
        b"[" + b",".join(lines) + b"]",
        b"[\n" + b",\n".join(lines) + b"\n]\n",
    ):
        copy = tmp_path / "log.jsonl"
        copy.write_bytes(content)
        assert _told(copy).startswith(_own(path)), content[:40]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from(LOG_FILES),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=20),
    packed=st.booleans(),
)
def test_mutated_bytes_are_looked_at_without_failing(
    path: Path, cut: float, flips: list[tuple[float, int]], packed: bool, tmp_path: Path
) -> None:
    """Whatever comes out is a list of formats; none of their reasons holds a text of the log."""
    data = bytearray(path.read_bytes())
    data = bytearray(gzip.compress(data)) if packed else data
    del data[round(cut * len(data)) :]
    for place, value in flips if data else ():
        data[int(place * len(data))] = value
    copy = tmp_path / "log"
    copy.write_bytes(data)

    candidates = detect_format([copy])

    assert {c.name for c in candidates} >= set(ADAPTERS) - {"generic"}
    assert all(0 <= c.fit <= 1 for c in candidates)
    assert all("account-" not in c.explain() for c in candidates)


@pytest.mark.parametrize("begin", [b"", b"{", b"[", b"a,b\n1", b"\x0a\x05", b"PAR1", b"\x1f\x8b"])
def test_a_huge_file_is_looked_at_in_its_beginning(
    begin: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terabyte without a line break is no more work than its first megabytes."""
    path = tmp_path / "log"
    path.write_bytes(begin)
    with path.open("r+b") as file:
        file.truncate(2**40)
    monkeypatch.setenv("STILLWATCH__LIMITS__ROW_MB", "1")
    read = _counting(monkeypatch)

    assert _told(path) == "none"

    assert sum(read) < 2**29


def test_rows_that_are_passed_over_are_not_read_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log of embeddings has no exchange, however long one looks."""
    row = {"account_id": "a", "request": {"url": "/v1/embeddings", "body": {"input": "x" * 9_000}}}
    path = tmp_path / "log.jsonl"
    path.write_bytes((json.dumps(row).encode() + b"\n") * 4_000)
    monkeypatch.setenv("STILLWATCH__LIMITS__ROW_MB", "1")
    read = _counting(monkeypatch)

    detect_format([path])

    passes = 2 * (len(ADAPTERS) + 3)
    assert sum(read) < passes * 4 * 2**20 < passes * path.stat().st_size


def _counting(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what is read of files opened for their bytes, from now on."""
    sizes: list[int] = []

    class Counted(io.FileIO):
        def readinto(self, buffer: Any) -> int | None:
            number = super().readinto(buffer)
            sizes.append(number or 0)
            return number

        def readall(self) -> bytes:
            raise AssertionError("a whole file is read")

    opened = Path.open

    def open_(path: Path, mode: str = "r", *options: Any, **named: Any) -> Any:
        if mode == "rb":
            return io.BufferedReader(Counted(path))
        return opened(path, mode, *options, **named)

    monkeypatch.setattr(Path, "open", open_)
    return sizes


def test_a_row_longer_than_the_first_look_is_told(tmp_path: Path) -> None:
    """Three megabytes in one line are looked at a second time, as far as any row is read."""
    row = json.loads((FIXTURES / "openai-3.57.0" / "http.jsonl").read_text().splitlines()[0])
    row["padding"] = "x" * (3 * 2**20)
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(row) + "\n")

    assert _told(path) == "openai"


def test_half_a_batch_is_told_with_what_it_needs(desk: Desk) -> None:
    """Its requests alone are no exchanges, and saying which file is missing is the help."""
    openai, anthropic = FIXTURES / "openai-3.57.0", FIXTURES / "anthropic-2.14.0"
    for path, name, need, beside in (
        (openai / "batch_input.jsonl", "openai", "output file", "OUTPUT"),
        (openai / "batch_standin1_output.jsonl", "openai", "the file that was sent", "INPUT"),
        (anthropic / "batch_requests.jsonl", "anthropic", "output file", "OUTPUT"),
        (anthropic / "msgbatch_standin1_results.jsonl", "anthropic", "was sent", "INPUT"),
    ):
        outcome = desk.command("import", "--detect", path)

        assert (outcome.status, outcome.report["format"]) == (0, name)
        assert need in outcome.report["needs"]
        assert re.search(r"\d of the first \d rows are", outcome.report["candidates"][0]["why"])
        assert f"import --format {name} {beside} {path} --lake" in outcome.words


def test_what_detect_says_of_a_batch_is_so(desk: Desk) -> None:
    """Both files together are whole exchanges, so no need is left."""
    folder = FIXTURES / "openai-3.57.0"
    path = desk.folder / "both.jsonl"
    path.write_bytes(
        (folder / "batch_input.jsonl").read_bytes()
        + (folder / "batch_standin1_output.jsonl").read_bytes()
    )

    report = desk.command("import", "--detect", path).report

    assert (report["format"], report["needs"]) == ("openai", None)


@pytest.mark.parametrize("tool", ["langfuse", "helicone", "langsmith", "cloudflare"])
def test_a_log_that_a_map_reads_is_told_with_its_map(tool: str, desk: Desk) -> None:
    """Not as OpenAI's, which would take its other observations for calls; the map is there."""
    (path,) = (FIXTURES / "generic-published-schemas").glob(f"{tool}.*")

    outcome = desk.command("import", "--detect", path)

    map_file = Path("docs/sources/maps") / f"{tool}.toml"
    assert (outcome.status, outcome.report["format"]) == (0, "generic")
    assert str(map_file) in outcome.report["needs"]
    assert (Path(__file__).parents[2] / map_file).is_file()
    assert f"--format generic --map {tool}.toml {path}" in outcome.words


def test_a_table_of_a_mapped_tool_is_told(desk: Desk) -> None:
    """Langfuse exports CSV, too."""
    path = desk.folder / "log.csv"
    path.write_text(
        "id,type,start_time,trace_id,parent_observation_id,provided_model_name,user_id\n"
        "o1,GENERATION,2026-03-01 12:00:00.250000,t1,,gpt-4o,ada\n"
    )

    assert _told(path) == "generic: observations of Langfuse"


@pytest.mark.parametrize("path", [LOGS, FIXTURES / "openai-3.57.0"], ids=_name)
def test_a_folder_is_told_by_its_files(path: Path, desk: Desk) -> None:
    """The first of them that tells."""
    outcome = desk.command("import", "--detect", path)

    assert outcome.report["format"] == path.name.partition("-")[0].replace("AWSLogs", "bedrock")
    assert Path(outcome.report["file"]).is_relative_to(path)
    assert f"Told by {outcome.report['file']}" in outcome.words


def test_the_best_comes_first_and_says_how_much_it_read(desk: Desk) -> None:
    """By the adapter that understands it, though others may read some of it."""
    outcome = desk.command("import", "--detect", LITELLM / "standard_logging_payload.ndjson")

    best, *others = outcome.report["candidates"]
    assert best["why"].startswith("8 of the first 8 rows have an account and a time;")
    assert [c["fit"] for c in others] == sorted((c["fit"] for c in others), reverse=True)
    assert 1 == best["fit"] > others[0]["fit"] > 0
    assert "--format litellm" in outcome.words


@pytest.mark.parametrize("encoding", ["jsonl", "parquet"])
def test_canonical_tables_are_told(encoding: str, desk: Desk) -> None:
    """Exchanges and accounts, whichever encoding they have."""
    for name, rows in (
        ("x", exchange_rows(3)),
        ("a", [{"account_id": "a", "plan": "team", "created_at": START}]),
    ):
        make = desk.jsonl if encoding == "jsonl" else desk.parquet
        path = make(f"{name}.{encoding}", rows)

        assert desk.command("import", "--detect", path).report["format"] == "canonical"


def test_every_format_but_generic_is_tried(desk: Desk) -> None:
    """A format that is registered is a format that can be told."""
    report = desk.command("import", "--detect", LOG).report

    assert {c["format"] for c in report["candidates"]} == set(ADAPTERS) - {"generic"}


def test_a_log_without_accounts_is_told_all_the_same(desk: Desk) -> None:
    """What `--set` can fill is no reason to call it another's."""
    payload = json.loads((LITELLM / "standard_logging_payload.ndjson").read_text().splitlines()[0])
    path = desk.jsonl("log.jsonl", [payload | {"metadata": {}}])

    outcome = desk.command("import", "--detect", path)

    assert outcome.report["format"] == "litellm"
    assert "without account or time" in outcome.report["candidates"][0]["why"]


@pytest.mark.parametrize(
    ("begin", "packing"), [(b"BZh91AY", "bzip2"), (b"PK\x03\x04", "zip"), (b"\xfd7zXZ\0", "xz")]
)
def test_a_packing_that_is_not_undone_is_named(begin: bytes, packing: str, desk: Desk) -> None:
    """No map would help."""
    path = desk.folder / "log"
    path.write_bytes(begin + random.Random(0).randbytes(500))

    outcome = desk.command("import", "--detect", path)

    assert outcome.status == 2
    assert f"packed with {packing}: unpack it" in outcome.words


def test_an_empty_file_is_said_to_be_empty(desk: Desk) -> None:
    """Neither would a map help here."""
    path = desk.folder / "log"
    path.touch()

    outcome = desk.command("import", "--detect", path)

    assert (outcome.status, outcome.report["format"]) == (2, None)
    assert "It is empty" in outcome.words


@pytest.mark.parametrize(
    "content", [b"\n \n", b"hello\n", b'{"a": 1}\n', b"\x00\xff" * 99, b"a,b\n1,2\n"]
)
def test_a_file_of_no_format_is_said_to_be_none(content: bytes, desk: Desk) -> None:
    """Exit status 2, and the way to a map."""
    path = desk.folder / "log"
    path.write_bytes(content)

    outcome = desk.command("import", "--detect", path)

    assert (outcome.status, outcome.report["format"]) == (2, None)
    assert "generic" in outcome.words


def test_the_guess_comes_before_what_speaks_against_others(desk: Desk) -> None:
    """Whoever asks reads the format and the next command first."""
    shown = CliRunner().invoke(run, ["import", "--detect", str(LOG)]).output.splitlines()

    assert [line.partition(" ")[0] for line in shown[:3]] == ["bedrock:", "Next:", "Less"]
    assert sum(line.startswith("otlp: ") for line in shown[3:]) == 1
