"""Opening a log: every column there, what came later hidden, rows kept in place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stillwatch.lake import log as log_module
from stillwatch.lake.log import Log, open_log, parquet_files
from stillwatch.records import ACCOUNTS, CREDENTIALS, EXCHANGES, LOG_TABLES, InputError

START = datetime(2026, 5, 4, tzinfo=UTC)
NOON = START + timedelta(hours=12)


def exchanges(number: int, **changes: Any) -> pa.Table:
    """Exchanges an hour apart, of required columns only unless more are given."""
    columns = {
        "exchange_id": [f"x{i}" for i in range(number)],
        "account_id": [f"a{i % 3}" for i in range(number)],
        "started_at": pa.array(
            [START + timedelta(hours=i) for i in range(number)], pa.timestamp("us", "UTC")
        ),
    }
    return pa.table(columns | changes)


def opened(folder: Path, table: pa.Table, until: datetime | None = None, **more: Any) -> Log:
    pq.write_table(table, folder / "exchanges.parquet")
    paths = {}
    for name, rows in more.items():
        paths[name] = folder / f"{name}.parquet"
        pq.write_table(rows, paths[name])
    return open_log(exchanges=folder / "exchanges.parquet", until=until, **paths)


def account(**facts: Any) -> pa.Table:
    return ACCOUNTS.table([dict.fromkeys(ACCOUNTS.names) | {"account_id": "a0"} | facts])


def rows(log: Log, view: str) -> list[dict[str, Any]]:
    return log.connection.sql(f"select * from {view}").to_arrow_table().to_pylist()


def test_each_view_has_every_canonical_column_with_its_type(tmp_path: Path) -> None:
    """A log of three columns can be asked for all of them; the rest are typed nulls."""
    log = opened(tmp_path, exchanges(3))

    for schema in LOG_TABLES:
        table = log.connection.sql(f"select * from {schema.name}").to_arrow_table()
        assert sorted(table.schema.names) == sorted(schema.names)
        assert table.select(schema.names).schema.equals(schema.arrow)


def test_what_the_input_lacks_is_named(tmp_path: Path) -> None:
    """`absent` holds the columns that were not there, for each table."""
    log = opened(tmp_path, exchanges(3, model=["m"] * 3), credentials=CREDENTIALS.empty())

    assert "model" not in log.absent["exchanges"]
    assert "input_text" in log.absent["exchanges"]
    assert log.absent["accounts"] == ACCOUNTS.names
    assert log.absent["credentials"] == ()


def test_other_types_are_cast_and_what_cannot_be_cast_is_null(tmp_path: Path) -> None:
    """A number written as text is a number; a word in its place is nothing."""
    log = opened(tmp_path, exchanges(3, output_tokens=["12", "many", None]))

    assert sorted((r["output_tokens"] for r in rows(log, "exchanges")), key=str) == [12, None, None]
    (batch, _, _) = next(log.batches(["output_tokens"]))
    assert batch.column("output_tokens").to_pylist() == [12, None, None]


def test_times_without_a_zone_are_read_as_utc(tmp_path: Path) -> None:
    """Whatever the machine's own zone, a naive timestamp is UTC."""
    naive = pa.array([START.replace(tzinfo=None)] * 2, pa.timestamp("ms"))
    log = opened(tmp_path, exchanges(2).set_column(2, "started_at", naive))

    assert {r["started_at"] for r in rows(log, "exchanges")} == {START}
    (batch, _, _) = next(log.batches([]))
    assert set(batch.column("started_at").to_pylist()) == {START}


@pytest.mark.parametrize(
    ("factor", "arrow_type"),
    [
        (1, pa.int64()),
        (1, pa.int32()),
        (1, pa.float64()),
        (10**3, pa.int64()),
        (10**3, pa.float64()),
        (10**6, pa.int64()),
        (10**6, pa.uint64()),
        (10**9, pa.int64()),
        (10**3, pa.string()),
    ],
)
def test_times_as_numbers_are_read_by_their_size(
    tmp_path: Path, factor: int, arrow_type: pa.DataType
) -> None:
    """Seconds to nanoseconds since 1970 are the same moments, in the view and in the batches."""
    seconds = [int((START + timedelta(hours=i)).timestamp()) * factor for i in range(3)]
    given = pa.array([str(s) for s in seconds] if arrow_type == pa.string() else seconds)
    log = opened(tmp_path, exchanges(3).set_column(2, "started_at", given.cast(arrow_type)))
    expected = {START + timedelta(hours=i) for i in range(3)}

    assert {r["started_at"] for r in rows(log, "exchanges")} == expected
    (batch, _, _) = next(log.batches([]))
    assert set(batch.column("started_at").to_pylist()) == expected
    assert log.usable(batch).to_pylist() == [True] * 3


