"""LiteLLM's payloads, recorded from a real proxy, told as exchanges."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from import_builders import Desk
from litellm_exchanges import EXPECTED, PLAIN

from stillwatch.sources.adapter import ParsedRow, Unreadable
from stillwatch.sources.litellm import LitellmAdapter

FIXTURES = Path(__file__).parent / "fixtures" / "litellm-1.106.2"
NDJSON = FIXTURES / "standard_logging_payload.ndjson"


def _items(path: Path) -> list[ParsedRow | Unreadable]:
    return list(LitellmAdapter().read(path))


def _rows(path: Path) -> list[dict[str, Any]]:
    items = _items(path)
    assert all(isinstance(item, ParsedRow) for item in items), items
    return [item.row for item in items if isinstance(item, ParsedRow)]


def _told(path: Path) -> list[dict[str, Any]]:
    """The rows without the ids and times of the recording, which have a test of their own."""
    recorded = ("exchange_id", "started_at", "finished_at")
    return [{k: v for k, v in row.items() if k not in recorded} for row in _rows(path)]


def _payload(**changes: Any) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(NDJSON.read_text().splitlines()[0])
    return payload | changes


def _row_of(tmp_path: Path, payload: dict[str, Any]) -> dict[str, Any]:
    path = tmp_path / "log"
    path.write_text(json.dumps(payload))
    (row,) = _rows(path)
    return row


def test_recorded_payloads_are_the_exchanges_that_were_played() -> None:
    """Eight requests of three customers, with all that the proxy said of them."""
    assert _told(NDJSON) == EXPECTED


@pytest.mark.parametrize("name", ["array.json", "single.json"])
def test_the_other_formats_of_the_callback_tell_the_same(name: str) -> None:
    """`json_array` and `single` hold the payload that `ndjson` holds."""
    assert _told(FIXTURES / f"standard_logging_payload_{name}") == [PLAIN]


def test_redacted_payloads_bring_no_text(desk: Desk) -> None:
    """`turn_off_message_logging` leaves one word in place of all texts: it is no prompt."""
    log, key = FIXTURES / "standard_logging_payload_redacted.ndjson", desk.folder / "key"
    assert desk.command("keys", "init", "--key-file", key).status == 0

    words = ("import", "--format", "litellm", log, "--lake", desk.lake_path, "--key-file", key)
    assert desk.command(*words).status == 0

    rows = desk.rows("exchanges")
    assert [row["retention"] for row in rows] == ["no_text", "no_text"]
    told_of = ("system_text", "input_text", "output_text", "turn_index")
    assert {row.get(name) for row in rows for name in told_of} == {None}


def test_bodies_put_end_to_end_are_taken_apart(tmp_path: Path) -> None:
    """The callback's bodies end without a line break; a receiver may forget to add one."""
    path = tmp_path / "log"
    path.write_bytes(NDJSON.read_bytes().replace(b"\n", b""))

    assert _told(path) == EXPECTED


def test_the_account_field_can_be_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever bills by team says so."""
    monkeypatch.setenv("STILLWATCH__LITELLM__ACCOUNT", "user_api_key_team_id, user_api_key_hash")
    path = tmp_path / "log"
    path.write_text(json.dumps(_payload()))
    (item,) = LitellmAdapter().read(path)

    assert isinstance(item, ParsedRow)
    assert item.row["account_id"] == "team-north"


def test_ids_and_times_are_those_of_the_payload() -> None:
    """The call id of LiteLLM, not the provider's, and its epoch seconds, to the microsecond."""
    payloads = [json.loads(line) for line in NDJSON.read_text().splitlines()]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    for row, payload in zip(_rows(NDJSON), payloads, strict=True):
        assert row["exchange_id"] == payload["litellm_call_id"]
        for name, recorded in (("started_at", "startTime"), ("finished_at", "endTime")):
            distance = row[name] - epoch - timedelta(seconds=payload[recorded])
            assert abs(distance) <= timedelta(microseconds=1)


@pytest.mark.parametrize("place", ["requester_metadata", "requester_custom_headers"])
def test_the_proxys_id_of_the_request_is_told(place: str, tmp_path: Path) -> None:
    """The header that a proxy in front set, by which its own log knows the request."""
    headers = {"x-request-id": "8d1f"}
    metadata = {place: {"headers": headers} if place == "requester_metadata" else headers}
    payload = _payload()

    row = _row_of(tmp_path, payload | {"metadata": payload["metadata"] | metadata})

    assert row["request_id"] == "8d1f"


