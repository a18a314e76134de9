"""Batches: a result gets the text of its own request, of no other, in bounded memory."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from drawn_batches import PROVIDERS, Batch, Shelf, batches, shelves, written
from hypothesis import given, settings
from hypothesis import strategies as st
from import_builders import Desk
from provider_builders import items_of, lines_in, rows_of

from stillwatch.sources.adapter import ParsedRow, Unreadable, load_adapter
from stillwatch.sources.openai import OpenaiAdapter


def _asked(custom_id: str, text: str, **around: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    where = {"method": "POST", "url": "/v1/chat/completions"}
    return {"custom_id": custom_id, **where, "body": body, **around}


def _answered(custom_id: str, text: str, **around: Any) -> dict[str, Any]:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    body = {"object": "chat.completion", "created": 1772366400, "choices": [choice]}
    response = {"status_code": 200, "request_id": "r", "body": body}
    head = {"id": f"batch_req_{custom_id}_{text}", "custom_id": custom_id}
    return {**head, "response": response, "error": None, **around}


def _texts(*paths: Path) -> list[tuple[Any, Any, Any]]:
    items = items_of(OpenaiAdapter(), *paths)
    rows = [item.row for item in items if isinstance(item, ParsedRow)]
    return [(row["account_id"], row.get("input_text"), row.get("output_text")) for row in rows]


def _reasons(*paths: Path) -> list[str]:
    items = items_of(OpenaiAdapter(), *paths)
    return [item.reason for item in items if isinstance(item, Unreadable)]


@pytest.mark.parametrize("name", PROVIDERS)
@settings(max_examples=40, deadline=None, derandomize=True)
@given(batches_of_customers=batches(), shelf=shelves, data=st.data())
def test_every_result_comes_back_with_its_own_request(
    name: str, batches_of_customers: list[Batch], shelf: Shelf, data: st.DataObject
) -> None:
    """However customers number them and files are kept, in any order of files and lines."""
    provider, adapter = PROVIDERS[name], load_adapter(name)
    with TemporaryDirectory() as folder:
        files = [provider.files(b, shelf, Path(folder)) for b in batches_of_customers]
        paths = written(files, lambda lines: data.draw(st.permutations(lines)))
        rows = rows_of(adapter, *data.draw(st.permutations(paths)))

    expected = [provider.columns(i, b, shelf) for b in batches_of_customers for i in b.said]
    assert sorted(map(repr, map(_in_order, rows))) == sorted(map(repr, map(_in_order, expected)))


def _in_order(row: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(row.items())


def test_the_order_of_files_and_lines_does_not_matter(tmp_path: Path) -> None:
    """Requests and results in any order, in one file or in several, give the same exchanges."""
    lines = [_asked("1", "A?"), _asked("2", "B?"), _answered("2", "B."), _answered("1", "A.")]
    expected = {(None, "A?", "A."), (None, "B?", "B.")}

    for number, order in enumerate(itertools.permutations(lines)):
        folder = tmp_path / str(number)
        together = lines_in(folder / "one", list(order))
        apart = [lines_in(folder / "apart" / str(i), [line]) for i, line in enumerate(order)]

        assert set(_texts(together)) == set(_texts(*apart)) == expected


def test_a_result_alone_is_an_exchange_without_its_question(tmp_path: Path) -> None:
    """What was answered, when and how, is known without the input file."""
    (row,) = rows_of(OpenaiAdapter(), lines_in(tmp_path / "out", [_answered("1", "A.")]))

    assert row["output_text"] == "A."
    assert row["endpoint"] == "batch"
    assert "input_text" not in row


def test_a_request_alone_is_reported(tmp_path: Path) -> None:
    """Nobody knows whether it was answered; the reason says what to add."""
    (reason,) = _reasons(lines_in(tmp_path / "in", [_asked("1", "A?")]))

    assert "output file" in reason


def test_two_requests_of_one_name_give_no_text(tmp_path: Path) -> None:
    """Customers number their requests from one: a guess would speak against the wrong account."""
    lines = [_asked("1", "A?"), _asked("1", "B?"), _answered("1", "A.")]
    path = lines_in(tmp_path / "mixed", lines)

    assert _texts(path) == [(None, None, "A.")]
    assert [("batch_id" in reason) for reason in _reasons(path)] == [True, True]


def test_the_same_file_twice_is_one_request(tmp_path: Path) -> None:
    """A copy is not a second request of the same name."""
    asked = [lines_in(tmp_path / name, [_asked("1", "A?")]) for name in ("in", "copy of in")]
    answered = lines_in(tmp_path / "out", [_answered("1", "A.")])

    assert _texts(*asked, answered) == [(None, "A?", "A.")]


def test_batches_in_folders_of_their_own_are_kept_apart(tmp_path: Path) -> None:
    """The same custom_id in another folder is another request."""
    paths = [
        lines_in(tmp_path / folder / name, [line])
        for folder in ("a", "b")
        for name, line in (
            ("in", _asked("1", f"{folder}?")),
            ("out", _answered("1", f"{folder}.")),
        )
    ]

    assert _texts(*paths) == [(None, "a?", "a."), (None, "b?", "b.")]


@pytest.mark.parametrize("name", ["batch_id", "account_id"])
def test_batches_and_accounts_that_lines_name_are_kept_apart(name: str, tmp_path: Path) -> None:
    """A provider's own log has all customers in one file, each with its own request-1."""
    lines = [
        line
        for value in ("x", "y")
        for line in (
            _answered("1", f"{value}.", **{name: value}),
            _asked("1", f"{value}?", **{name: value}),
        )
    ]

    texts = _texts(lines_in(tmp_path / "log", lines))

    assert [(asked, answered) for _, asked, answered in texts] == [("x?", "x."), ("y?", "y.")]


