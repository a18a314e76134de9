"""Records of Bedrock for tests: the published ones, changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stillwatch.sources.adapter import ParsedRow, Remark, Unreadable
from stillwatch.sources.bedrock import BedrockAdapter

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