def test_files_that_write_times_differently_are_one_log(tmp_path: Path) -> None:
    """A sender that changes from milliseconds to timestamps loses no day."""
    folder = tmp_path / "exchanges"
    folder.mkdir()
    milliseconds = pa.array(
        [int((START + timedelta(hours=i)).timestamp()) * 1000 for i in range(2)]
    )
    pq.write_table(exchanges(2).set_column(2, "started_at", milliseconds), folder / "a.parquet")
    pq.write_table(exchanges(2), folder / "b.parquet")
    log = open_log(exchanges=folder)

    assert [r["started_at"] for r in rows(log, "exchanges")].count(START) == 2
    batches = [b.column("started_at").to_pylist() for b, _, _ in log.batches([])]
    assert batches[0] == batches[1]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("2026-05-04 12:00:00", NOON),
        ("2026-05-04T14:00:00+02:00", NOON),
        ("noon", None),
        (float("nan"), None),
        (1e30, None),
        (-5, datetime(1969, 12, 31, 23, 59, 55, tzinfo=UTC)),
    ],
)
def test_view_and_batches_agree_on_every_time(
    tmp_path: Path, given: object, wanted: datetime | None
) -> None:
    """What one takes, the other takes; what is no time is null in both."""
    log = opened(tmp_path, exchanges(1, finished_at=[given]))

    (row,) = rows(log, "exchanges")
    (batch, _, _) = next(log.batches(["finished_at"]))
    assert row["finished_at"] == wanted
    assert batch.column("finished_at").to_pylist() == [wanted]


TWICE = [
    {"payment_token": "card-1", "phone_token": "phone", "created_at": START - timedelta(days=9)},
    {"payment_token": "card-2", "device_token": "device", "created_at": START - timedelta(days=5)},
]


@pytest.mark.parametrize("rows_told", [TWICE, TWICE[::-1]], ids=["in order", "reversed"])
def test_rows_of_one_account_are_one_account(
    tmp_path: Path, rows_told: list[dict[str, Any]]
) -> None:
    """Each says what it knows; what they contradict each other in is unknown, and is said."""
    table = pa.concat_tables([account(**facts) for facts in rows_told])
    log = opened(tmp_path, exchanges(1), accounts=table)
    (row,) = rows(log, "accounts")

    assert row["payment_token"] is None
    assert (row["phone_token"], row["device_token"]) == ("phone", "device")
    assert row["created_at"] == START - timedelta(days=9)
    assert log.contradicting == {"a0": ("created_at", "payment_token")}


def test_a_row_written_twice_contradicts_nothing(tmp_path: Path) -> None:
    """The same file shipped twice."""
    table = pa.concat_tables([account(payment_token="card")] * 2)
    log = opened(tmp_path, exchanges(1), accounts=table)
    (row,) = rows(log, "accounts")

    assert row["payment_token"] == "card"
    assert log.contradicting == {}


def test_of_two_organisations_the_one_that_declares_counts(tmp_path: Path) -> None:
    """A declaration protects: a row that lost it takes nothing away."""
    since = START - timedelta(days=100)
    declared = {
        "organization_id": "z",
        "organization_verified": "contract",
        "organization_since": since,
        "plan": "enterprise",
    }
    other = {"organization_id": "a", "organization_verified": "none", "plan": "free"}
    table = pa.concat_tables([account(**other), account(**declared), account()])
    (row,) = rows(opened(tmp_path, exchanges(1), accounts=table), "accounts")

    assert {name: row[name] for name in declared} == declared


def test_columns_of_ones_own_are_kept(tmp_path: Path) -> None:
    """The contract lets a source have more to say."""
    log = opened(tmp_path, exchanges(2, gateway=["g", "h"]))

    assert {r["gateway"] for r in rows(log, "exchanges")} == {"g", "h"}


def test_until_hides_exchanges_of_that_moment_and_later(tmp_path: Path) -> None:
    """Before noon is before noon, in the view and in the batches."""
    log = opened(tmp_path, exchanges(24), until=NOON)

    assert {r["exchange_id"] for r in rows(log, "exchanges")} == {f"x{i}" for i in range(12)}
    (batch, _, _) = next(log.batches([]))
    assert log.usable(batch).to_pylist() == [i < 12 for i in range(24)]


@pytest.mark.parametrize(("hours", "known"), [(11, True), (12, False), (13, False)])
def test_until_hides_what_later_became_of_an_account(
    tmp_path: Path, hours: int, known: bool
) -> None:
    """A closure and a declaration count from their own moment on."""
    then = START + timedelta(hours=hours)
    facts = account(
        status="banned", closed_at=then, closed_reason="abuse",
        organization_id="o", organization_since=then, restored_at=then,
    )  # fmt: skip
    (row,) = rows(opened(tmp_path, exchanges(1), accounts=facts, until=NOON), "accounts")

    assert (row["status"] == "banned") is known
    assert (row["closed_at"] == then) is known
    assert (row["closed_reason"] == "abuse") is known
    assert (row["restored_at"] == then) is known
    assert (row["organization_id"] == "o") is known


