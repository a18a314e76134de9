"""Amazon Bedrock's model invocation logs, as they lie in S3 or come out of CloudWatch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from stillwatch.records import ExchangeStatus
from stillwatch.sources.account_names import configured_names
from stillwatch.sources.adapter import ImportRequest, ParsedRow, Remark, Unreadable
from stillwatch.sources.bedrock_companions import Companions, is_companion
from stillwatch.sources.bodies import Bodies, read_bodies
from stillwatch.sources.call_lines import read_each
from stillwatch.sources.failures import status_of_error
from stillwatch.sources.json_values import values_of_file
from stillwatch.sources.values import (
    identifier,
    instant_from_iso,
    mapping,
    parsed,
    sequence,
    stated,
    text,
    whole,
)

__all__ = ["ACCOUNT_NAMES", "BedrockAdapter"]

ACCOUNT_NAMES = ("accountId",)
_OPERATIONS = frozenset(
    {"InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream"}
)
_NO_TEXT_MODELS = re.compile(
    r"embed|rerank|titan-image|nova-canvas|nova-reel|nova-sonic|stability\.|luma\.|marengo"
)
_PASSED_OVER = (
    "a call that asks for no text (embedding, reranking, an image and the like) was passed over."
)
# Bedrock tries out its permission to write with an empty object of this name.
_PERMISSION_CHECK = "amazon-bedrock-logs-permission-check"
# Names under which clients write the session into their request metadata.
_SESSION_NAMES = ("session_id", "sessionId", "conversation_id", "conversationId")
# Accounts that own who calls for them. A service that calls for all of its tenants does so as
# one principal, and a key of theirs it is not: two of them would seem to share a credential.
_OWNERS = frozenset({"accountId", "identity.arn", "identity.session"})
_ARN_WITH_SESSION = re.compile(r"(arn:[^:]*:sts::[^:]*:assumed-role/[^/]+)/.+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class BedrockAdapter:
    """Reads records of `ModelInvocationLog`, with their bodies inside or in files beside them.

    Args:
        account_names: What names the billed account, in order of preference: `accountId`,
            `identity.arn` (without the name of the session), `identity.session` (with it),
            `requestMetadata.NAME`, or the dotted path of any other field.
        folders: The folders that were given to the import. Bodies outside them are not read.
    """

    name: ClassVar[str] = "bedrock"

    account_names: tuple[str, ...] = field(
        default_factory=lambda: configured_names("bedrock", ACCOUNT_NAMES)
    )
    folders: tuple[Path, ...] = ()

    @classmethod
    def for_import(cls, request: ImportRequest) -> BedrockAdapter:
        """The adapter for the files and folders of one import."""
        return cls(folders=tuple(path for path in request.inputs if path.is_dir()))

    def read(self, path: Path) -> Iterator[ParsedRow | Unreadable | Remark]:
        """The exchanges of one file; bodies' own files and calls without text are passed over."""
        if is_companion(path) or path.name == _PERMISSION_CHECK:
            return
        companions = Companions(path, self._folder_of(path))

        def read(line: int, value: object) -> Iterator[ParsedRow | Unreadable | Remark]:
            for record in _records(value):
                yield from self._read_record(line, record, companions)

        yield from read_each(values_of_file(path), read)

    def _folder_of(self, path: Path) -> Path:
        inside = [f for f in self.folders if path.resolve().is_relative_to(f.resolve())]
        return inside[0] if inside else path.parent

    def _read_record(
        self, line: int, record: object, companions: Companions
    ) -> Iterator[ParsedRow | Unreadable | Remark]:
        if not isinstance(record, dict):
            yield Unreadable(line, "An invocation record is a JSON object; this is something else.")
        elif record.get("schemaType") != "ModelInvocationLog":
            yield Unreadable(
                line, "This is no record of Bedrock: its schemaType is not ModelInvocationLog."
            )
        elif _is_passed_over(record):
            yield Remark(_PASSED_OVER)
        else:
            try:
                row, remarks = self._row(record, companions)
            except RecursionError:
                yield Unreadable(line, "The record is nested too deeply.")
                return
            yield from map(Remark, remarks)
            yield ParsedRow(line, row)

    def _row(
        self, record: Mapping[str, Any], companions: Companions
    ) -> tuple[dict[str, Any], list[str]]:
        given, came = mapping(record.get("input")), mapping(record.get("output"))
        request, missed = companions.body(given, "input")
        response, missed_too = companions.body(came, "output")
        bodies = read_bodies(request, response)
        metadata = dict(mapping(record.get("requestMetadata")))
        named_by = next((n for n in self.account_names if _account(record, n)), None)
        session = next(
            (s for name in _SESSION_NAMES if (s := identifier(metadata.get(name)))), None
        )
        said = {name: value for name, value in metadata.items() if name not in _SESSION_NAMES}
        row = bodies.columns | {
            "exchange_id": identifier(record.get("requestId")),
            "account_id": _account(record, named_by) if named_by else None,
            "started_at": instant_from_iso(record.get("timestamp")),
            "conversation_id": session,
            "access_path": "cloud:bedrock",
            "endpoint": "chat",
            "model": _model(text(record.get("modelId")), bodies),
            "credential_raw": _principal(record) if named_by in _OWNERS else None,
            "status": _status(record, bodies).value,
            "input_tokens": _or(_input_tokens(given), bodies, "input_tokens"),
            "output_tokens": _or(whole(came.get("outputTokenCount")), bodies, "output_tokens"),
            "client_metadata_raw": {**said, **mapping(bodies.columns["client_metadata_raw"])},
        }
        if request is None and response is None and not (missed or missed_too):
            row["retention"] = "no_text"
        return stated(row), [m for m in (missed, missed_too) if m]


