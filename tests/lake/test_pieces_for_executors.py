"""A log is cut into pieces, and each piece gives what its rows give in the whole log."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from planted_logs import START, LogBook
from stillwatch.cli.main import run
from stillwatch.lake.exchange_batches import Sketched, exchange_columns
from stillwatch.lake.log import open_log
from stillwatch.lake.queries import load_query
from stillwatch.lake.sketch import sketch_exchanges
from stillwatch.lake.spark.session import failed_on_the_cluster
from stillwatch.lake.spark.tasks import Piece, digest_pieces, digest_rows, opened, pieces_of
from stillwatch.lake.spark.views import in_sparks_marks
from stillwatch.records import EXCHANGES, StillwatchError

COLUMNS = exchange_columns(["system_text", "input_text", "output_text"])


def _digest(batches: Iterator[Sketched]) -> Iterator[pa.RecordBatch]:
    for batch, sketch, locators in batches:
        yield pa.RecordBatch.from_arrays(
            [batch.column("exchange_id"), sketch.column("shingles"), locators],
            ["exchange_id", "shingles", "locator"],
        )


def _run(pieces: list[Piece]) -> list[dict[str, object]]:
    """What tasks send, one task a piece."""
    numbers = pa.RecordBatch.from_pydict({"id": list(range(len(pieces)))})
    sent = list(digest_pieces(pieces, COLUMNS, _digest)(iter([numbers])))
    return pa.Table.from_batches(list(opened(pa.Table.from_batches(sent)))).to_pylist()


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two files of 50 and 31 exchanges, in row groups of 7."""
    book = LogBook()
    for number in range(81):
        book.exchange("a", f"tell me {number} words about each of the seven rivers", START)
    table, paths = EXCHANGES.table(book.exchanges), []
    for name, rows in (("one", table.slice(0, 50)), ("two", table.slice(50))):
        paths.append(tmp_path / f"{name}.parquet")
        pq.write_table(rows, paths[-1], row_group_size=7)
    return paths


def test_pieces_give_what_the_whole_log_gives(files: list[Path]) -> None:
    """Ids, sketches and places in the files are the same, in the same order."""
    log = open_log(exchanges=files)
    whole = pa.Table.from_batches(list(log.digests(COLUMNS, _digest))).to_pylist()
    pieces = pieces_of(files, (), 20)
    assert [(p.file_number, p.first_row, p.rows) for p in pieces] == [
        *((0, 0, 21), (0, 21, 21), (0, 42, 8)),
        *((1, 0, 21), (1, 21, 10)),
    ]
    assert _run(pieces) == whole
    assert len({row["locator"] for row in whole}) == 81


def test_stored_sketches_are_found_whatever_their_row_groups(
    files: list[Path], tmp_path: Path
) -> None:
    """A piece takes its rows of the sketches, which other row groups may hold."""
    sketches = []
    for path in files:
        batch = pq.read_table(path).combine_chunks().to_batches()[0]
        sketches.append(tmp_path / f"sketches-{path.name}")
        table = pa.Table.from_batches([sketch_exchanges(batch)])
        pq.write_table(table, sketches[-1], row_group_size=11)
    assert _run(pieces_of(files, sketches, 20)) == _run(pieces_of(files, (), 20))


def test_sketches_of_another_number_of_rows_are_refused(files: list[Path]) -> None:
    """Exchanges are never read with the sketches of others."""
    with pytest.raises(StillwatchError, match="do not match"):
        pieces_of(files, files[::-1], 20)


def test_answers_are_digested_batch_by_batch() -> None:
    """What a task makes of an answer's rows arrives with its types."""
    batch = pa.RecordBatch.from_pydict({"text": ["a", "b"]})
    lengths = pa.array([1, 2], pa.uint8())
    sent = digest_rows(lambda _: pa.RecordBatch.from_arrays([lengths], ["n"]))(iter([batch, batch]))
    (first, second) = opened(pa.Table.from_batches(list(sent)))
    assert first == second
    assert first.schema.field("n").type == pa.uint8()


def test_a_query_needs_three_marks_exchanged() -> None:
    """A parameter, columns left out and materialising are all that is written otherwise for Spark."""
    assert in_sparks_marks("select * exclude (a), $hours") == "select * except (a), :hours"
    assert in_sparks_marks("with a as not materialized (") == "with a as ("
    assert in_sparks_marks(load_query("releases")) == load_query("releases")


def test_a_scan_on_spark_without_pyspark_says_what_to_install(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra: whoever lacks it is told, with the status of unusable arguments."""
    monkeypatch.setitem(sys.modules, "pyspark", None)
    asked = [
        "scan",
        "--engine",
        "spark",
        "--exchanges",
        str(files[0]),
        "--out",
        str(tmp_path / "f"),
    ]
    ended = CliRunner().invoke(run, asked)
    assert ended.exit_code == 2
    assert "stillwatch[spark]" in ended.stderr


def test_a_master_needs_the_engine(files: list[Path], tmp_path: Path) -> None:
    """`--master` alone would be passed over in silence."""
    asked = [
        "scan",
        "--master",
        "local",
        "--exchanges",
        str(files[0]),
        "--out",
        str(tmp_path / "f"),
    ]
    ended = CliRunner().invoke(run, asked)
    assert ended.exit_code == 2
    assert "--engine spark" in ended.stderr


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("ModuleNotFoundError: No module named 'stillwatch.lake'", "cannot import stillwatch"),
        ("stillwatch.records.errors.InputError: /logs/a.parquet: the file has gone.", "has gone"),
        ("ValueError: could not convert 'secret words of a prompt'", "Spark gave up (ValueError)"),
    ],
)
def test_a_failure_in_the_cluster_quotes_nothing_that_was_read(told: str, shown: str) -> None:
    """What is ours is told; what a library says may hold a text."""
    said = str(failed_on_the_cluster(ValueError(f"An exception in a worker:\n  {told}\n at ...")))
    assert shown in said
    assert "secret" not in said
