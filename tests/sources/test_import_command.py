"""`stillwatch import`: what comes in is what the lake holds, once."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from import_builders import START, Desk, exchange_rows

from stillwatch.lake.log import open_log
from stillwatch.lake.store import Lake
from stillwatch.records import ACCOUNTS, EXCHANGES

ACCOUNT_ROWS = [{"account_id": f"a{i}", "plan": "team", "created_at": START} for i in range(3)]


def as_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_three_encodings_give_the_same_lake(tmp_path: Path) -> None:
    """Parquet, CSV and JSONL of the same rows become the same exchanges."""
    rows = exchange_rows(40)
    read = []
    for encoding in ("parquet", "csv", "jsonl"):
        desk = Desk(tmp_path / encoding)
        desk.folder.mkdir()
        if read:
            (desk.folder / "key").write_bytes((tmp_path / "parquet" / "key").read_bytes())
            (desk.folder / "key").chmod(0o600)
        path = desk.folder / f"x.{encoding}"
        if encoding == "csv":
            as_csv(path, rows)
        elif encoding == "jsonl":
            desk.jsonl(path.name, rows)
        else:
            desk.parquet(path.name, rows)
        assert desk.import_(path).report["imported"] == 40
        read.append(desk.rows("exchanges"))

    assert read[0] == read[1] == read[2]
    assert {row["input_text"] for row in read[0]} == {row["input_text"] for row in rows}


def test_counts_add_up(desk: Desk) -> None:
    """Every row that was read is imported, a duplicate or quarantined."""
    rows = exchange_rows(10)
    path = desk.jsonl("x.jsonl", [*rows, *rows[:4], {"account_id": "a", "input_text": "hi"}])

    report = desk.import_(path).report

    assert {k: report[k] for k in ("read", "imported", "duplicates", "quarantined")} == {
        "read": 15,
        "imported": 10,
        "duplicates": 4,
        "quarantined": 1,
    }
    assert report["seconds"] >= 0
    assert report["peak_memory_bytes"] > 10_000_000


def test_same_file_twice_changes_nothing(desk: Desk) -> None:
    """A second import of all four tables and of bad rows leaves the lake as it was, to the byte."""
    inputs = (
        desk.jsonl("x.jsonl", [*exchange_rows(10), {"account_id": "a", "input_text": "no time"}]),
        desk.jsonl("accounts.jsonl", ACCOUNT_ROWS),
        desk.jsonl("keys.jsonl", [{"credential_id": "c1", "account_id": "a0"}]),
        desk.jsonl("models.jsonl", [{"model": "m", "released_at": START}]),
    )
    first = desk.import_(*inputs).report
    before = desk.snapshot()

    second = desk.import_(*inputs).report

    assert first["imported"] == 10 + 3 + 1 + 1
    assert (second["imported"], second["duplicates"]) == (0, 15)
    assert desk.snapshot() == before


def test_overlapping_files_hold_each_exchange_once(desk: Desk) -> None:
    """What two logs both tell is in the lake once, whether in one import or in two."""
    one = desk.jsonl("1.jsonl", exchange_rows(30))
    two = desk.jsonl("2.jsonl", exchange_rows(30, first=20))
    three = desk.jsonl("3.jsonl", exchange_rows(30, first=40))

    desk.import_(one, two)
    last = desk.import_(three).report

    assert (last["imported"], last["duplicates"]) == (20, 10)
    assert sorted(r["exchange_id"] for r in desk.rows("exchanges")) == sorted(
        f"e{i}" for i in range(70)
    )


def test_known_exchanges_that_say_something_else_are_counted(desk: Desk) -> None:
    """One id for two texts, accounts or days is told with what to do; what says less is no news."""
    rows = exchange_rows(6)
    desk.import_(desk.jsonl("first.jsonl", rows[:5]))
    others = [
        rows[0],
        rows[1] | {"input_text": "another question"},
        rows[2] | {"account_id": "another"},
        rows[3] | {"started_at": START + timedelta(days=9)},
        {name: rows[4][name] for name in ("exchange_id", "account_id", "started_at")},
        rows[5],
        rows[5] | {"output_text": "another answer"},
    ]

    outcome = desk.import_(desk.jsonl("second.jsonl", others))

    assert (outcome.report["imported"], outcome.report["duplicates"]) == (1, 6)
    assert outcome.report["known_otherwise"] == 4
    assert "4 of those known say something else" in outcome.words
    assert desk.count("exchanges") == 6
    again = desk.import_(desk.jsonl("first.jsonl", rows))
    assert again.report["known_otherwise"] == 0
    assert "something else" not in again.words


def test_sketches_lie_row_for_row_beside_exchanges(desk: Desk) -> None:
    """Each part of the exchanges has a part of sketches with the same ids in the same order."""
    desk.import_(desk.jsonl("x.jsonl", exchange_rows(60)))
    desk.import_(desk.jsonl("y.jsonl", exchange_rows(60, first=30)))

    lake = Lake.open(desk.lake_path)
    pairs = list(zip(lake.files("exchanges"), lake.files("sketches"), strict=True))

    assert len(pairs) > 3
    for exchanges, sketches in pairs:
        ids = pq.read_table(exchanges)["exchange_id"]
        assert pq.read_table(sketches)["exchange_id"] == ids


def test_lake_can_be_opened_as_a_log(desk: Desk) -> None:
    """What the import wrote is what a scan reads, and absent columns are said to be absent."""
    desk.import_(desk.jsonl("x.jsonl", exchange_rows(5)), desk.jsonl("a.jsonl", ACCOUNT_ROWS))
    lake = Lake.open(desk.lake_path)

    log = open_log(
        exchanges=lake.files("exchanges"),
        accounts=lake.files("accounts"),
        sketches=lake.files("sketches"),
    )

    counted = "select count(*), count(distinct account_id) from exchanges join accounts using (account_id)"
    assert log.connection.execute(counted).fetchall() == [(5, 3)]
    assert "user_agent" in log.absent["exchanges"]
    assert "client_net_token" not in log.absent["exchanges"]


def test_days_are_utc(desk: Desk) -> None:
    """An exchange lies under the UTC day of its start, and a naive time is UTC."""
    rows = [
        {"exchange_id": "1", "account_id": "a", "started_at": "2026-03-01T23:30:00-02:00"},
        {"exchange_id": "2", "account_id": "a", "started_at": "2026-03-01 23:30:00"},
        {"exchange_id": "3", "account_id": "a", "started_at": 1772407800},
        {"exchange_id": "4", "account_id": "a", "started_at": 1772407800000},
    ]
    desk.import_(desk.jsonl("x.jsonl", rows))

    days = {
        pq.read_table(path)["exchange_id"][i].as_py(): path.parent.name
        for path in Lake.open(desk.lake_path).files("exchanges")
        for i in range(pq.read_metadata(path).num_rows)
    }

    assert days == {"1": "2026-03-02", "2": "2026-03-01", "3": "2026-03-01", "4": "2026-03-01"}


def test_later_accounts_fill_and_correct_earlier_ones(desk: Desk) -> None:
    """A newer accounts file changes what it says, and takes nothing away that it leaves out."""
    desk.import_(desk.jsonl("a.jsonl", [*ACCOUNT_ROWS, {"account_id": "b", "plan": "free"}]))

    report = desk.import_(
        desk.jsonl("b.jsonl", [{"account_id": "a1", "status": "banned", "plan": None}])
    ).report

    rows = {row["account_id"]: row for row in desk.rows("accounts")}
    assert (report["imported"], report["duplicates"]) == (1, 0)
    assert (rows["a1"]["status"], rows["a1"]["plan"]) == ("banned", "team")
    assert rows["b"]["plan"] == "free"


def test_domain_is_shown_only_when_twenty_accounts_share_it(desk: Desk) -> None:
    """Nineteen accounts of a domain hide it; the twentieth, even in a later import, shows it."""
    rare = [{"account_id": f"r{i}", "email_raw": f"u{i}@rare.example"} for i in range(19)]
    many = [{"account_id": f"m{i}", "email_domain": "many.example"} for i in range(20)]
    desk.import_(desk.jsonl("1.jsonl", rare), desk.jsonl("2.jsonl", many))
    shown = {row["email_domain"] for row in desk.rows("accounts")}
    assert "many.example" in shown
    assert not any("rare" in domain for domain in shown)

    desk.import_(desk.jsonl("3.jsonl", [{"account_id": "r19", "email_raw": "x@rare.example"}]))

    assert {row["email_domain"] for row in desk.rows("accounts")} == {
        "many.example",
        "rare.example",
    }


def test_set_fills_what_a_source_lacks(desk: Desk) -> None:
    """`--set` gives a value to rows that have none, and to no other."""
    rows = [row | {"account_id": None} for row in exchange_rows(2)] + exchange_rows(1, first=2)

    desk.import_(
        desk.jsonl("x.jsonl", rows), options=("--set", "account_id=all", "--set", "model=m")
    )

    found = {row["exchange_id"]: row for row in desk.rows("exchanges")}
    assert [found[f"e{i}"]["account_id"] for i in range(3)] == ["all", "all", "a2"]
    assert {row["model"] for row in found.values()} == {"m"}


def test_source_keeps_equal_names_apart(desk: Desk) -> None:
    """Accounts of two senders with one name stay two; the default source adds nothing."""
    for source, name in (("east", "1.jsonl"), ("west", "2.jsonl"), ("default", "3.jsonl")):
        first = {"east": 0, "west": 1, "default": 2}[source]
        path = desk.jsonl(name, [exchange_rows(1, first=first)[0] | {"account_id": "a"}])
        desk.import_(path, options=("--set", f"source_id={source}"))

    assert {r["account_id"] for r in desk.rows("exchanges")} == {"east:a", "west:a", "a"}


def test_planted_secrets_reach_no_file_of_the_lake(desk: Desk) -> None:
    """No raw identifier is anywhere in the lake, its quarantine included."""
    secrets = ["sk-planted-secret", "planted@person.example", "203.0.113.77", "planted-device"]
    row = exchange_rows(1)[0] | {
        "credential_raw": secrets[0],
        "email": secrets[1],
        "client_ip_raw": secrets[2],
        "client_ip": None,
        "device_raw": secrets[3],
        "client_metadata_raw": {"user_id": secrets[1]},
    }
    bad = {
        "account_id": "a",
        "input_text": "x",
        "credential_raw": secrets[0],
        "started_at": "never",
    }

    outcome = desk.import_(desk.jsonl("x.jsonl", [row, bad]))

    everything = json.dumps([desk.rows(t) for t in ("exchanges", "quarantine")], default=str)
    everything += outcome.words + json.dumps(outcome.report)
    assert outcome.report["imported"] == 1
    assert "email_raw" in outcome.words
    for secret in secrets:
        assert secret not in everything
        assert not any(secret.encode() in data for data in desk.snapshot().values())


def test_text_is_not_kept_where_the_contract_forbids_it(desk: Desk) -> None:
    """`no_text` rows keep the digest of their answer and no text."""
    rows = [exchange_rows(1)[0] | {"retention": "no_text"}, exchange_rows(1, first=1)[0]]

    desk.import_(desk.jsonl("x.jsonl", rows))

    found = {row["exchange_id"]: row for row in desk.rows("exchanges")}
    assert (found["e0"]["input_text"], found["e0"]["output_text"]) == (None, None)
    assert found["e0"]["output_digest"].startswith("msg_")
    assert found["e1"]["input_text"]


def test_gzip_is_read_whatever_the_name_says(desk: Desk) -> None:
    """Compressed files are recognised by their bytes."""
    plain = desk.jsonl("x.jsonl", exchange_rows(5)).read_bytes()
    (desk.folder / "y.jsonl").write_bytes(gzip.compress(plain))
    (desk.folder / "z.jsonl.gz").write_bytes(gzip.compress(plain))

    report = desk.import_(desk.folder / "y.jsonl", desk.folder / "z.jsonl.gz").report

    assert (report["imported"], report["duplicates"]) == (5, 5)


def test_extra_columns_are_kept(desk: Desk) -> None:
    """What a source has more to say stays beside the canonical columns."""
    path = desk.parquet("x.parquet", [r | {"region": "west", "score": 7} for r in exchange_rows(3)])

    desk.import_(path)
    desk.import_(desk.parquet("y.parquet", exchange_rows(3, first=3)))

    assert {row.get("region") for row in desk.rows("exchanges")} == {"west", None}


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.permutations(range(12)), st.integers(1, 11))
def test_order_and_division_of_files_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cut: int
) -> None:
    """However the rows are ordered and divided over files, the lake says the same."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    (desk.folder / "key").write_text("07" * 32)
    (desk.folder / "key").chmod(0o600)
    rows = exchange_rows(12)
    one = desk.jsonl("1.jsonl", [rows[i] for i in order[:cut]])
    two = desk.jsonl("2.jsonl", [rows[i] for i in order[cut:]])

    desk.import_(one, two)

    assert [row["exchange_id"] for row in desk.rows("exchanges")] == [f"e{i}" for i in range(12)]


def test_column_types_in_the_lake_are_canonical(desk: Desk) -> None:
    """Every canonical column the lake holds has the contract's type."""
    desk.import_(desk.jsonl("x.jsonl", exchange_rows(3)), desk.jsonl("a.jsonl", ACCOUNT_ROWS))
    lake = Lake.open(desk.lake_path)

    for schema, table in ((EXCHANGES, "exchanges"), (ACCOUNTS, "accounts")):
        for path in lake.files(table):
            for field in pq.read_schema(path):
                assert (
                    field.name not in schema.names
                    or field.type == schema.arrow.field(field.name).type
                )