def test_printed_and_packed_documents_are_read(tmp_path: Path) -> None:
    """A pretty-printed array, packed with gzip, gives the exchanges of the lines."""
    payloads = [json.loads(line) for line in NDJSON.read_text().splitlines()]
    path = tmp_path / "log.json.gz"
    path.write_bytes(gzip.compress(json.dumps(payloads, indent=1).encode()))

    assert _told(path) == EXPECTED


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"error_information": {"error_class": "RateLimitError"}}, "rate_limited"),
        ({"error_information": {"error_class": "BudgetExceededError"}}, "rate_limited"),
        ({"error_information": {"error_code": "429"}}, "rate_limited"),
        ({"error_information": {"error_class": "ContentPolicyViolationError"}}, "refused"),
        ({"status_fields": {"guardrail_status": "guardrail_intervened"}}, "blocked"),
        ({"error_information": {"error_class": "Timeout"}}, "error"),
        ({"error_information": None, "status_fields": None}, "error"),
    ],
)
def test_a_failure_has_its_kind(changes: dict[str, Any], status: str, tmp_path: Path) -> None:
    """What failed at a limit, a policy or a guardrail is told from what merely failed."""
    row = _row_of(tmp_path, _payload(status="failure", response={}, **changes))

    assert row["status"] == status


def test_a_filtered_answer_is_a_refusal(tmp_path: Path) -> None:
    """A call that succeeded and was filtered did not answer."""
    response = {"choices": [{"finish_reason": "content_filter", "message": {"content": ""}}]}

    assert _row_of(tmp_path, _payload(response=response))["status"] == "refused"


def test_the_account_is_the_first_that_is_known(tmp_path: Path) -> None:
    """User, then team, then organisation, then the key; never the end user."""
    metadata = {
        "user_api_key_user_id": "user",
        "user_api_key_team_id": "team",
        "user_api_key_org_id": "organisation",
        "user_api_key_hash": "a" * 64,
        "user_api_key_end_user_id": "end user",
    }
    accounts = []
    while metadata:
        accounts.append(_row_of(tmp_path, _payload(metadata=dict(metadata)))["account_id"])
        metadata.pop(next(iter(metadata)))

    assert accounts == ["user", "team", "organisation", "a" * 64, None]


def test_the_master_key_is_no_credential(tmp_path: Path) -> None:
    """Only what is a SHA-256 is taken for the hash of a key."""
    metadata = {"user_api_key_user_id": "u", "user_api_key_hash": "litellm_proxy_master_key"}

    assert "credential_sha256" not in _row_of(tmp_path, _payload(metadata=metadata))


@pytest.mark.parametrize(
    ("changes", "conversation"),
    [
        ({"session_id": "s"}, "s"),
        ({"session_id": "", "trace_id": "named by the client"}, "named by the client"),
        ({"session_id": "", "trace_id": "a7e14c6f-61b8-4523-a9a1-10b3ca17216c"}, None),
    ],
)
def test_a_random_trace_id_is_no_conversation(
    changes: dict[str, Any], conversation: str | None, tmp_path: Path
) -> None:
    """LiteLLM makes up a trace id for each request without a session."""
    assert _row_of(tmp_path, _payload(**changes)).get("conversation_id") == conversation


def test_calls_that_answer_nobody_are_passed_over(tmp_path: Path) -> None:
    """Embeddings are neither exchanges nor errors."""
    path = tmp_path / "log"
    path.write_text(json.dumps(_payload(call_type="aembedding")))

    assert _items(path) == []


def test_lines_that_cannot_be_read_are_reported_alone(tmp_path: Path) -> None:
    """Each has its line number and its own reason; the good one is imported."""
    path = tmp_path / "log"
    good = json.dumps(_payload())
    path.write_text(f'{{"call_type":\n{good}\n[1]\n{{"other": 1}}\n')

    items = _items(path)

    assert [item.line for item in items if isinstance(item, Unreadable)] == [1, 3, 4]
    assert [item.line for item in items if isinstance(item, ParsedRow)] == [2]
    assert len({item.reason for item in items if isinstance(item, Unreadable)}) == 3