def test_until_hides_accounts_that_had_not_signed_up(tmp_path: Path) -> None:
    """Nothing is known of an account before there is one; without a date it is kept."""
    late = account(created_at=NOON + timedelta(hours=1))
    undated = account(account_id="a1")
    log = opened(tmp_path, exchanges(1), accounts=pa.concat_tables([late, undated]), until=NOON)

    assert [r["account_id"] for r in rows(log, "accounts")] == ["a1"]


def test_an_account_written_twice_is_one_account(tmp_path: Path) -> None:
    """The first sign-up is taken, so that a join does not double an account's exchanges."""
    table = pa.concat_tables([account(created_at=NOON), account(created_at=START)])
    (row,) = rows(opened(tmp_path, exchanges(1), accounts=table), "accounts")

    assert row["created_at"] == START


def test_batches_keep_the_row_numbers_of_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bad rows are there too, so that a locator finds its text again."""
    monkeypatch.setattr(log_module, "BATCH_ROWS", 4)
    table = exchanges(10).set_column(1, "account_id", pa.array([None, ""] * 5))
    log = opened(tmp_path, table)

    found = [(path.name, first, batch.num_rows) for batch, path, first in log.batches([])]

    assert found == [("exchanges.parquet", n, min(4, 10 - n)) for n in (0, 4, 8)]
    ids = [i for batch, _, _ in log.batches([]) for i in batch.column("exchange_id").to_pylist()]
    assert ids == [f"x{i}" for i in range(10)]


def test_rows_that_name_nobody_or_no_time_are_counted_and_unusable(tmp_path: Path) -> None:
    """Each reason has its number; what is merely later than `until` is not a fault."""
    table = exchanges(5).set_column(1, "account_id", pa.array(["a", None, "", "b", "c"]))
    log = opened(tmp_path, table, until=START + timedelta(hours=4))
    (batch, _, _) = next(log.batches([]))

    assert log.usable(batch).to_pylist() == [True, False, False, True, False]
    assert log.left_out == {"id, account or time is missing or no such value": 2}


def test_repeated_ids_are_shown_once_when_asked(tmp_path: Path) -> None:
    """A file shipped twice counts once in every query, the earliest row standing."""
    table = exchanges(6)
    later = table.set_column(
        2, "started_at", pa.array([START + timedelta(days=3)] * 6, pa.timestamp("us", "UTC"))
    )
    log = opened(tmp_path, pa.concat_tables([later, table, table]))

    log.hide_repeated_ids()

    seen = {r["exchange_id"]: r["started_at"] for r in rows(log, "exchanges")}
    assert len(rows(log, "exchanges")) == 6
    assert seen == {f"x{i}": START + timedelta(hours=i) for i in range(6)}


def test_files_of_different_columns_are_one_log(tmp_path: Path) -> None:
    """A column that came with a later release of the gateway is null before it."""
    pq.write_table(exchanges(2), tmp_path / "a.parquet")
    pq.write_table(exchanges(4, model=["m"] * 4).slice(2), tmp_path / "b.parquet")
    log = open_log(exchanges=tmp_path)

    assert sorted(r["model"] or "" for r in rows(log, "exchanges")) == ["", "", "m", "m"]
    assert [b.column("model").null_count for b, _, _ in log.batches(["model"])] == [2, 0]


def test_a_name_with_a_quote_is_no_trap(tmp_path: Path) -> None:
    """Paths go into a query quoted, whatever they are called."""
    pq.write_table(exchanges(2), tmp_path / "o'clock; drop.parquet")

    assert len(rows(open_log(exchanges=tmp_path), "exchanges")) == 2


def test_folders_are_searched_in_a_fixed_order_without_hidden_files(tmp_path: Path) -> None:
    """Partial files of a running writer are not read."""
    (tmp_path / "2026").mkdir()
    for name in ("b.parquet", "2026/a.parquet", ".c.parquet.7.partial", ".d.parquet", "notes.txt"):
        (tmp_path / name).touch()

    assert [p.relative_to(tmp_path).as_posix() for p in parquet_files(tmp_path)] == [
        "2026/a.parquet",
        "b.parquet",
    ]


def test_an_empty_folder_is_no_log(tmp_path: Path) -> None:
    """The message says what to give."""
    with pytest.raises(InputError, match="no Parquet file"):
        open_log(exchanges=tmp_path)


def test_an_empty_table_is_a_log_of_nobody(tmp_path: Path) -> None:
    """A day without traffic opens like any other."""
    log = opened(tmp_path, EXCHANGES.empty())

    assert rows(log, "exchanges") == []
    assert [b.num_rows for b, _, _ in log.batches([])] in ([], [0])
