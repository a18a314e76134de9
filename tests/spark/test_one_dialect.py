"""What engines read differently is pinned: each named query gives the same rows on both."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from dataclasses import fields as fields_of
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from same_findings import assert_same_rows

from planted_logs import LogBook
from stillwatch.lake.log import Log, open_log
from stillwatch.lake.spark.log import SparkLog, on_spark
from stillwatch.records import EXCHANGES
from stillwatch.signals.traffic import Traffic, read_traffic

pytestmark = pytest.mark.spark

MIDNIGHT = datetime(2026, 3, 5, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

HOSTILE = ("'", "\\", "$x :x -- ;", "\t\n", "İSTANBUL ΣΊΣΥΦΟΣ ﬁ", "\U0001f9ea" * 3, "a" * 70_000)


@dataclass
class Both:
    """One log on both engines."""

    here: Log
    there: SparkLog

    def agree(self, query: str, **asked: Any) -> list[dict[str, Any]]:
        """The rows of an answer, which is the same on both."""
        one, other = self.here.ask(query, **asked), self.there.ask(query, **asked)
        assert one.num_rows > 0
        assert_same_rows(_plain(one), _plain(other), query)
        rows: list[dict[str, Any]] = one.to_pylist()
        return rows


def _plain(table: pa.Table) -> pa.Table:
    """Engines differ in the width of whole numbers and in what may be null, which no caller sees."""
    fields = [
        pa.field(f.name, pa.int64() if pa.types.is_integer(f.type) else f.type)
        for f in table.schema
    ]
    return table.cast(pa.schema(fields))


def both(session: Any, book: LogBook, folder: Path) -> Both:
    return Both(book.open(folder), on_spark(book.open(folder), session))


def expression(session: Any, log: Log, sql: str, values: list[Any], kind: pa.DataType) -> None:
    """An expression over `value` is the same on both engines, for each of the values."""
    table = pa.table({"place": range(len(values)), "value": pa.array(values, kind)})
    query = f"select place, {sql} as found from given order by place"
    log.connection.register("given", table)
    here = log.connection.sql(query).to_arrow_table()["found"].to_pylist()
    session.createDataFrame(table).createOrReplaceTempView("given")
    there = session.sql(query).toArrow()["found"].to_pylist()
    different = [
        (value, one, other)
        for value, one, other in zip(values, here, there, strict=True)
        if one != other
    ]
    assert different == []


def a_log(folder: Path) -> Log:
    book = LogBook()
    book.exchange("a", None, MIDNIGHT)
    return book.open(folder)


def test_hashes_are_the_same_sixty_bits_of_md5(session: Any, tmp_path: Path) -> None:
    """`stable_hash` is that of Python's hashlib on both engines, whatever the text."""
    log = a_log(tmp_path)
    expression(session, log, "stable_hash(value)", [*HOSTILE, "", None], pa.string())
    (found,) = session.sql("select stable_hash('ü:x')").toArrow().column(0).to_pylist()
    assert found == int(hashlib.md5("ü:x".encode()).hexdigest()[:15], 16)


def test_numbers_are_written_alike(session: Any, tmp_path: Path) -> None:
    """`number_text` writes each number as DuckDB does, which parts of a fingerprint rest on.

    Java before 19 does not find the shortest decimal of some numbers of sixteen digits or beyond 1e20:
    their fingerprints differ from DuckDB's, and are equal where the numbers are, as everywhere.
    """
    draw = random.Random(1)
    numbers = [
        *(0.0, -0.0, 1.0, 0.7, 1e-3, 1e-4, 9.999e-4, 1e-5, -2.5e-7, 1e7, 12345678.5, 1e15, 1e16),
        *(123456789012345.6, 1.5e17, float("nan"), float("inf"), float("-inf"), None),
        *(round(draw.uniform(-2, 2), draw.randrange(9)) for _ in range(200)),
        *(float(f"{draw.randrange(1, 10**5)}e{draw.randrange(-14, 13)}") for _ in range(300)),
    ]
    expression(session, a_log(tmp_path), "number_text(value)", numbers, pa.float64())


def test_days_and_hours_are_cut_in_utc(session: Any, tmp_path: Path) -> None:
    """Around midnight, a microsecond decides, though machine and cluster live in Nepal."""
    book = LogBook()
    for account in ("a", "b"):
        for moment in (MIDNIGHT - MICROSECOND, MIDNIGHT, MIDNIGHT + timedelta(hours=5, minutes=45)):
            book.exchange(account, None, moment, cache_key="k", turn_index=1)
    log = both(session, book, tmp_path)
    facts = log.agree("shared_facts", parameters={"hours": 24})
    assert [row["exchanges"] for row in facts if row["kind"] == "cache_key"] == [1, 2, 1, 2]
    days = log.agree("carried_history")
    assert [row["day"] % 86_400_000_000 for row in days] == [0] * 4
    assert [row["going_on"] for row in days] == [1, 2, 1, 2]
    assert session.sql("select cast(moment('2026-03-05 00:00:00+00') as string)").first()[0] == (
        "2026-03-05 00:00:00"
    )


