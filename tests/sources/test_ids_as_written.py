"""Ids and addresses as logs write them: numbers, words for none, lists of addresses.

A log is written in each format, and each must say of it what the others say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from format_columns import telling_rows
from import_builders import Desk, exchange_rows
from litellm_builders import payload, spend_row
from rendered_logs import FORMATS, LogFormat, Row, Rows
from taken_in import rows_taken_in

from stillwatch.sources.network_rows import request_id_of
from stillwatch.sources.values import identifier

_SAID = telling_rows()[1]
_WITHOUT_TYPES = [chosen for chosen in FORMATS if chosen.name != "canonical Parquet"]


def _read(chosen: LogFormat, rows: Rows, folder: Path) -> list[dict[str, Any]]:
    _, _, log, *of_map = map(Path, chosen.words(rows, folder / chosen.slug))
    map_file = of_map[1] if of_map else None
    return rows_taken_in([log], log_format=chosen.adapter, map_file=map_file)["exchanges"]


def _row(**said: Any) -> Row:
    return {name: value for name, value in (_SAID | said).items() if value is not None}


@pytest.mark.parametrize("chosen", _WITHOUT_TYPES, ids=lambda chosen: chosen.slug)
def test_ids_may_be_numbers(chosen: LogFormat, tmp_path: Path) -> None:
    """A log whose ids are whole numbers gives the rows of one in which they are texts."""
    numbers: dict[str, Any] = {"account_id": 4711, "conversation_id": 815, "end_user_raw": 7}
    texts = {name: str(value) for name, value in numbers.items()}

    read = _read(chosen, [_row(**numbers)], tmp_path / "numbers")
    wanted = _read(chosen, [_row(**texts)], tmp_path / "texts")

    assert read == wanted
    assert read[0]["account_id"] == "4711"


@pytest.mark.parametrize("chosen", FORMATS, ids=lambda chosen: chosen.slug)
def test_a_word_for_none_is_no_id(chosen: LogFormat, tmp_path: Path) -> None:
    """Whoever has no session shares it with nobody."""
    ids = ("conversation_id", "end_user_raw", "cache_key_raw")
    words = (" ", "NULL", "\\N", "None", "-", "undefined")

    said = _read(chosen, [_row(**dict.fromkeys(ids, word)) for word in words], tmp_path / "said")
    unsaid = _read(chosen, [_row(**dict.fromkeys(ids, None)) for _ in words], tmp_path / "unsaid")

    assert [_told(row) for row in said] == [_told(row) for row in unsaid]


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """What a row says; some formats have the end user among the client's metadata as well."""
    said = {name: value for name, value in row.items() if value is not None}
    return {name: value for name, value in said.items() if name != "client_metadata"}


@pytest.mark.parametrize("build", [payload, spend_row])
@pytest.mark.parametrize("blank", ["", " ", None, "null"])
def test_who_is_billed_is_the_first_that_is_named(
    build: Any, blank: str | None, tmp_path: Path
) -> None:
    """A blank user is none, and the team is billed; a number is one, and the team is not."""
    adapter = "litellm" if build is payload else "litellm-spend"
    for user, billed in ((blank, "team-0"), (4711, "4711")):
        line = build(_SAID | {"account_id": user}) | {"team_id": "team-0"}
        if build is payload:
            line["metadata"]["user_api_key_team_id"] = "team-0"
        log = tmp_path / "log.jsonl"
        log.write_text(json.dumps(line))

        (row,) = rows_taken_in([log], log_format=adapter)["exchanges"]

        assert row["account_id"] == billed


def test_rows_billed_to_nobody_are_set_aside_or_filled(desk: Desk) -> None:
    """A dump's null is no account: `--set` fills it, and without that the row is quarantined."""
    log = desk.folder / "log.csv"
    log.write_text(
        "exchange_id,account_id,started_at,conversation_id\n"
        "e1,NULL,2026-03-01,\\N\ne2,\\N,2026-03-01,NULL\ne3,a,2026-03-01,c\n"
    )

    assert desk.import_(log).report["quarantined"] == 2
    assert desk.import_(log, options=("--set", "account_id=us")).report["imported"] == 2
    told = {row["exchange_id"]: row for row in desk.rows("exchanges")}
    assert [told[name]["account_id"] for name in ("e1", "e2", "e3")] == ["us", "us", "a"]
    assert [told[name]["conversation_id"] for name in ("e1", "e2", "e3")] == [None, None, "c"]


def test_accounts_whose_device_is_a_word_for_none_share_none(desk: Desk) -> None:
    """Otherwise every account of a dump would be tied to every other."""
    log = desk.folder / "accounts.csv"
    log.write_text("account_id,plan,device_raw\na,free,NULL\nb,free,null\nc,free,d-1\n")

    assert desk.import_(log).report["quarantined"] == 0

    tokens = {row["account_id"]: row["device_token"] for row in desk.rows("accounts")}
    assert (tokens["a"], tokens["b"]) == (None, None)
    assert tokens["c"]


@pytest.mark.parametrize("chosen", FORMATS, ids=lambda chosen: chosen.slug)
def test_of_a_list_of_addresses_the_last_public_one_counts(
    chosen: LogFormat, tmp_path: Path
) -> None:
    """The nearest proxy wrote it; those before it are the client's word."""
    listed = _row(client_ip_raw="192.0.2.1, 10.0.0.7, 198.51.100.9, 10.0.0.8")

    read = _read(chosen, [listed], tmp_path / "listed")
    wanted = _read(chosen, [_row(client_ip_raw="198.51.100.9")], tmp_path / "single")

    assert read == wanted


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (42, "42"),
        (42.0, "42"),
        (-1, "-1"),
        ("42", "42"),
        (" a ", " a "),
        (0.5, None),
        (1e300, None),
        (True, None),
        ({"id": 1}, None),
        ("n/a", None),
        ("nullable", "nullable"),
    ],
)
def test_an_id_is_text_or_a_whole_number(value: object, known: str | None) -> None:
    """Anything else names nobody."""
    assert identifier(value) == known


def test_a_numbered_request_is_known_by_its_number() -> None:
    """As some proxies count what they passed on."""
    assert (request_id_of(42), request_id_of("42"), request_id_of(" ")) == ("42", "42", None)


def test_ids_of_exchanges_that_are_numbers_are_kept(desk: Desk) -> None:
    """Rows with one number each are not the same exchange."""
    rows = [row | {"exchange_id": i} for i, row in enumerate(exchange_rows(3))]

    assert desk.import_(desk.jsonl("log.jsonl", rows)).report["imported"] == 3
    assert {row["exchange_id"] for row in desk.rows("exchanges")} == {"0", "1", "2"}
