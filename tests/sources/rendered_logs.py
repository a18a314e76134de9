"""One log, written in every format that is read: the same exchanges, as each of them tells them.

A row is what an adapter gives: canonical columns, and raw identifiers under `*_raw` keys.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from bedrock_builders import record_of
from litellm_builders import bodies, payload, spend_row
from otlp_builders import json_line, span_of, traces
from provider_builders import anthropic_line, openai_line

from stillwatch.identity import RAW_COLUMNS
from stillwatch.records import EXCHANGES

__all__ = ["FORMATS", "LogFormat", "Row", "Rows"]

Row = dict[str, Any]
Rows = list[Row]
_SPANS_A_REQUEST = 500
_IN_BODIES = (
    *("system_text", "input_text", "output_text", "tool_names", "max_output_tokens", "settings"),
    *("temperature", "input_tokens", "output_tokens", "reasoning_tokens", "stop_reason", "prefill"),
    *("end_user_raw", "cache_key_raw", "client_metadata_raw", "earlier_messages"),
    *("reasoning_block_issued_raw", "reasoning_blocks_presented_raw"),
)


@dataclass(frozen=True, slots=True)
class LogFormat:
    """A format of an import, and how a log is written in it.

    Attributes:
        name: As the page of formats calls it.
        adapter: What `--format` calls it.
        write: Writes the rows into a file of the folder, and says which.
        map_of: The map of `generic`, of rows with these columns.
    """

    name: str
    adapter: str
    write: Callable[[Rows, Path], Path]
    map_of: Callable[[Iterable[str]], str] | None = None

    @property
    def slug(self) -> str:
        """The name as that of a folder."""
        return self.name.lower().replace(" ", "-").replace("/", "-")

    def words(self, rows: Rows, folder: Path) -> list[str | Path]:
        """Write the log; what follows `import` on the command line."""
        folder.mkdir(parents=True, exist_ok=True)
        words: list[str | Path] = ["--format", self.adapter, self.write(rows, folder)]
        if self.map_of is not None:
            chart = folder / "map.toml"
            chart.write_text(self.map_of(_columns(rows)))
            words += ["--map", chart]
        return words


def _columns(rows: Rows) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _parquet(rows: Rows, folder: Path) -> Path:
    types = {c.name: c.arrow_type for c in EXCHANGES.columns} | RAW_COLUMNS
    texts = {"request_id": pa.string()}
    schema = pa.schema([(name, (types | texts)[name]) for name in _columns(rows)])
    flat = [
        {
            name: json.dumps(value) if name == "client_metadata_raw" else value
            for name, value in row.items()
        }
        for row in rows
    ]
    path = folder / "log.parquet"
    pq.write_table(pa.Table.from_pylist(flat, schema), path)
    return path


def _written(value: Any) -> Any:
    """A value as text formats have it: times as ISO 8601, structures as JSON."""
    if isinstance(value, datetime):
        return value.isoformat()
    return json.dumps(value) if isinstance(value, list | dict) else value


def _csv(rows: Rows, folder: Path, *, prefix: str = "") -> Path:
    names = _columns(rows)
    path = folder / "log.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [prefix + name for name in names])
        writer.writeheader()
        for row in rows:
            writer.writerow({prefix + name: _written(value) for name, value in row.items()})
    return path


def _lines(path: Path, values: Iterable[Any]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(value, default=_written) + "\n" for value in values)
    return path


def _json_lines(rows: Rows, folder: Path) -> Path:
    return _lines(folder / "log.jsonl", rows)


def _flat_map(columns: Iterable[str]) -> str:
    """A map of columns under names of somebody's own."""
    return "[columns]\n" + "".join(f'{n} = "our_{n}"\n' for n in columns)


def _nested(rows: Rows, folder: Path) -> Path:
    """Bodies in their fields, everything else in an object of its own, times as numbers."""

    def record(row: Row) -> dict[str, Any]:
        asked, answered = bodies(row)
        known = {name: value for name, value in row.items() if name not in _IN_BODIES}
        for name in ("started_at", "finished_at"):
            if name in row:
                known[name] = _microseconds(row[name])
        return {"known": known, "sent": asked, "received": answered}

    return _lines(folder / "log.jsonl", map(record, rows))


def _nested_map(columns: Iterable[str]) -> str:
    known = [n for n in columns if n not in _IN_BODIES]
    times = "".join(f'{n} = "microseconds"\n' for n in known if n.endswith("ed_at"))
    return (
        "[columns]\n"
        + "".join(f'{name} = "known.{name}"\n' for name in known)
        + f'[times]\n{times}[messages]\nrequest = "sent"\nresponse = "received"\n'
    )


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


def _otlp_requests(rows: Rows) -> Iterable[Any]:
    spans = [span_of(number, row) for number, row in enumerate(rows, 1)]
    for first in range(0, len(spans), _SPANS_A_REQUEST):
        yield traces(*spans[first : first + _SPANS_A_REQUEST])


def _otlp_json(rows: Rows, folder: Path) -> Path:
    path = folder / "otlp.jsonl"
    path.write_bytes(b"".join(map(json_line, _otlp_requests(rows))))
    return path


def _otlp_protobuf(rows: Rows, folder: Path) -> Path:
    """As the Collector's file exporter frames it: four bytes of length before each request."""
    path = folder / "otlp.bin"
    messages = [request.SerializeToString() for request in _otlp_requests(rows)]
    path.write_bytes(b"".join(len(m).to_bytes(4, "big") + m for m in messages))
    return path


def _line_of(convert: Callable[[Row], Any]) -> Callable[[Rows, Path], Path]:
    return lambda rows, folder: _lines(folder / "log.jsonl", map(convert, rows))


def _spend_csv(rows: Rows, folder: Path) -> Path:
    return _csv([spend_row(row) for row in rows], folder)


FORMATS: tuple[LogFormat, ...] = (
    LogFormat("canonical Parquet", "canonical", _parquet),
    LogFormat("canonical CSV", "canonical", _csv),
    LogFormat("canonical JSONL", "canonical", _json_lines),
    LogFormat("CSV by a map", "generic", lambda r, f: _csv(r, f, prefix="our_"), _flat_map),
    LogFormat("JSONL by a map", "generic", _nested, _nested_map),
    LogFormat("OTLP/JSON", "otlp", _otlp_json),
    LogFormat("OTLP/protobuf", "otlp", _otlp_protobuf),
    LogFormat("OpenAI JSONL", "openai", _line_of(openai_line)),
    LogFormat("Anthropic JSONL", "anthropic", _line_of(anthropic_line)),
    LogFormat("LiteLLM payloads", "litellm", _line_of(payload)),
    LogFormat("LiteLLM spend logs", "litellm-spend", _spend_csv),
    LogFormat("Bedrock", "bedrock", _line_of(record_of)),
)
