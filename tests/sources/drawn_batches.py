"""Batches of several customers drawn at random, and the files in which a provider keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from provider_builders import lines_in
from spoken_exchanges import Spoken, anthropic, openai, spoken

__all__ = ["PROVIDERS", "Batch", "Provider", "Shelf", "batches", "shelves", "written"]

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """One customer's requests and what was answered, all sent in one moment.

    Attributes:
        said: By the custom_id that the customer chose; other customers choose the same.
    """

    name: str
    said: dict[str, Spoken]


@dataclass(frozen=True, slots=True)
class Shelf:
    """How files of batches are kept, so that what belongs together can be told.

    Attributes:
        told_by: `folder`: each batch has its own; `batch_id` and `account_id`: all lines lie in
            one folder and name it; `apart`: requests and results have a folder each, and name
            the batch.
        named_in: Where a batch in a folder of its own has its name: `file`, `object`, or nowhere.
        in_one_file: Whether requests and results of a folder share a file.
    """

    told_by: str
    named_in: str
    in_one_file: bool


shelves = st.builds(
    Shelf,
    told_by=st.sampled_from(["folder", "batch_id", "account_id", "apart"]),
    named_in=st.sampled_from(["file", "object", ""]),
    in_one_file=st.booleans(),
)


@st.composite
def batches(draw: st.DrawFn) -> list[Batch]:
    """Those of one to three customers, who number their requests alike."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        said = draw(st.dictionaries(st.sampled_from("123"), spoken, min_size=1))
        sent_at = next(iter(said.values())).started_at
        account = f"customer-{number}"
        said = {k: replace(s, account_id=account, started_at=sent_at) for k, s in said.items()}
        found.append(Batch(f"batch_000000{number}", said))
    return found


@dataclass(frozen=True, slots=True)
class Provider:
    """How a provider writes the lines of a batch.

    Attributes:
        prefix: Of the names of its batches.
        mark: By which a batch's own record is known.
        requests: The lines of the input file; the second word says what else stands on them.
        result: A line of the output file.
        created_at: A moment as the batch's record has it.
    """

    prefix: str
    mark: Line
    requests: Callable[[Batch, Line], list[Line]]
    result: Callable[[str, Spoken], Line]
    created_at: str | int

    def name_of(self, batch: Batch) -> str:
        return self.prefix + batch.name

    def files(self, batch: Batch, shelf: Shelf, folder: Path) -> dict[Path, list[Line]]:
        """The lines of a batch by the file in which they lie."""
        around: Line = {}
        if shelf.told_by in ("batch_id", "apart"):
            around["batch_id"] = self.name_of(batch)
        elif shelf.told_by == "account_id":
            around["account_id"] = next(iter(batch.said.values())).account_id
        own = folder / batch.name if shelf.told_by == "folder" else folder
        asked_in, answered_in = own, own
        if shelf.told_by == "apart":
            asked_in, answered_in = folder / "in", folder / "out"
        is_named = shelf.told_by == "folder" and shelf.named_in == "file"
        output = f"{self.name_of(batch)}_output.jsonl" if is_named else "output.jsonl"
        asked = asked_in / (output if shelf.in_one_file else "input.jsonl")
        answered = answered_in / output
        files: dict[Path, list[Line]] = {asked: self.requests(batch, around)}
        files.setdefault(answered, []).extend(
            self.result(custom_id, said) | around for custom_id, said in batch.said.items()
        )
        if shelf.told_by == "folder" and shelf.named_in == "object":
            record = self.mark | {"id": self.name_of(batch), "created_at": self.created_at}
            files[own / "batch.json"] = [record]
        return files

    def columns(self, custom_id: str, batch: Batch, shelf: Shelf) -> Line:
        """What a reader of the files must find of one request."""
        said = batch.said[custom_id]
        row = said.columns() | {"endpoint": "batch"}
        del row["exchange_id"]  # made at import, where no batch is named
        if shelf.told_by in ("batch_id", "apart") or (shelf.told_by == "folder" and shelf.named_in):
            name = self.name_of(batch)
            row |= {"batch_id": name, "exchange_id": f"{name}:result-{said.exchange_id}"}
        return row


def _openai_requests(batch: Batch, around: Line) -> list[Line]:
    where = {"method": "POST", "url": "/v1/chat/completions"}
    return [
        {"custom_id": custom_id, **where, "body": openai(said)[0], **_sender(said), **around}
        for custom_id, said in batch.said.items()
    ]


def _openai_result(custom_id: str, said: Spoken) -> Line:
    counts = {"prompt_tokens": said.input_tokens, "completion_tokens": said.output_tokens}
    body = {"object": "chat.completion", **openai(said)[1], "usage": counts}
    response = {"status_code": 200, "request_id": "of the provider", "body": body}
    head = {"id": f"result-{said.exchange_id}", "custom_id": custom_id}
    return head | {"response": response, "error": None}


def _anthropic_requests(batch: Batch, around: Line) -> list[Line]:
    """All of them in the body that made the batch, as the API is given them."""
    requests = [
        {"custom_id": custom_id, "params": {"model": said.model, **anthropic(said)[0]}}
        for custom_id, said in batch.said.items()
    ]
    return [{"requests": requests, **_sender(next(iter(batch.said.values()))), **around}]


def _anthropic_result(custom_id: str, said: Spoken) -> Line:
    counts = {"input_tokens": said.input_tokens, "output_tokens": said.output_tokens}
    message = {"id": f"result-{said.exchange_id}", "type": "message", "usage": counts}
    result = {"type": "succeeded", "message": message | anthropic(said)[1]}
    return {"custom_id": custom_id, "result": result}


def _sender(said: Spoken) -> Line:
    """Who sent it, and when: results say neither."""
    return {"account_id": said.account_id, "timestamp": said.started_at.isoformat()}


PROVIDERS = {
    "openai": Provider("", {"object": "batch"}, _openai_requests, _openai_result, 1_772_366_400),
    "anthropic": Provider(
        "msg",
        {"type": "message_batch"},
        _anthropic_requests,
        _anthropic_result,
        "2026-03-01T12:00:00Z",
    ),
}


def written(
    files: list[dict[Path, list[Line]]], order: Callable[[list[Line]], list[Line]]
) -> list[Path]:
    """The paths of the files, once written; the lines of those that share one are mixed."""
    lines: dict[Path, list[Line]] = {}
    for of_batch in files:
        for path, found in of_batch.items():
            lines.setdefault(path, []).extend(found)
    return [lines_in(path, order(found)) for path, found in lines.items()]
