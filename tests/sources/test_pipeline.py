"""The pipeline: bounded memory, whatever an adapter yields."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from import_builders import START

from stillwatch.identity import Key, Tokeniser
from stillwatch.records import EXCHANGES, InputError
from stillwatch.sources.adapter import (
    ADAPTERS,
    Adapter,
    ImportRequest,
    ParsedRow,
    Unreadable,
    load_adapter,
)
from stillwatch.sources.limits import Limits
from stillwatch.sources.lines import Line, numbered_lines
from stillwatch.sources.pipeline import Intake, input_files, take_in
from stillwatch.sources.rows import typed_column, typed_rows

TOKENISER = Tokeniser(Key(bytes(range(32))))


class Basket:
    """A destination that remembers what came, and how far ahead the adapter was."""

    def __init__(self) -> None:
        self.tables: list[tuple[str, pa.Table]] = []
        self.received = 0

    def add(self, table: str, rows: pa.Table) -> None:
        self.tables.append((table, rows))
        self.received += rows.num_rows

    def reveal_domains(self, domain_by_token: dict[str, str], *, shared_by: int) -> None:
        pass


class Scripted:
    """An adapter that yields what it is told, however the file looks."""

    name: ClassVar[str] = "scripted"

    def __init__(self, items: Iterator[ParsedRow | Unreadable]) -> None:
        self.items = items

    def read(self, path: Path) -> Iterator[ParsedRow | Unreadable]:
        yield from self.items


def row(number: int, **more: Any) -> dict[str, Any]:
    started = START + timedelta(seconds=number)
    return {"exchange_id": f"e{number}", "account_id": "a", "started_at": started, **more}


def take(adapter: Adapter, basket: Basket, *paths: Path) -> Intake:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    return take_in(
        paths or [Path("log")],
        adapter=adapter,
        tokeniser=TOKENISER,
        fills={},
        now=now,
        destination=basket,
    )


def test_adapter_is_never_far_ahead_of_the_lake() -> None:
    """Rows go to the lake in batches: however long the file, few are in memory."""
    basket = Basket()
    ahead = 0

    def items() -> Iterator[ParsedRow]:
        nonlocal ahead
        for number in range(30_000):
            ahead = max(ahead, number - basket.received)
            yield ParsedRow(number + 1, row(number))

    intake = take(Scripted(items()), basket)

    assert intake.read == basket.received == 30_000
    assert ahead <= 4_096


def test_large_texts_make_small_batches() -> None:
    """A batch is bounded by its bytes too, not only by its rows."""
    basket = Basket()
    text = "x" * 2**20

    take(Scripted(ParsedRow(i + 1, row(i, input_text=text)) for i in range(100)), basket)

    assert max(table.nbytes for _, table in basket.tables) < 40 * 2**20
    assert basket.received == 100


def test_failing_adapter_costs_the_rest_of_its_file_only() -> None:
    """A mistake in an adapter is an entry of the quarantine, and the next file is read."""
    basket = Basket()

    class Failing:
        name: ClassVar[str] = "failing"

        def read(self, path: Path) -> Iterator[ParsedRow]:
            number = int(path.name)
            yield ParsedRow(1, row(number))
            if number == 1:
                raise KeyError("secret")

    intake = take(Failing(), basket, Path("1"), Path("2"))

    ids = [
        i for name, t in basket.tables if name == "exchanges" for i in t["exchange_id"].to_pylist()
    ]
    assert ids == ["e1", "e2"]
    assert intake.quarantined == 1
    assert "secret" not in intake.first_reason


def test_rows_without_account_are_set_aside_one_by_one() -> None:
    """However many rows in a sequence name no account, those that do are still imported."""
    basket = Basket()
    nameless = [row(i) for i in range(9_000)]
    for item in nameless:
        del item["account_id"]
    rows = [*nameless, row(9_000)]

    intake = take(Scripted(ParsedRow(i + 1, item) for i, item in enumerate(rows)), basket)

    imported = [t["exchange_id"].to_pylist() for name, t in basket.tables if name == "exchanges"]
    lines = [n for name, t in basket.tables if name == "quarantine" for n in t["line"].to_pylist()]
    assert [i for ids in imported for i in ids] == ["e9000"]
    assert sorted(lines) == list(range(1, 9_001))
    assert (intake.read, intake.quarantined) == (9_001, 9_000)
    assert "account_id" in intake.first_reason


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_every_registered_format_loads_under_its_name(name: str, tmp_path: Path) -> None:
    """The registry names adapters that exist and agree on their name."""
    map_file = tmp_path / "map.toml"
    map_file.write_text('[columns]\naccount_id = "a"\nstarted_at = "t"\n')

    assert load_adapter(name, ImportRequest(map_file=map_file)).name == name


def test_line_without_end_is_passed_over_in_bounded_memory(tmp_path: Path) -> None:
    """A line longer than the limit is named, and reading goes on after it."""
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"one\n" + b"y" * (2 * 2**20 + 5) + b"\nthree")

    found = list(numbered_lines(path, Limits(row_mb=1)))

    assert [item for item in found if isinstance(item, Line)] == [
        Line(1, b"one"),
        Line(3, b"three"),
    ]
    assert [item.line for item in found if isinstance(item, Unreadable)] == [2]


def test_folder_gives_its_files_in_order_without_hidden_ones(tmp_path: Path) -> None:
    """Files of a folder are read in order of their paths; editors' and systems' are not."""
    for name in ("b/2.jsonl", "a/1.jsonl", ".hidden.jsonl", ".git/x.jsonl", "c.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    found = [str(p.relative_to(tmp_path)) for p in input_files([tmp_path])]

    assert found == ["a/1.jsonl", "b/2.jsonl", "c.jsonl"]


def test_empty_folder_is_an_input_error(tmp_path: Path) -> None:
    """A folder without a file is no input."""
    with pytest.raises(InputError, match="no file"):
        input_files([tmp_path])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-01T12:00:00Z", START),
        ("2026-03-01 14:00:00+02:00", START),
        ("2026-03-01T12:00", START),
        (datetime(2026, 3, 1, 12), START),
        (START.timestamp(), START),
        (int(START.timestamp() * 1000), START),
        (int(START.timestamp() * 1_000_000), START),
        (int(START.timestamp() * 1_000_000_000), START),
        (str(START.timestamp()), START),
        ("1777123112300", datetime(2026, 4, 25, 13, 18, 32, 300_000, tzinfo=UTC)),
        ("noon", None),
        (True, None),
        (float("nan"), None),
        (1e300, None),
        ([], None),
    ],
)
def test_times_are_read_in_every_writing(value: object, expected: datetime | None) -> None:
    """ISO 8601 and seconds to nanoseconds since 1970 are one moment; nonsense is none."""
    column, failed = typed_column([value], EXCHANGES.arrow.field("started_at").type)

    assert column.to_pylist() == [expected]
    assert failed == (expected is None)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("input_tokens", "12", 12),
        ("input_tokens", 12.0, 12),
        ("input_tokens", 12.5, None),
        ("input_tokens", 2**63, None),
        ("input_tokens", str(2**53 + 1), 2**53 + 1),
        ("input_tokens", True, None),
        ("temperature", "0.7", 0.7),
        ("temperature", "inf", None),
        ("prefill", "true", True),
        ("prefill", 0, False),
        ("prefill", "perhaps", None),
        ("tool_names", '["a", "b"]', ["a", "b"]),
        ("tool_names", ["a", None, 1], ["a", "1"]),
        ("tool_names", "a", None),
        ("account_id", 17, "17"),
        ("account_id", [17], None),
        ("model", "a\ud800b", "a\N{REPLACEMENT CHARACTER}b"),
    ],
)
def test_values_become_their_columns_type_or_null(
    name: str, value: object, expected: object
) -> None:
    """Each value becomes the canonical type exactly, or null and counted."""
    typed = typed_rows([{name: value}], EXCHANGES)

    assert typed.table[name].to_pylist() == [expected]
    assert typed.emptied[name] == (expected is None)


def test_settings_keep_what_fits() -> None:
    """A structure keeps its known fields, and a flag counts as one where a number is meant."""
    value = {"n": 2, "logprobs": True, "top_p": "0.9", "seed": "x", "unknown": 1}

    (found,) = typed_rows([{"settings": value}], EXCHANGES).table["settings"].to_pylist()

    assert found == {"n": 2, "top_p": 0.9, "seed": None, "logprobs": 1, "reasoning_effort": None}