def test_whole_numbers_are_divided_alike(session: Any, tmp_path: Path) -> None:
    """Exchanges fall into the same six hours: nothing is rounded up."""
    book = LogBook()
    edges = [MIDNIGHT + timedelta(hours=6 * n) for n in range(4)]
    for account in ("a", "b"):
        for edge in edges:
            book.exchange(account, None, edge, cache_key="k")
            book.exchange(account, None, edge - MICROSECOND, cache_key="k")
    facts = both(session, book, tmp_path).agree("shared_facts", parameters={"hours": 6})
    assert [row["exchanges"] for row in facts if row["kind"] == "cache_key"] == [1, 2, 2, 2, 1] * 2


def test_nulls_come_last_where_one_of_several_is_taken(session: Any, tmp_path: Path) -> None:
    """Of declarations alike the one with a date counts, and of handovers what is known."""
    book = LogBook()
    book.exchange("a", None, MIDNIGHT)
    declared = {"organization_verified": "kyc"}
    book.account("a", organization_id="undated", **declared)
    book.account("a", organization_id="dated", organization_since=MIDNIGHT, **declared)
    book.account("a")
    book.account("b", organization_verified="contract")
    book.account("b", organization_id="unverified")
    log = both(session, book, tmp_path)
    rows = log.agree("account_facts")
    assert [row["organization_id"] for row in rows] == ["dated", "unverified"]
    assert [row["organization_verified"] for row in rows] == ["kyc", None]


def test_named_queries_have_no_regular_expression() -> None:
    """Engines read them differently, so that no query that both are asked may have one."""
    from stillwatch.lake.queries import load_query

    asked = ["account_attributes", "account_facts", "accounts_known", "accounts_once", "actor_values", "carried_history", "exchanges_known", "exchanges_once", "handovers", "member_traffic", "releases", "shared_facts", "texts_again"]  # fmt: skip
    for name in asked:
        text = load_query(name).lower()
        assert not any(word in text for word in ("regexp", "rlike", "similar to", "~", " glob "))


def _told(book: LogBook) -> None:
    """Exchanges that take over, go on, present and repeat, with gaps of every kind."""
    draw = random.Random(7)
    maybe = lambda *values: draw.choice([*values, None])  # noqa: E731
    for number in range(400):
        account = f"a{draw.randrange(12)}"
        book.exchange(
            account,
            maybe(*HOSTILE, "Please list seven rivers that flow north and say why."),
            MIDNIGHT + timedelta(minutes=draw.randrange(3000), seconds=draw.randrange(2)),
            model=maybe("m-1", "m-2"),
            turn_index=maybe(0, 1, 2),
            conversation_id=maybe(*(f"c{n}" for n in range(30))),
            system_text=maybe("You are Zephyra 4, a language model made by Quillmark.", "Be kind"),
            temperature=maybe(0.7, 1e-5, 1.0),
            max_output_tokens=maybe(100, 2**40),
            settings=maybe({"n": 1, "top_p": 0.00025, "seed": 7, "reasoning_effort": "high"}, {}),
            user_agent=maybe("x/1", "y/2"),
            tls_fingerprint=maybe("t13d"),
            client_net_token=maybe("net:1", "net:2", "other"),
            client_asn=maybe(64_512),
            client_metadata=maybe("{}", "no json", "[1]", *(json.dumps({"k": h}) for h in HOSTILE)),
            credential_id=maybe("k1", "k2"),
            end_user_token=maybe("u1", "u2"),
            reasoning_signature_issued=maybe(*(f"r{n}" for n in range(20))),
            reasoning_signatures_presented=maybe(
                [], *([f"r{n}", None, f"r{n}"] for n in range(20))
            ),
            prefix_digests=maybe([], ["d1"], *(["d0", f"d{n}", f"d{n + 1}"] for n in range(9))),
            output_digest=maybe(*(f"d{n}" for n in range(9))),
            tool_names=maybe([], ["search", None]),
            finished_at=maybe(MIDNIGHT, MIDNIGHT + timedelta(days=2)),
            output_tokens=maybe(5, 2**33),
            exchange_id=f"x{number:03}",
        )