def _records(value: object) -> Iterable[object]:
    """The records of a value: itself, or those a CloudWatch export or subscription wraps."""
    if isinstance(value, dict) and "schemaType" not in value:
        for name in ("logEvents", "events"):
            if name in value:
                return [parsed(mapping(event).get("message")) for event in sequence(value[name])]
    return [value]


def _is_passed_over(record: Mapping[str, Any]) -> bool:
    operation, model = text(record.get("operation")), text(record.get("modelId")) or ""
    return (operation or "InvokeModel") not in _OPERATIONS or bool(_NO_TEXT_MODELS.search(model))


def _account(record: Mapping[str, Any], name: str) -> str | None:
    if name == "identity.arn":
        return _principal(record)
    if name == "identity.session":
        name = "identity.arn"
    value: object = record
    for part in name.split("."):
        value = mapping(value).get(part)
    return identifier(value)


def _principal(record: Mapping[str, Any]) -> str | None:
    """Who called. A role's session has a name that changes, and may be a person's address."""
    arn = text(mapping(record.get("identity")).get("arn"))
    found = _ARN_WITH_SESSION.fullmatch(arn) if arn else None
    return found[1] if found else arn


def _model(name: str | None, bodies: Bodies) -> str | None:
    """The model's own name where it is asked for by its ARN, or through a profile of one's own."""
    if name is None or not name.startswith("arn:"):
        return name
    if ":application-inference-profile/" in name and bodies.model:
        return bodies.model
    return name.rpartition("/")[2] or name.rpartition(":")[2]


def _status(record: Mapping[str, Any], bodies: Bodies) -> ExchangeStatus:
    if code := text(record.get("errorCode")):
        return status_of_error(code, code=whole(code))
    if bodies.blocked:
        return ExchangeStatus.BLOCKED
    return ExchangeStatus.REFUSED if bodies.refused else ExchangeStatus.OK


def _input_tokens(given: Mapping[str, Any]) -> int | None:
    """Tokens as billed; Bedrock counts those of the prompt cache apart."""
    counts = [
        whole(given.get(name))
        for name in ("inputTokenCount", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")
    ]
    return sum(n for n in counts if n) if any(n is not None for n in counts) else None


def _or(count: int | None, bodies: Bodies, column: str) -> int | None:
    known: int | None = bodies.columns[column]
    return known if count is None else count
