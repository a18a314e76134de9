"""Records of Bedrock for tests: the published ones, changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from provider_builders import anthropic_line

from stillwatch.sources.adapter import ParsedRow, Remark, Unreadable
from stillwatch.sources.bedrock import BedrockAdapter

# How the calls of each status fail.
ERRORS = {
    "rate_limited": "ThrottlingException",
    "error": "InternalServerException",
}
LOGS = Path(__file__).parent / "fixtures" / "bedrock-schema-1.0" / "AWSLogs"
(LOG,) = LOGS.rglob("*_0123456789abcdef.json")


def items(
    path: Path, folder: Path | None = None, **changes: Any
) -> list[ParsedRow | Unreadable | Remark]:
    adapter = BedrockAdapter(folders=(folder,) if folder else (), **changes)
    return list(adapter.read(path))


def record(line: int = 1, **changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(LOG.read_text().splitlines()[line - 1])
    return record | changes


def written(path: Path, *records: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def with_body_at(path: object) -> dict[str, Any]:
    return record(3, input={"inputBodyS3Path": path, "inputTokenCount": 9})


def record_of(row: dict[str, Any]) -> dict[str, Any]:
    """The row as Bedrock logs it, with the bodies of Anthropic's messages."""
    line = anthropic_line(row)
    asked, received = (json.loads(line[side]["body"]) for side in ("request", "response"))
    if row["status"] == "blocked":
        received = {"amazon-bedrock-guardrailAction": "INTERVENED"}
    failed = row["status"] in ERRORS
    told = {
        "schemaType": "ModelInvocationLog",
        "timestamp": row["started_at"].isoformat(),
        "accountId": row["account_id"],
        "requestId": row.get("exchange_id"),
        "operation": "InvokeModel",
        "modelId": row.get("model"),
        "requestMetadata": {**row.get("client_metadata_raw", {})},
        "input": {"inputBodyJson": asked, "inputTokenCount": row.get("input_tokens")},
        "errorCode": ERRORS.get(row["status"]),
        "output": None
        if failed
        else {
            "outputBodyJson": received,
            "outputTokenCount": row.get("output_tokens"),
        },
    }
    if "conversation_id" in row:
        told["requestMetadata"]["session_id"] = row["conversation_id"]
    return {name: value for name, value in told.items() if value is not None}
