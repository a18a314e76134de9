"""The same exchanges in every format are the same rows of a lake, but for what a format lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from format_columns import (
    COLUMNS,
    carried,
    import_whole,
    lake_rows,
    markdown,
    table_of_page,
    telling_rows,
    through_a_proxy,
)
from import_builders import Desk
from provider_builders import lines_in
from rendered_logs import FORMATS, LogFormat

from stillwatch.records import ExchangeStatus
from stillwatch.sources.failures import is_refusal, status_of_error

BY_A_PROXY = ("client_ip", "client_net_token", "user_agent", "tls_fingerprint")
OF_TEXTS = ("system_text", "input_text", "output_text", "prefix_digests", "turn_index", "prefill")
BEHIND_A_PROXY = ("CSV by a map", "OTLP/JSON", "OpenAI JSONL", "LiteLLM payloads")
REFERENCE = FORMATS[0]
ONE_OF_EACH = list({f.adapter: f for f in FORMATS}.values())
MASKS = ("[REDACTED]", "sk-...9f3a", "sk-****9f3a", "none")
Found = dict[str, list[dict[str, Any]]]
WORDS = ("[REDACTED]", "<redacted>", "***", "redacted by proxy", "redacted-by-litellm", "Removed.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where desks share a key."""
    return tmp_path_factory.mktemp("formats")


@pytest.fixture(scope="module")
def told(folder: Path) -> Found:
    """Each format's name to what a lake holds after an import of the telling rows."""
    rows = telling_rows()
    return {f.name: lake_rows(Desk(folder / f.slug), f, rows) for f in FORMATS}


@pytest.fixture(scope="module")
def signs(told: Found) -> dict[str, dict[str, str]]:
    """What `--format` calls each format, to what its first encoding carries of each column."""
    wanted, found = told[REFERENCE.name], {}
    for chosen in FORMATS:
        found.setdefault(chosen.adapter, carried(wanted, told[chosen.name]))
    return found


def test_the_telling_rows_tell_of_every_column(told: Found) -> None:
    """A column that no row fills would be called carried by every format."""
    filled = {n for row in told[REFERENCE.name] for n, v in row.items() if v is not None}

    assert filled == {*COLUMNS}
    assert {row["status"] for row in told[REFERENCE.name]} == {s.value for s in ExchangeStatus}


def test_the_page_says_what_each_format_carries(signs: dict[str, dict[str, str]]) -> None:
    """Its table is what imports of the same exchanges gave; paste it from here if it is not."""
    assert table_of_page() == markdown(signs)


@pytest.mark.parametrize("chosen", FORMATS, ids=lambda f: f.slug)
def test_encodings_of_a_format_carry_the_same(
    chosen: LogFormat, told: Found, signs: dict[str, dict[str, str]]
) -> None:
    """JSON, CSV, protobuf and Parquet, bodies whole or in columns: nothing depends on it."""
    assert carried(told[REFERENCE.name], told[chosen.name]) == signs[chosen.adapter]


@pytest.mark.parametrize("adapter", ["canonical", "generic", "openai"])
def test_these_carry_everything(adapter: str, signs: dict[str, dict[str, str]]) -> None:
    """Every column of the log, as it was, to the last break of a line."""
    assert {name: sign for name, sign in signs[adapter].items() if sign != "✓"} == {}


@pytest.mark.parametrize("name", BEHIND_A_PROXY)
def test_envoy_fills_in_the_network(name: str, told: Found, folder: Path) -> None:
    """Where a service does not know from where its requests came, Envoy's log says it."""
    chosen = next(f for f in FORMATS if f.name == name)
    behind, lines = through_a_proxy(telling_rows())
    desk = Desk(folder / f"{chosen.slug}-behind-envoy")
    lake_rows(desk, chosen, behind)
    access = lines_in(desk.folder / "access.jsonl", lines)

    import_whole(desk, ["--format", "envoy", access], len(lines))

    found = sorted(desk.rows("exchanges"), key=lambda row: row["started_at"])
    signs = carried(told[REFERENCE.name], found)
    assert {name: signs[name] for name in BY_A_PROXY} == dict.fromkeys(BY_A_PROXY, "✓")


