"""What may stand in clear in columns of a vocabulary or a shape, and what becomes of the rest."""

from __future__ import annotations

from typing import Any

import pytest
from import_builders import Desk, exchange_rows

_KEY = "sk-live-0123456789abcdef"
_ADDRESS = "bob@example.org"
_SENTENCE = "call me at noon"


def _import_one(desk: Desk, **said: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The row that an import makes of one exchange, and what the import says."""
    (row,) = exchange_rows(1)
    report = desk.import_(desk.jsonl("log.jsonl", [row | said])).report
    (told,) = desk.rows("exchanges")
    return told, report


@pytest.mark.parametrize("word", ["no-text", "NO_TEXT", " no text"])
def test_retention_is_read_in_whichever_way_it_is_written(word: str, desk: Desk) -> None:
    """A dash or a capital is no reason to keep what nobody may keep."""
    row, report = _import_one(desk, retention=word, input_text="A secret.", output_text="Yes.")

    assert (row["retention"], row["input_text"], row["output_text"]) == ("no_text", None, None)
    assert report["remarks"] == {}


@pytest.mark.parametrize("word", ["notext", "none", "30 days", _KEY])
def test_unknown_retention_keeps_no_text_and_is_said(word: str, desk: Desk) -> None:
    """What nobody understands may be a contract that forbids it."""
    row, report = _import_one(desk, retention=word, input_text="A secret.", output_text="Yes.")

    assert (row["retention"], row["input_text"], row["output_text"]) == ("no_text", None, None)
    ((remark, number),) = report["remarks"].items()
    assert "retention was neither" in remark
    assert number == 1
    assert not any(word.encode() in data for data in desk.snapshot().values())


@pytest.mark.parametrize(
    ("column", "good", "kept"),
    [
        ("client_country", "no", "no"),
        ("client_network", "Hosting", "hosting"),
        ("access_path", "cloud:aurora", "cloud:aurora"),
        ("access_path", "API", "api"),
        ("stop_reason", "end_turn", "end_turn"),
        ("tls_fingerprint", "t13d1516h2_8daaf6152771_02713d6af862", None),
        ("batch_id", "batch_67ab8f0c1234567890abcdef", None),
    ],
)
@pytest.mark.parametrize("bad", [_KEY, _ADDRESS, _SENTENCE])
def test_only_words_of_the_column_stay(
    column: str, good: str, kept: str | None, bad: str, desk: Desk
) -> None:
    """Anything else is left empty and counted, and comes nowhere in clear."""
    first, second = exchange_rows(2)
    rows = [first | {column: good}, second | {column: bad}]

    report = desk.import_(desk.jsonl("log.jsonl", rows)).report

    told = {row["exchange_id"]: row[column] for row in desk.rows("exchanges")}
    assert told == {"e0": kept or good, "e1": None}
    assert report["emptied_values"] == {column: 1}
    assert not any(bad.encode() in data for data in desk.snapshot().values())


@pytest.mark.parametrize(
    ("effort", "kept"),
    [("High", "high"), ("2048", "2048"), (_KEY, "other"), (_SENTENCE, "other"), (None, None)],
)
def test_an_effort_is_a_known_word_or_a_budget(
    effort: str | None, kept: str | None, desk: Desk
) -> None:
    """A client may write anything there; that it wrote something stays."""
    row, _ = _import_one(desk, settings={"n": 2, "reasoning_effort": effort})

    assert (row["settings"]["n"], row["settings"]["reasoning_effort"]) == (2, kept)


def test_counts_below_nothing_are_left_empty(desk: Desk) -> None:
    """Some tools write -1 for what they do not know."""
    row, report = _import_one(desk, input_tokens=-1, output_tokens=7, turn_index=-1)

    assert (row.get("input_tokens"), row["output_tokens"], row.get("turn_index")) == (None, 7, None)
    assert report["emptied_values"] == {"input_tokens": 1, "turn_index": 1}


@pytest.mark.parametrize(
    ("assignment", "says"),
    [
        (f"credential_id={_KEY}", "credential_raw"),
        (f"end_user_token={_ADDRESS}", "end_user_raw"),
        ("client_ip=192.0.2.1", "client_ip_raw"),
        ("payment_token=4111111111111111", "payment_raw"),
        (f"credential_raw={_KEY}", "the same in all rows"),
        ("retention=notext", "full, no_text"),
        ("client_network=home", "hosting"),
    ],
)
def test_set_takes_no_identifier_and_no_unknown_word(
    assignment: str, says: str, desk: Desk
) -> None:
    """The command refuses it before it reads anything, and does not repeat what may be a key."""
    log = desk.jsonl("log.jsonl", exchange_rows(1))

    outcome = desk.import_(log, options=("--set", assignment))

    assert outcome.status == 2
    assert says in outcome.words
    assert assignment.partition("=")[2] not in outcome.words or "=" not in assignment
    assert not (desk.lake_path / "manifest.json").exists()


def test_set_takes_a_token_of_ours(desk: Desk) -> None:
    """Whoever knows the token of a credential may say that all rows are its own."""
    token = f"cred_{'0f' * 16}"
    log = desk.jsonl("log.jsonl", exchange_rows(1))

    assert desk.import_(log, options=("--set", f"credential_id={token}")).status == 0
    assert [row["credential_id"] for row in desk.rows("exchanges")] == [token]
