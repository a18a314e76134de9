"""No content stops the OTLP and LiteLLM adapters, and none makes them hold a file."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otlp_builders import json_line, model_call, traces

from stillwatch.records import EXCHANGES
from stillwatch.sources.adapter import Adapter, ParsedRow, Unreadable
from stillwatch.sources.litellm import LitellmAdapter
from stillwatch.sources.otlp import OtlpAdapter
from stillwatch.sources.rows import typed_rows

FIXTURES = Path(__file__).parent / "fixtures"
PAYLOADS = FIXTURES / "litellm-1.106.2" / "standard_logging_payload.ndjson"
REQUESTS = FIXTURES / "opentelemetry-instrumentation-genai-openai-1.3b0" / "otlp.jsonl"
TRACES = REQUESTS.with_name("traces.pb")
ADAPTERS: list[Adapter] = [LitellmAdapter(), OtlpAdapter()]
QUIET = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


def _read(adapter: Adapter, path: Path, content: bytes) -> list[ParsedRow | Unreadable]:
    path.write_bytes(content)
    items = [item for item in adapter.read(path) if isinstance(item, ParsedRow | Unreadable)]
    # What an adapter gives must be fit for a table, whatever it was made of.
    typed_rows([item.row for item in items if isinstance(item, ParsedRow)], EXCHANGES)
    return items


def _mangled(value: Any, draw: Any) -> Any:
    """A recorded value with one part of it, drawn at random, replaced by something else."""
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        return value | {key: _mangled(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 9)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], _mangled(value[index], draw), *value[index + 1 :]]
    return draw(JSON)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
@QUIET
@given(
    content=st.binary(max_size=400)
    | st.builds(
        bytes.__add__,
        st.sampled_from([b"[", b"{", b"(\xb5/\xfd", b"\x1f\x8b\x08", b"\n\x10", b"\xef\xbb\xbf"]),
        st.binary(max_size=100),
    )
)
def test_arbitrary_bytes_are_reported(adapter: Adapter, content: bytes, tmp_path: Path) -> None:
    """Bytes of no format give no exchange and no exception, and are named unless blank."""
    items = _read(adapter, tmp_path / "log", content)

    assert not any(isinstance(item, ParsedRow) for item in items)
    # A line feed also begins a protobuf message, which may be one that says nothing.
    if content.removeprefix(b"\xef\xbb\xbf").strip() and not content.startswith(b"\n"):
        assert items


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
@pytest.mark.parametrize("end", [b"", b",\n"], ids=["after an element", "after a comma"])
def test_an_array_that_breaks_off_is_reported(adapter: Adapter, end: bytes, tmp_path: Path) -> None:
    """A document without its last bracket lost something: that is said."""
    items = _read(adapter, tmp_path / "log", b'[\n{"x": 1}' + end)

    assert [item.line for item in items] == [1, 2]


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_damaged_compressed_file_is_reported(
    adapter: Adapter, codec: str, tmp_path: Path
) -> None:
    """What lies before the damage is read; the damage is one entry."""
    content = PAYLOADS.read_bytes() if adapter.name == "litellm" else REQUESTS.read_bytes()
    whole = pa.compress(content, codec=codec, asbytes=True)

    for broken in (whole[: len(whole) // 2], whole[:9] + b"\xff" * 20 + whole[29:], whole[:5]):
        items = _read(adapter, tmp_path / "log", broken)

        assert sum(isinstance(item, Unreadable) for item in items) == 1


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
@QUIET
@given(values=st.lists(JSON, min_size=1, max_size=4))
def test_arbitrary_json_is_reported_line_by_line(
    adapter: Adapter, values: list[Any], tmp_path: Path
) -> None:
    """Every line that holds a value gets its own entry."""
    first = b'{"x": 1}\n'
    lines = b"".join(json.dumps(value).encode() + b"\n" for value in values)

    items = _read(adapter, tmp_path / "log", first + lines)

    expected = {1} | {n for n, value in enumerate(values, 2) if value != []}
    assert {item.line for item in items if isinstance(item, Unreadable)} == expected


@QUIET
@given(data=st.data())
def test_a_mangled_payload_is_read_or_reported(data: st.DataObject, tmp_path: Path) -> None:
    """LiteLLM: one line is one exchange, or one entry, or a call that answers nobody."""
    recorded = json.loads(data.draw(st.sampled_from(PAYLOADS.read_text().splitlines())))
    mangled = _mangled(recorded, data.draw)

    items = _read(LitellmAdapter(), tmp_path / "log", json.dumps(mangled).encode())

    assert len(items) <= 1 or isinstance(mangled, list)


@QUIET
@given(data=st.data())
def test_a_mangled_request_is_read_or_reported(data: st.DataObject, tmp_path: Path) -> None:
    """OTLP/JSON: whatever one line says, its neighbours are read."""
    recorded = json.loads(data.draw(st.sampled_from(REQUESTS.read_text().splitlines())))
    mangled = json.dumps(_mangled(recorded, data.draw)).encode()
    neighbour = json_line(traces(model_call(7)))

    items = _read(OtlpAdapter(), tmp_path / "log", neighbour + mangled + b"\n" + neighbour)

    accounts = [item.row["account_id"] for item in items if isinstance(item, ParsedRow)]
    assert accounts.count("account-7") == 1


@QUIET
@given(position=st.integers(0, TRACES.stat().st_size - 1), byte=st.integers(0, 255))
def test_a_damaged_protobuf_never_raises(position: int, byte: int, tmp_path: Path) -> None:
    """One byte of a recorded request is replaced by any other."""
    content = bytearray(TRACES.read_bytes())
    content[position] = byte

    items = _read(OtlpAdapter(), tmp_path / "log", bytes(content))

    assert items or content[0] != 0x0A or position < 16


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
@pytest.mark.parametrize("opening", [b'{"a":', b"["], ids=["objects", "arrays"])
@pytest.mark.parametrize("start", [b"", b'{"x": 1}\n'], ids=["first line", "second line"])
def test_deep_nesting_is_reported(
    adapter: Adapter, opening: bytes, start: bytes, tmp_path: Path
) -> None:
    """A hundred thousand brackets do not exhaust the stack."""
    items = _read(adapter, tmp_path / "log", start + opening * 100_000)

    assert items
    assert all(isinstance(item, Unreadable) for item in items)


@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
def test_a_line_without_end_is_reported_and_passed_over(
    adapter: Adapter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line longer than any log's is not held; the next line is read."""
    monkeypatch.setenv("STILLWATCH__LIMITS__ROW_MB", "1")
    good = PAYLOADS.read_bytes().splitlines(keepends=True)[0]
    if adapter.name == "otlp":
        good = json_line(traces(model_call(1)))

    items = _read(adapter, tmp_path / "log", good + b'{"' + b"x" * 3_000_000 + b"\n" + good)

    assert [item.line for item in items if isinstance(item, Unreadable)] == [2]
    assert any(isinstance(item, ParsedRow) for item in items)


