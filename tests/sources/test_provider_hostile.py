"""No content stops the formats of providers, and no identifier comes out of them in clear."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_builders import Desk
from provider_builders import items_of, lines_in

from stillwatch.cli.main import run
from stillwatch.records import EXCHANGES
from stillwatch.sources.adapter import Adapter, ParsedRow, Unreadable
from stillwatch.sources.anthropic import AnthropicAdapter
from stillwatch.sources.openai import OpenaiAdapter
from stillwatch.sources.rows import typed_rows
from stillwatch.sources.values import parsed

FIXTURES = Path(__file__).parent / "fixtures"
FOLDERS = {"openai": FIXTURES / "openai-3.57.0", "anthropic": FIXTURES / "anthropic-2.14.0"}
MAKERS: dict[str, type[OpenaiAdapter] | type[AnthropicAdapter]] = {
    "openai": OpenaiAdapter,
    "anthropic": AnthropicAdapter,
}
NAMES = sorted(MAKERS)
QUIET = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)
_BODY = '{"model": "m", "messages": [{"role": "user", "content": "Hello."}]}'


def _read(adapter: Adapter, path: Path, content: bytes) -> list[ParsedRow | Unreadable]:
    path.write_bytes(content)
    items = items_of(adapter, path)
    # What an adapter gives must be fit for a table, whatever it was made of.
    typed_rows([item.row for item in items if isinstance(item, ParsedRow)], EXCHANGES)
    return items


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"request": ', "not JSON"),
        ('{"a": 1} trailing', "not JSON"),
        ("\udcff", "not UTF-8"),
        ("42", "JSON object"),
        ('"a text"', "JSON object"),
        ("[[1]]", "JSON object"),
        ("{}", "no request"),
        ('{"response": {"id": "x"}}', "no request"),
        ('{"request": null, "response": {}}', "no request"),
        ('{"request": 7}', "no request"),
        ('{"request": "{broken"}', "no JSON object"),
        ('{"request": {"body": "--form"}}', "no JSON object"),
        ('{"request": {"url": "/v1/x", "body": [1]}}', "no JSON object"),
        ("9" * 5_000, "number in it is too long"),
        ('{"request": ' * 20_000, "nested too deeply"),
    ],
)
def test_a_broken_line_is_reported_alone(name: str, line: str, said: str, tmp_path: Path) -> None:
    """It has its number and a reason, and its neighbours are read."""
    good = f'{{"request": {_BODY}, "account_id": "a", "timestamp": 1772366400}}'
    content = f"{good}\n{line}\n{good}\n".encode("utf-8", "surrogateescape")

    items = _read(MAKERS[name](), tmp_path / "log", content)

    assert [item.line for item in items if isinstance(item, ParsedRow)] == [1, 3]
    (broken,) = [item for item in items if isinstance(item, Unreadable)]
    assert broken.line == 2
    assert said in broken.reason


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": None},
        {"timestamp": "the day before"},
        {"timestamp": {"$date": 1}},
        {"timestamp": -5},
        {"timestamp": 1e300},
        {"timestamp": "2999-01-01T00:00:00Z"},
        {"account_id": None},
        {"account_id": ["a"]},
    ],
)
def test_a_call_without_time_or_account_is_quarantined(
    name: str, changes: dict[str, Any], desk: Desk
) -> None:
    """The import says which column is missing, and takes the others."""
    good = {"request": json.loads(_BODY), "account_id": "a", "timestamp": 1772366400}
    path = lines_in(desk.folder / "log", [good, good | changes])

    outcome = _import(desk, name, path)

    assert (outcome["imported"], outcome["quarantined"]) == (1, 1)
    (entry,) = desk.rows("quarantine")
    assert entry["line"] == 2
    assert next(iter(changes)).replace("timestamp", "started_at") in entry["reason"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", "hot"),
        ("max_tokens", {"a": 1}),
        ("tools", 7),
        ("metadata", "x"),
        ("messages", [7, None, {"role": 3}, {"role": "user", "content": {"text": ["Hi"]}}]),
        ("messages", {"role": "user"}),
        ("model", ["m"]),
    ],
)
def test_a_value_of_a_wrong_type_costs_only_itself(
    name: str, field: str, value: object, tmp_path: Path
) -> None:
    """The call is still an exchange."""
    body = json.loads(_BODY) | {field: value}
    line = {"request": body, "account_id": "a", "timestamp": 1772366400}

    (item,) = _read(MAKERS[name](), tmp_path / "log", json.dumps(line).encode())

    assert isinstance(item, ParsedRow)
    assert item.row["account_id"] == "a"


def test_a_log_of_the_other_provider_is_named(tmp_path: Path) -> None:
    """Whoever mixes up the formats is told which one it is."""
    for name, other in (("openai", "anthropic"), ("anthropic", "openai")):
        items = items_of(MAKERS[name](), FOLDERS[other] / "http.jsonl")
        answered = [item for item in items if isinstance(item, Unreadable)]

        assert len(answered) == len(items)
        assert f"--format {other}" in answered[0].reason


@pytest.mark.parametrize("name", NAMES)
@QUIET
@given(content=st.binary(max_size=400))
def test_arbitrary_bytes_are_reported(name: str, content: bytes, tmp_path: Path) -> None:
    """Bytes of no format give no exchange and no exception, and are named unless blank."""
    items = _read(MAKERS[name](), tmp_path / "log", content)

    assert not any(isinstance(item, ParsedRow) for item in items)
    if content.removeprefix(b"\xef\xbb\xbf").strip():
        assert items


def _mangled(value: Any, draw: Any) -> Any:
    """A recorded value with one part of it, drawn at random, replaced by something else."""
    # A piece of a stream begins as an object does, and is none.
    if isinstance(value, str) and isinstance(inner := parsed(value), dict):
        return json.dumps(_mangled(inner, draw))
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        return value | {key: _mangled(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 9)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], _mangled(value[index], draw), *value[index + 1 :]]
    return draw(JSON)


@pytest.mark.parametrize("name", NAMES)
@QUIET
@given(data=st.data())
def test_a_mangled_line_is_read_or_reported(name: str, data: st.DataObject, tmp_path: Path) -> None:
    """Whatever one line says, of a call or of a batch, its neighbour is read."""
    recorded = [
        line for path in sorted(FOLDERS[name].iterdir()) for line in path.read_text().splitlines()
    ]
    mangled = _mangled(json.loads(data.draw(st.sampled_from(recorded))), data.draw)
    neighbour = f'{{"request": {_BODY}, "account_id": "neighbour"}}'

    items = _read(
        MAKERS[name](), tmp_path / "log", f"{json.dumps(mangled)}\n{neighbour}\n".encode()
    )

    accounts = [item.row["account_id"] for item in items if isinstance(item, ParsedRow)]
    assert accounts.count("neighbour") == 1


@pytest.mark.parametrize("name", NAMES)
@QUIET
@given(end=st.integers(0, 12_000))
def test_a_log_cut_off_anywhere_loses_one_line(name: str, end: int, tmp_path: Path) -> None:
    """What was whole is read; the piece at the end is reported."""
    content = (FOLDERS[name] / "http.jsonl").read_bytes()[:end]

    items = _read(MAKERS[name](), tmp_path / "log", content)

    assert sum(isinstance(item, ParsedRow) for item in items) in (
        content.count(b"\n"),
        content.count(b"\n") + 1,
    )
    assert sum(isinstance(item, Unreadable) for item in items) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_memory_does_not_grow_with_the_file(name: str, tmp_path: Path) -> None:
    """A file of six times the length needs no more than a sixth more memory."""
    recorded = json.loads((FOLDERS[name] / "http.jsonl").read_text().splitlines()[0])
    peaks = []
    for number in (200, 1_200):
        lines = [recorded | {"request_id": str(n)} for n in range(number)]
        path = lines_in(tmp_path / str(number), lines)
        del lines
        tracemalloc.start()
        count = sum(isinstance(item, ParsedRow) for item in MAKERS[name]().read(path))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert count == number

    assert peaks[1] < peaks[0] * 7 / 6


SECRETS = {
    "key": "sk-planted-5f8e2c91ab",
    "address": "198.51.100.77",
    "mail": "planted.person@mail.example",
    "cache key": "planted-cache-key",
    "end user": "planted-end-user",
    "signature": "planted-signature",
}


def _planted(name: str) -> list[dict[str, Any]]:
    """Calls with secrets wherever clients and proxies put them, some of them broken."""
    header = "x-api-key" if name == "anthropic" else "Authorization"
    key = SECRETS["key"] if name == "anthropic" else f"Bearer {SECRETS['key']}"
    thought = {"type": "thinking", "thinking": "", "signature": SECRETS["signature"]}
    answer = [thought, {"type": "text", "text": "Hi."}]
    body = {
        **json.loads(_BODY),
        "prompt_cache_key": SECRETS["cache key"],
        "safety_identifier": SECRETS["end user"],
        "metadata": {"user_id": SECRETS["mail"], SECRETS["mail"]: SECRETS["address"]},
        "messages": [
            {"role": "user", "content": "Hello."},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "And?"},
        ],
    }
    line = {
        "account_id": "a",
        "timestamp": 1772366400,
        "client_ip": SECRETS["address"],
        "user_email": SECRETS["mail"],
        "request": {
            "url": f"https://api.example/v1/x?api_key={SECRETS['key']}",
            "headers": {
                header: key,
                "X-Forwarded-For": SECRETS["address"],
                "From": SECRETS["mail"],
                "User-Agent": "sdk",
            },
            "body": body,
        },
        "response": {
            "headers": {"set-cookie": SECRETS["key"]},
            "body": {"type": "message", "role": "assistant", "content": answer}
            if name == "anthropic"
            else {"output": [{**thought, "encrypted_content": SECRETS["signature"]}]},
        },
    }
    return [
        line,
        line | {"account_id": None},
        line | {"timestamp": None},
        line | {"timestamp": SECRETS["key"]},
        line | {"request": {**line["request"], "body": f"{SECRETS['mail']} {SECRETS['key']}"}},
        {"custom_id": SECRETS["mail"], "body": body, "account_id": "a"},
        {"custom_id": SECRETS["mail"], "params": body, "account_id": "a"},
    ]


@pytest.mark.parametrize("name", NAMES)
def test_planted_secrets_come_out_nowhere(name: str, desk: Desk) -> None:
    """Not in the lake's files, the quarantine's reasons, the report, nor on the screen."""
    path = lines_in(desk.folder / "log", _planted(name))
    key = desk.folder / "key"
    assert desk.command("keys", "init", "--key-file", key).status == 0
    words = ["import", "--format", name, path, "--lake", desk.lake_path, "--key-file", key]

    imported = CliRunner().invoke(run, [*map(str, words), "--json"])
    shown = CliRunner().invoke(run, ["quarantine", "show", "--lake", str(desk.lake_path)])
    out = desk.folder / "out"
    exported = CliRunner().invoke(run, ["export", "--lake", str(desk.lake_path), "--out", str(out)])

    report = json.loads(imported.stdout)
    assert (report["imported"], report["quarantined"]) == (1, 6)
    rows = [*desk.rows("exchanges"), *desk.rows("quarantine")]
    written = json.dumps(rows, default=str) + "".join(
        output.stdout + output.stderr for output in (imported, shown, exported)
    )
    for what, secret in SECRETS.items():
        assert secret not in written, what
        for file in [*desk.lake_path.rglob("*"), *out.rglob("*")]:
            assert not file.is_file() or secret.encode() not in file.read_bytes(), (what, file)
    (row,) = desk.rows("exchanges")
    assert row["credential_id"].startswith("cred_")
    assert row["client_ip"].startswith("net_")
    assert row["reasoning_signatures_presented"]


def _import(desk: Desk, name: str, path: Path) -> dict[str, Any]:
    key = desk.folder / "key"
    assert desk.command("keys", "init", "--key-file", key).status == 0
    words = ["import", "--format", name, path, "--lake", desk.lake_path, "--key-file", key]
    return desk.command(*words).report