@pytest.mark.parametrize("chosen", ONE_OF_EACH, ids=lambda f: f.slug)
def test_a_redacted_text_is_no_prompt(chosen: LogFormat, tmp_path: Path) -> None:
    """One word for all prompts would make all customers ask alike; a prompt may begin with it."""
    rows = telling_rows()[: len(WORDS)]
    for row, word in zip(rows, WORDS, strict=True):
        row |= {"input_text": word, "output_text": word}
    spoken = telling_rows()[10] | {
        "input_text": "Removed columns?",
        "output_text": "hidden are two",
    }

    *redacted, kept = lake_rows(Desk(tmp_path / "desk"), chosen, [*rows, spoken])

    assert {row.get(n) for row in redacted for n in OF_TEXTS} == {None}
    assert {row["retention"] for row in redacted} == {"no_text"}
    assert (kept["input_text"], kept["output_text"]) == ("Removed columns?", "hidden are two")


@pytest.mark.parametrize("name", ["canonical JSONL", "CSV by a map"])
def test_a_masked_key_is_no_credential(name: str, tmp_path: Path) -> None:
    """One mask for all customers would tie them all."""
    chosen = next(f for f in FORMATS if f.name == name)
    rows = telling_rows()[: len(MASKS) + 1]
    for row, mask in zip(rows, MASKS, strict=False):
        row["credential_raw"] = mask

    *masked, last = lake_rows(Desk(tmp_path / "desk"), chosen, rows)

    assert {row["credential_id"] for row in masked} == {None}
    assert last["credential_id"]


@pytest.mark.parametrize("encoding", ["parquet", "jsonl", "csv"])
def test_an_empty_value_says_nothing(encoding: str, tmp_path: Path) -> None:
    """Accounts without a device share no device, however their log says that there is none."""
    chosen = next(f for f in FORMATS if f.slug == f"canonical-{encoding}")
    row = telling_rows()[1]
    empty = {"client_metadata_raw": "", "tool_names": [], "earlier_messages": []}
    empty |= dict.fromkeys(("output_text", "user_agent", "tls_fingerprint", "cache_key_raw"), "")
    if encoding == "csv":
        empty = dict.fromkeys(empty, "")
    desk = Desk(tmp_path / "desk")
    (found,) = lake_rows(desk, chosen, [row | empty])
    made = ("client_metadata", "tool_names", "output_text", "user_agent", "tls_fingerprint")

    assert {found.get(n) for n in (*made, "cache_key", "output_digest", "prefix_digests")} == {None}


def test_an_account_without_a_device_has_none(desk: Desk) -> None:
    """An empty text in a table of accounts is no token that others could share."""
    accounts = desk.parquet(
        "accounts.parquet",
        [
            {"account_id": f"a{n}", "device_token": "", "payment_raw": "", "plan": "team"}
            for n in "12"
        ],
    )

    assert desk.import_(accounts).status == 0
    assert [row.get("device_token") for row in desk.rows("accounts")] == [None, None]


@pytest.mark.parametrize(
    ("name", "code", "status"),
    [
        ("RateLimitError", None, "rate_limited"),
        ("rate_limit_exceeded", 400, "rate_limited"),
        ("ThrottlingException", None, "rate_limited"),
        ("BudgetExceededError", None, "rate_limited"),
        ("insufficient_quota", None, "rate_limited"),
        ("", 429, "rate_limited"),
        ("ContentPolicyViolationError", 400, "refused"),
        ("content-filter", None, "refused"),
        ("GuardrailRaisedException", None, "blocked"),
        ("account_deactivated", 401, "blocked"),
        ("context_length_exceeded", 400, "error"),
        ("", None, "error"),
    ],
)
def test_an_error_has_one_meaning(name: str, code: int | None, status: str) -> None:
    """Whichever gateway logged it, and however it spells names."""
    assert status_of_error(name, code=code).value == status


def test_a_refusal_has_one_meaning() -> None:
    """The reasons of all providers, whatever their case."""
    assert all(map(is_refusal, ("refusal", "content_filter", "CONTENT_FILTERED", "SAFETY")))
    assert not any(map(is_refusal, ("stop", "end_turn", "", None)))