def _payload_lines(count: int) -> list[bytes]:
    recorded = json.loads(PAYLOADS.read_text().splitlines()[0])
    return [json.dumps(recorded | {"litellm_call_id": str(n)}).encode() for n in range(count)]


def _request_lines(count: int) -> list[bytes]:
    padding = "x" * 12_000
    return [json_line(traces(model_call(n, padding=padding))).strip() for n in range(1, count + 1)]


def _peak_bytes(adapter: Adapter, path: Path) -> tuple[int, int]:
    tracemalloc.start()
    try:
        count = sum(isinstance(item, ParsedRow) for item in adapter.read(path))
        return count, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", ["lines", "array"])
@pytest.mark.parametrize("adapter", ADAPTERS, ids=lambda a: a.name)
def test_memory_does_not_grow_with_the_file(
    adapter: Adapter, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of six times the length needs no more than a sixth more memory."""
    monkeypatch.setattr("stillwatch.sources.otlp_calls._OPEN_CALLS", 50)
    monkeypatch.setattr("stillwatch.sources.otlp_calls._KNOWN_SPANS", 100)
    make = _request_lines if adapter.name == "otlp" else _payload_lines
    peaks = []
    for number in (200, 1_200):
        path = tmp_path / f"{number}.log"
        lines = make(number)
        path.write_bytes(
            b"\n".join(lines) if form == "lines" else b"[\n" + b",\n".join(lines) + b"\n]"
        )
        del lines
        count, peak = _peak_bytes(adapter, path)
        assert count == number
        peaks.append(peak)

    assert peaks[1] < peaks[0] * 7 / 6
