"""Bedrock's invocation records, as published, told as exchanges."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from bedrock_builders import LOG, LOGS, items, record, with_body_at, written
from import_builders import Desk

from stillwatch.sources.adapter import ParsedRow, Remark, Unreadable

HAIKU = "anthropic.claude-3-5-haiku-20241022-v1:0"
SONNET = "us.anthropic.claude-sonnet-4-20250514-v1:0"

_SETTINGS = dict.fromkeys(("n", "top_p", "seed", "logprobs", "reasoning_effort"))
_OF_ALL = {
    "account_id": "111122223333",
    "credential_raw": "arn:aws:sts::111122223333:assumed-role/ada-app",
    "access_path": "cloud:bedrock",
    "endpoint": "chat",
    "status": "ok",
}
_FIRST_TURN = {**_OF_ALL, "turn_index": 0, "prefill": False}
EXPECTED: dict[int, dict[str, Any]] = {
    1: {
        **_OF_ALL,
        "conversation_id": "conversation-5",
        "model": SONNET,
        "turn_index": 1,
        "prefill": False,
        "system_text": "Answer in one sentence.",
        "input_text": "And why are rivers not?",
        "earlier_messages": ["Why is the sea salty?", "Rivers carry dissolved minerals into it."],
        "reasoning_blocks_presented_raw": ["EqRsig1"],
        "output_text": "They are renewed by rain.",
        "stop_reason": "end_turn",
        "tool_names": ["look_up_tide"],
        "input_tokens": 250,
        "output_tokens": 7,
        "max_output_tokens": 64,
        "temperature": 0.2,
        "settings": {**_SETTINGS, "top_p": 0.9},
        "client_metadata_raw": {"batch": "spring"},
    },
    2: {
        **_FIRST_TURN,
        "credential_raw": "arn:aws:iam::111122223333:user/bo",
        "model": "claude-sonnet-4-20250514",
        "system_text": "Be brief.",
        "input_text": "When is high tide in Bergen?",
        "output_text": 'look_up_tide({"harbour":"Bergen"})',
        "stop_reason": "tool_use",
        "tool_names": ["look_up_tide"],
        "reasoning_block_issued_raw": "EqRsig2",
        "input_tokens": 21,
        "output_tokens": 40,
        "max_output_tokens": 2048,
        "settings": {**_SETTINGS, "reasoning_effort": "1024"},
        "end_user_raw": "reader-17",
        "client_metadata_raw": {"user_id": "reader-17"},
    },
    3: {
        **_FIRST_TURN,
        "model": HAIKU,
        "input_text": "Which winds does this log name? " + "bora mistral foehn " * 40,
        "output_text": "A list of winds.",
        "stop_reason": "end_turn",
        "input_tokens": 26_000,
        "output_tokens": 5,
        "max_output_tokens": 512,
    },
    4: {
        **_OF_ALL,
        "model": "amazon.nova-pro-v1:0",
        "turn_index": 1,
        "prefill": False,
        "input_text": '{"high":"14:10"}',
        "earlier_messages": [
            "When is high tide in Bergen?",
            'look_up_tide({"harbour":"Bergen"})',
        ],
        "output_text": "At ten past two.",
        "stop_reason": "end_turn",
        "input_tokens": 50,
        "output_tokens": 6,
    },
    5: {
        **_FIRST_TURN,
        "model": "amazon.titan-text-express-v1",
        "input_text": "Name three winds.",
        "output_text": "Bora, Mistral, Föhn.",
        "stop_reason": "FINISH",
        "input_tokens": 4,
        "output_tokens": 9,
        "max_output_tokens": 100,
        "temperature": 0.5,
        "settings": {**_SETTINGS, "top_p": 0.8},
    },
    6: {
        **_FIRST_TURN,
        "model": "meta.llama3-1-70b-instruct-v1:0",
        "input_text": "Count to three.",
        "output_text": "One two three.",
        "stop_reason": "stop",
        "input_tokens": 5,
        "output_tokens": 4,
        "max_output_tokens": 32,
        "temperature": 0.1,
        "settings": {**_SETTINGS, "top_p": 0.7},
    },
    7: {
        **_FIRST_TURN,
        "model": "anthropic.claude-v2:1",
        "input_text": "What is dew?",
        "output_text": " Condensed water.",
        "stop_reason": "stop_sequence",
        "input_tokens": 10,
        "output_tokens": 6,
        "max_output_tokens": 300,
        "temperature": 1.0,
    },
    8: {
        **_FIRST_TURN,
        "model": SONNET,
        "status": "rate_limited",
        "input_text": "Am I too fast?",
    },
    9: {
        **_FIRST_TURN,
        "model": SONNET,
        "status": "blocked",
        "input_text": "Say the word.",
        "output_text": "Sorry, the model cannot answer this question.",
        "stop_reason": "guardrail_intervened",
        "input_tokens": 6,
        "output_tokens": 0,
    },
    10: {
        **_FIRST_TURN,
        "model": "openai.gpt-oss-120b-1:0",
        "system_text": "Be brief.",
        "input_text": "What is fog?",
        "output_text": "A cloud on the ground.",
        "stop_reason": "stop",
        "input_tokens": 12,
        "output_tokens": 6,
        "reasoning_tokens": 2,
        "max_output_tokens": 90,
        "settings": {**_SETTINGS, "seed": 7, "reasoning_effort": "low"},
    },
    12: {
        **_OF_ALL,
        "model": SONNET,
        "input_tokens": 11,
        "output_tokens": 3,
        "retention": "no_text",
    },
}


def _row_of(tmp_path: Path, told: dict[str, Any]) -> dict[str, Any]:
    (item,) = items(written(tmp_path / "log.json", told))
    assert isinstance(item, ParsedRow), item
    return item.row


def test_published_records_are_the_exchanges_they_describe() -> None:
    """Every shape of a body, whole or streamed, inside or beside; embeddings are passed over."""
    told = items(LOG, LOGS)
    found = [item for item in told if not isinstance(item, Remark)]

    assert ["asks for no text" in r.what for r in told if isinstance(r, Remark)] == [True]
    assert all(isinstance(item, ParsedRow) for item in found), found
    rows = {item.line: item.row for item in found if isinstance(item, ParsedRow)}
    for line, row in rows.items():
        assert row.pop("exchange_id") == f"00000000-0000-4000-8000-0000000000{line:02d}"
        assert row.pop("started_at") == datetime(2026, 3, 1, 12, 0, line, tzinfo=UTC)
    assert rows == EXPECTED


def test_a_folder_is_imported_whole(desk: Desk) -> None:
    """The files of bodies and of the permission check are no logs and no errors."""
    (desk.folder / "key").write_text("07" * 32)
    (desk.folder / "key").chmod(0o600)
    words = ["import", "--format", "bedrock", LOGS, "--lake", desk.lake_path]

    outcome = desk.command(*words, "--key-file", desk.folder / "key")

    assert outcome.status == 0
    assert (outcome.report["imported"], outcome.report["quarantined"]) == (11, 0)
    assert len(outcome.report["remarks"]) == 2
    assert {row["access_path"] for row in desk.rows("exchanges")} == {"cloud:bedrock"}


@pytest.mark.parametrize("wrapped", ["gzip", "array", "subscription", "events"])
def test_other_deliveries_tell_the_same(wrapped: str, tmp_path: Path) -> None:
    """S3 compresses; CloudWatch wraps each record into a message."""
    records = [json.loads(line) for line in LOG.read_text().splitlines() if "S3Path" not in line]
    messages = [{"id": "1", "timestamp": 1, "message": json.dumps(r)} for r in records]
    content = {
        "gzip": LOG.read_bytes(),
        "array": json.dumps(records).encode(),
        "subscription": json.dumps(
            {"messageType": "DATA_MESSAGE", "logGroup": "g", "logEvents": messages}
        ).encode(),
        "events": json.dumps({"events": messages}, indent=1).encode(),
    }[wrapped]
    path = tmp_path / "log.json.gz"
    path.write_bytes(gzip.compress(content))

    told = [item.row for item in items(path) if isinstance(item, ParsedRow)]

    expected = [item.row for item in items(LOG, LOGS) if isinstance(item, ParsedRow)]
    compared = [row for row in expected if row["model"] != HAIKU]
    assert [row for row in told if row["model"] != HAIKU] == compared


@pytest.mark.parametrize(
    ("names", "account", "has_credential"),
    [
        ("accountId", "111122223333", True),
        ("identity.arn", "arn:aws:sts::111122223333:assumed-role/ada-app", True),
        (
            "identity.session",
            "arn:aws:sts::111122223333:assumed-role/ada-app/ada@people.example",
            True,
        ),
        ("requestMetadata.batch, accountId", "spring", False),
        ("requestMetadata.none, accountId", "111122223333", True),
        ("requestMetadata.none", None, False),
    ],
)
def test_the_account_is_chosen_by_who_runs_the_gateway(
    names: str,
    account: str | None,
    has_credential: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tenants of one service are called for by one role, which is no credential of theirs."""
    monkeypatch.setenv("STILLWATCH__BEDROCK__ACCOUNT", names)

    row = _row_of(tmp_path, record())

    assert row["account_id"] == account
    assert ("credential_raw" in row) is has_credential


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"errorCode": "ThrottlingException"}, "rate_limited"),
        ({"errorCode": "ServiceQuotaExceededException"}, "rate_limited"),
        ({"errorCode": "429"}, "rate_limited"),
        ({"errorCode": "ValidationException"}, "error"),
        ({"errorCode": "AccessDeniedException"}, "error"),
        (
            {"output": {"outputBodyJson": {"amazon-bedrock-guardrailAction": "INTERVENED"}}},
            "blocked",
        ),
        ({"output": {"outputBodyJson": {"output": {"message": {}}, "stopReason": "x"}}}, "ok"),
        ({"output": {"outputBodyJson": {"content": [], "stop_reason": "refusal"}}}, "refused"),
        (
            {
                "output": {
                    "outputBodyJson": {
                        "output": {"message": {"content": [{"text": ""}]}},
                        "stopReason": "content_filtered",
                    }
                }
            },
            "refused",
        ),
    ],
)
def test_a_failure_has_its_kind(changes: dict[str, Any], status: str, tmp_path: Path) -> None:
    """Limits, guardrails and refusals are told from what merely failed."""
    assert _row_of(tmp_path, record(**changes))["status"] == status


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b'{"schemaType": "ModelInvocationLog"', [1]),
        (b'[1]\n"text"\n7\n', [1, 2, 3]),
        (b'{"other": 1}\n{"schemaType": "Other"}\n', [1, 2]),
        (b'{"logEvents": [{"message": "broken"}, {}, 3]}\n', [1, 1, 1]),
        (b'{"logEvents": 3}\n{"x": 1}', [2]),
        (b"\x1f\x8b\x08broken", [1]),
        (b"[" * 100_000, [1]),
        (b"Parquet", [1]),
    ],
)
def test_broken_input_is_reported_by_its_line(
    content: bytes, lines: list[int], tmp_path: Path
) -> None:
    """Each value that is no record has its own entry, and nothing raises."""
    path = tmp_path / "log"
    path.write_bytes(content)
    found = items(path)

    assert [item.line for item in found if isinstance(item, Unreadable)] == lines
    assert not any(isinstance(item, ParsedRow) for item in found)