def test_a_request_of_another_account_is_never_taken(tmp_path: Path) -> None:
    """That no other request fits does not make it the right one."""
    lines = [_asked("1", "A?", account_id="ada"), _answered("1", "A.", account_id="bo")]

    assert _texts(lines_in(tmp_path / "log", lines)) == [("bo", None, "A.")]


def test_a_batch_id_joins_across_folders(tmp_path: Path) -> None:
    """Inputs and outputs kept apart belong together where both name the batch."""
    asked = lines_in(tmp_path / "in" / "f", [_asked("1", "A?", batch_id="batch_1")])
    answered = lines_in(tmp_path / "out" / "f", [_answered("1", "A.", batch_id="batch_1")])

    assert _texts(asked, answered) == [(None, "A?", "A.")]


def test_what_the_request_says_of_its_caller_is_kept(tmp_path: Path) -> None:
    """Account, address and time of the request are those of the exchange."""
    caller = {"account_id": "ada", "client_ip": "203.0.113.7", "timestamp": "2026-02-28T00:00:00Z"}
    lines = [_asked("1", "A?", **caller), _answered("1", "A.", timestamp="2026-03-01T00:00:00Z")]

    (row,) = rows_of(OpenaiAdapter(), lines_in(tmp_path / "log", lines))

    assert (row["account_id"], row["client_ip_raw"]) == ("ada", "203.0.113.7")
    assert row["started_at"].isoformat() == "2026-02-28T00:00:00+00:00"


def test_both_halves_in_one_line_need_no_other(tmp_path: Path) -> None:
    """A log may have joined them already."""
    line = _asked("1", "A?") | _answered("1", "A.")

    assert _texts(lines_in(tmp_path / "log", [line])) == [(None, "A?", "A.")]


def test_an_import_pairs_batches_and_reports_the_rest(desk: Desk) -> None:
    """From the command: pairs in the lake, requests alone in the quarantine, once."""
    batch = [_asked(str(n), f"Question {n}?") for n in range(1_500)]
    answers = [_answered(str(n), f"Answer {n}.") for n in range(500)]
    folder = desk.folder / "batch"
    lines_in(folder / "a_input.jsonl", batch)
    lines_in(folder / "batch_abc123_output.jsonl", answers)
    key = desk.folder / "key"
    assert desk.command("keys", "init", "--key-file", key).status == 0
    words = ["import", "--format", "openai", folder, "--lake", desk.lake_path, "--key-file", key]

    first = desk.command(*words, "--set", "account_id=acme").report
    again = desk.command(*words, "--set", "account_id=acme").report

    assert (first["imported"], first["quarantined"], first["read"]) == (500, 1_000, 1_500)
    assert (again["imported"], again["duplicates"]) == (0, 500)
    rows = desk.rows("exchanges")
    assert {row["batch_id"] for row in rows} == {"batch_abc123"}
    assert {(row["input_text"], row["output_text"]) for row in rows} == {
        (f"Question {n}?", f"Answer {n}.") for n in range(500)
    }


def test_memory_does_not_grow_with_the_batch(tmp_path: Path) -> None:
    """Six times as many requests that wait for their results need little more memory."""
    peaks = []
    for number in (300, 1_800):
        folder = tmp_path / str(number)
        asked = [_asked(str(n), f"{n}" + "x" * 4_000) for n in range(number)]
        answered = [_answered(str(n), f"{n}" + "y" * 4_000) for n in range(number)]
        paths = [lines_in(folder / "in", asked), lines_in(folder / "out", answered[::-1])]
        adapter, count = OpenaiAdapter(), 0
        tracemalloc.start()
        for path in paths:
            assert list(adapter.read(path)) == []
        for _, item in adapter.remaining():
            count += isinstance(item, ParsedRow) and item.row["input_text"][:3].isalnum()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == number

    assert peaks[1] < peaks[0] * 7 / 6