@pytest.mark.parametrize("seed", [1])
def test_every_query_gives_the_same_rows(session: Any, tmp_path: Path, seed: int) -> None:
    """On a log that has gaps, repetitions and hostile text in every column."""
    book = LogBook(seed)
    _told(book)
    for number in range(12):
        book.account(f"a{number}", signup_asn=7, payment_token=f"p{number % 3}", plan="team")
    log = both(session, book, tmp_path)
    log.agree("account_attributes")
    log.agree("shared_facts", parameters={"hours": 12})
    kinds = {row["kind"] for row in log.agree("handovers")}
    assert kinds == {"reasoning_block", "conversation"}
    assert any(row["foreign_history"] for row in log.agree("carried_history"))
    wanted = [
        {"profile": number, "family": family, "value": value}
        for number, (family, value) in enumerate(
            [("infrastructure", "net:"), ("infrastructure", "64512"), ("metadata", "x/1")]
            + [("metadata", text) for text in HOSTILE]
        )
    ]
    tables = {"actor_values": pa.Table.from_pylist(wanted)}
    found = {row["profile"] for row in log.agree("actor_values", tables=tables)}
    assert found == set(range(len(wanted)))
    _same_member_traffic(log, book)


def _same_member_traffic(log: Both, book: LogBook) -> None:
    chosen = [row for row in book.exchanges if row["account_id"] < "a5"][::2]
    attributed = pa.table(
        {
            "campaign_id": ["C1"] * len(chosen),
            "exchange_id": [row["exchange_id"] for row in chosen],
            "account_id": [row["account_id"] for row in chosen],
        }
    )
    answers = [
        _in_order(engine.ask("member_traffic", tables={"attributed": attributed}))
        for engine in (log.here, log.there)
    ]
    assert answers[0] == answers[1]
    assert any(row["networks"] and row["credentials"] for row in answers[0])


def _in_order(table: pa.Table) -> list[dict[str, Any]]:
    """Lists come in no order."""
    return [
        {k: sorted(map(str, v)) if isinstance(v, list) else v for k, v in row.items()}
        for row in table.to_pylist()
    ]


def test_sketches_and_columns_of_the_traffic_are_bit_identical(
    session: Any, tmp_path: Path
) -> None:
    """Texts are sketched in executors, by the same kernel; what comes back is equal to the bit."""
    book = LogBook()
    _told(book)
    log = both(session, book, tmp_path)
    _same_traffic(read_traffic(log.here), read_traffic(log.there))


def _same_traffic(one: Traffic, other: Traffic) -> None:
    assert len(one) == len(other) > 0
    for item in fields_of(Traffic):
        left, right = getattr(one, item.name), getattr(other, item.name)
        if item.name in ("shingles", "terms"):
            assert len(left.values) > 0
            assert np.array_equal(left.values, right.values)
            assert np.array_equal(left.starts, right.starts)
        elif item.name == "requests":
            for part in fields_of(left):
                assert np.array_equal(getattr(left, part.name), getattr(right, part.name))
        elif item.name == "exchange_ids":
            assert left.equals(right)
        elif item.name == "files":
            assert left == right
        else:
            assert np.array_equal(left, right), item.name


def test_files_that_spark_cannot_read_itself_are_read_like_others(
    session: Any, tmp_path: Path
) -> None:
    """Moments in nanoseconds or as text, numbers of other widths, and names that look like patterns."""
    book = LogBook()
    _told(book)
    folder = tmp_path / "day[1] {a,b}*"
    folder.mkdir()
    table = EXCHANGES.table(book.exchanges)
    moment = table.schema.get_field_index("started_at")
    kinds = {
        "own": table,
        "_hidden": table,
        "nano": _retyped(table, moment, table["started_at"].cast(pa.timestamp("ns", tz="UTC"))),
        "text": _retyped(table, moment, table["started_at"].cast(pa.string())),
        "seconds": _retyped(
            table, moment, table["started_at"].cast(pa.timestamp("s", tz="UTC"), safe=False)
        ),
        "few": table.select(["exchange_id", "account_id", "started_at", "cache_key", "model"]),
    }
    for number, (name, rows) in enumerate(kinds.items()):
        ids = pa.array([f"{number}-{i}" for i in range(rows.num_rows)])
        pq.write_table(_retyped(rows, 0, ids), folder / f"{name}.parquet", row_group_size=70)
    log = Both(open_log(exchanges=folder), on_spark(open_log(exchanges=folder), session))
    facts = log.agree("shared_facts", parameters={"hours": 24})
    assert sum(row["exchanges"] for row in facts) > 6 * 400
    log.agree("handovers")
    _same_traffic(read_traffic(log.here), read_traffic(log.there))


def _retyped(table: pa.Table, column: int, values: Any) -> pa.Table:
    return table.set_column(column, table.schema.names[column], values)