@pytest.mark.parametrize(
    "changes",
    [
        {"timestamp": "yesterday"},
        {"timestamp": 7},
        {"input": "text", "output": None},
        {"identity": ["arn"], "requestMetadata": 3, "modelId": {}},
        {"input": {"inputBodyJson": [[["deep"]]]}, "output": {"outputBodyJson": [[1], None]}},
        {"input": {"inputBodyJson": {"messages": {"role": 3}, "system": 9, "toolConfig": []}}},
        {"output": {"outputBodyJson": {"choices": {}, "results": [3], "usage": "none"}}},
        {"input": {"inputBodyJson": "{broken", "inputBodyS3Path": 3}},
    ],
)
def test_values_of_wrong_types_cost_only_themselves(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    """Whatever one field holds, the record is told."""
    row = _row_of(tmp_path, record(**changes))

    assert row["account_id"] == "111122223333"
    assert (row["started_at"] is None) is ("timestamp" in changes)


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("anthropic.claude-v2", "anthropic.claude-v2"),
        ("arn:aws:bedrock:us-east-1::foundation-model/meta.llama3", "meta.llama3"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.amazon.nova", "eu.amazon.nova"),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/k3", "k3"),
        (None, None),
    ],
)
def test_a_model_is_named_without_the_number_of_an_account(
    name: str | None, model: str | None, tmp_path: Path
) -> None:
    """An ARN holds the account of who made the profile; the model is what stands at its end."""
    assert _row_of(tmp_path, record(1, modelId=name)).get("model") == model


