"""Bodies that Bedrock moved into files of their own: found beside the log, and nowhere else."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from bedrock_builders import items, with_body_at, written

from stillwatch.sources.adapter import ParsedRow, Remark
from stillwatch.sources.bedrock_companions import MISSING, OUTSIDE, UNREADABLE


def _body(path: Path, text: str = "A secret of the neighbour.") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"messages": [{"role": "user", "content": text}]}))
    return path


@pytest.mark.parametrize("depth", range(5))
def test_a_body_is_found_however_much_of_the_bucket_was_copied(depth: int, tmp_path: Path) -> None:
    """The folder that was given may be the bucket, or any folder in it down to the log's own."""
    parts = ["AWSLogs", "1", "us-east-1", "12"]
    folder = tmp_path.joinpath("copy")
    place = folder.joinpath(*parts[depth:])
    _body(place / "data" / "r_input.json", "Here.")
    key = "/".join(["s3://bucket", *parts, "data", "r_input.json"])
    log = written(place / "log.json", with_body_at(key))

    (item,) = items(log, folder)

    assert isinstance(item, ParsedRow)
    assert item.row["input_text"] == "Here."


def test_a_body_that_is_not_there_is_said_and_costs_the_text_alone(tmp_path: Path) -> None:
    """The exchange is imported; a word about it is counted."""
    log = written(tmp_path / "log.json", with_body_at("s3://bucket/data/none_input.json.gz"))

    remark, item = items(log)

    assert remark == Remark(MISSING)
    assert isinstance(item, ParsedRow)
    assert item.row["output_text"] == "A list of winds."
    assert not item.row.keys() & {"input_text", "turn_index", "prefill", "retention"}


@pytest.mark.parametrize(
    "path",
    [
        "s3://bucket/../outside/r_input.json",
        "s3://bucket/data/../../outside/r_input.json",
        "s3://bucket/data/..\\..\\outside\\r_input.json",
        "s3://bucket//outside/r_input.json",
        "s3://bucket/./r_input.json",
        "s3://bucket/data/r_input.json\0",
        "s3://bucket/",
        "s3://bucket",
        "file:///{outside}/r_input.json",
        "{outside}/r_input.json",
        "../outside/r_input.json",
        "s3://bucket/{outside}/r_input.json",
    ],
)
def test_a_path_out_of_the_folder_is_refused(path: str, tmp_path: Path) -> None:
    """Whoever can write one record must not read other files of this machine with it."""
    outside = _body(tmp_path / "outside" / "r_input.json").parent
    path = path.replace("{outside}", str(outside))
    log = written(tmp_path / "given" / "log.json", with_body_at(path))

    found = items(log, tmp_path / "given")

    assert [item for item in found if isinstance(item, Remark)] == [Remark(OUTSIDE)]
    assert "neighbour" not in repr(found)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    """A folder may hold links; what they lead to was not given."""
    secret = _body(tmp_path / "outside" / "r_input.json")
    log = written(tmp_path / "given" / "log.json", with_body_at("s3://b/data/r_input.json"))
    (log.parent / "data").mkdir()
    (log.parent / "data" / "r_input.json").symlink_to(secret)

    found = items(log, log.parent)

    assert Remark(OUTSIDE) in found
    assert "neighbour" not in repr(found)


def test_a_log_given_by_itself_reads_nothing_above_its_folder(tmp_path: Path) -> None:
    """A single file brings its own folder, and no more."""
    _body(tmp_path / "data" / "r_input.json")
    log = written(tmp_path / "given" / "log.json", with_body_at("s3://b/data/r_input.json"))

    assert Remark(MISSING) in items(log)


@pytest.mark.parametrize(
    "content", [b"{", b"", b"\x1f\x8b\x08broken", b"[" * 100_000, b'{"a": "' + b"x" * 1_100_000]
)
def test_a_body_that_cannot_be_read_is_said(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damage, nesting and size of a body cost its text, not the exchange."""
    monkeypatch.setenv("STILLWATCH__LIMITS__ROW_MB", "1")
    log = written(tmp_path / "log.json", with_body_at("s3://b/data/r_input.json"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "r_input.json").write_bytes(content)

    remark, item = items(log)

    assert remark == Remark(UNREADABLE)
    assert isinstance(item, ParsedRow)


def test_a_pipe_in_place_of_a_body_is_not_waited_for(tmp_path: Path) -> None:
    """Only regular files are opened."""
    log = written(tmp_path / "log.json", with_body_at("s3://b/data/r_input.json"))
    (tmp_path / "data").mkdir()
    os.mkfifo(tmp_path / "data" / "r_input.json")

    assert Remark(MISSING) in items(log)