def test_planted_secrets_reach_neither_lake_nor_words(desk: Desk) -> None:
    """Key, address and e-mail of a record become tokens, or are left behind."""
    secrets = ["sk-planted-secret", "planted@person.example", "203.0.113.77"]
    (desk.folder / "key").write_text("07" * 32)
    (desk.folder / "key").chmod(0o600)
    planted = {"token": secrets[0], "mail": secrets[1], "address": secrets[2]}
    arn = f"arn:aws:sts::111122223333:assumed-role/app/{secrets[1]}"
    good = record(2, requestMetadata=planted, identity={"arn": arn, "ip": secrets[2]})
    good["input"]["inputBodyJson"]["metadata"] = planted | {secrets[1]: "1"}
    bad = record(1, timestamp=secrets[2], accountId=None, requestMetadata=planted)
    other = {"schemaType": secrets[0], secrets[1]: secrets[2]}
    path = with_body_at(f"s3://bucket/../{secrets[1]}_input.json")
    log = written(desk.folder / "log.json", good, bad, other, path)
    words = ["import", "--format", "bedrock", log, "--lake", desk.lake_path]

    outcome = desk.command(*words, "--key-file", desk.folder / "key")

    assert (outcome.report["imported"], outcome.report["quarantined"]) == (2, 2)
    everything = json.dumps([desk.rows(t) for t in ("exchanges", "quarantine")], default=str)
    everything += outcome.words + json.dumps(outcome.report)
    for secret in secrets:
        assert secret not in everything
        assert not any(secret.encode() in data for data in desk.snapshot().values())
