"""Proxies' rows in the lake: whichever comes first, an exchange gets its own network, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_rows import overtaken

from stillwatch.lake.check import check_lake
from stillwatch.lake.manifest import MANIFEST, Manifest
from stillwatch.lake.network import NetworkNews
from stillwatch.lake.sketch import sketch_exchanges
from stillwatch.lake.store import Lake
from stillwatch.lake.writer import LakeWriter
from stillwatch.records import EXCHANGES, TIMESTAMP

START = datetime(2026, 3, 1, 23, tzinfo=UTC)
_NETWORK = ("client_ip", "client_net_token", "tls_fingerprint", "user_agent", "network_log")
_SEEN = pa.schema(
    [
        ("request_id", pa.string()),
        ("started_at", TIMESTAMP),
        ("network_log", pa.string()),
        ("finished_at", TIMESTAMP),
        ("client_ip", pa.string()),
        ("client_net_token", pa.string()),
        ("public_address", pa.bool_()),
        ("tls_fingerprint", pa.string()),
        ("user_agent", pa.string()),
    ]
)


def said(number: int, *, account: str | None = None, **more: Any) -> dict[str, Any]:
    """An exchange, half an hour after the one before."""
    return {
        "exchange_id": f"e{number}",
        "account_id": account or f"a{number % 3}",
        "started_at": START + timedelta(minutes=30 * number),
        "request_id": f"r{number}",
        "input_text": f"Question {number} of many, at some length",
        **more,
    }


def seen(number: int, *, host: str = "", **more: Any) -> dict[str, Any]:
    """The row of its request at a proxy, a moment earlier."""
    started = START + timedelta(minutes=30 * number, milliseconds=-3)
    host = host or f"net{number % 4}.h{number}"
    return {
        "request_id": f"r{number}",
        "started_at": started,
        "network_log": "envoy",
        "finished_at": started + timedelta(seconds=2),
        "client_ip": host,
        "client_net_token": host.partition(".")[0],
        "public_address": True,
        "tls_fingerprint": f"ja4-{number % 2}",
        "user_agent": "sdk",
        **more,
    }


def add(path: Path, *rows: dict[str, Any]) -> LakeWriter:
    """Import rows of either kind in one commit."""
    lake = Lake.open(path) if (path / MANIFEST).exists() else Lake.create(path, "key-1")
    with lake.writer() as writer:
        for row in rows:
            if "exchange_id" not in row:
                writer.add("network", pa.Table.from_pylist([row], schema=_SEEN))
                continue
            fields = [EXCHANGES.arrow.field(n) for n in row if n in EXCHANGES.names]
            extra = [pa.field(n, pa.string()) for n in row if n not in EXCHANGES.names]
            writer.add("exchanges", pa.Table.from_pylist([row], schema=pa.schema(fields + extra)))
    return writer


def news(writer: LakeWriter) -> tuple[int, int, int, int]:
    """Joined, doubled, contested, waiting."""
    found = writer.added.network or NetworkNews()
    return found.joined, found.doubled, found.contested, found.waiting


def exchanges(path: Path) -> dict[str, dict[str, Any]]:
    rows = [
        r for file in Lake.open(path).files("exchanges") for r in pq.read_table(file).to_pylist()
    ]
    assert len({row["exchange_id"] for row in rows}) == len(rows)
    return {row["exchange_id"]: row for row in rows}


def network_of(path: Path, exchange_id: str) -> tuple[Any, ...]:
    row = exchanges(path)[exchange_id]
    return tuple(row.get(name) for name in _NETWORK)


def test_an_exchange_of_a_source_is_known_by_the_id_that_was_sent(tmp_path: Path) -> None:
    """It is stored as `source:id`; the proxy's log knows the id, and joins by it."""
    told = said(1, exchange_id="east:r1", source_id="east", request_id=None)
    writer = add(tmp_path / "lake", told, said(2, request_id=None), seen(1), seen(2))

    assert news(writer) == (1, 0, 0, 1)
    assert network_of(tmp_path / "lake", "east:r1")[0] == "net1.h1"


def _check_sketches(path: Path) -> None:
    """Row for row beside the exchanges, as a scan needs them."""
    lake = Lake.open(path)
    pairs = list(zip(lake.files("exchanges"), lake.files("sketches"), strict=True))
    assert pairs
    for exchange_file, sketch_file in pairs:
        (batch,) = pq.read_table(exchange_file).combine_chunks().to_batches()
        assert pq.read_table(sketch_file).to_pylist() == sketch_exchanges(batch).to_pylist()


@pytest.mark.parametrize("first", ["exchange", "network", "together"])
def test_whichever_comes_first_the_exchange_gets_its_network(first: str, tmp_path: Path) -> None:
    """And the row that is alone is kept and counted until then."""
    lake = tmp_path / "lake"
    if first == "together":
        assert news(add(lake, said(1), seen(1))) == (1, 0, 0, 0)
    elif first == "exchange":
        add(lake, said(1))
        assert news(add(lake, seen(1))) == (1, 0, 0, 0)
    else:
        assert news(add(lake, seen(1))) == (0, 0, 0, 1)
        assert news(add(lake, said(1))) == (1, 0, 0, 0)

    assert network_of(lake, "e1") == ("net1.h1", "net1", "ja4-1", "sdk", "envoy")
    _check_sketches(lake)


@pytest.mark.parametrize("rows", [[said(1), said(2)], [seen(1), seen(2)]], ids=["said", "seen"])
def test_importing_again_changes_nothing(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """To the byte of the manifest."""
    add(tmp_path / "lake", said(1), said(2), seen(1), seen(2))
    before = (tmp_path / "lake" / MANIFEST).read_bytes()

    writer = add(tmp_path / "lake", *rows)

    assert (writer.added.imported, writer.added.duplicates) == (0, 2)
    assert (tmp_path / "lake" / MANIFEST).read_bytes() == before


@settings(max_examples=8, deadline=None)
@given(st.permutations([0, 1, 2, 3, 10, 11, 12, 13]), st.integers(1, 7), st.integers(1, 7))
def test_the_lake_does_not_depend_on_the_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cut: int, other_cut: int
) -> None:
    """However the rows of both logs, over two days, are spread over three imports."""
    path = tmp_path_factory.mktemp("lakes") / "lake"
    rows = [said(n) if n < 10 else seen(n - 10) for n in order]
    first, second = sorted((cut, other_cut))

    for part in (rows[:first], rows[first:second], rows[second:]):
        writer = add(path, *part)

    assert writer.added.network is None or writer.added.network.waiting == 0
    assert {e: network_of(path, e) for e in exchanges(path)} == {
        f"e{n}": (f"net{n}.h{n}", f"net{n}", f"ja4-{n % 2}", "sdk", "envoy") for n in range(4)
    }
    _check_sketches(path)


def test_only_the_files_that_gain_something_are_written_anew(tmp_path: Path) -> None:
    """The reader of an earlier snapshot keeps its files; others stay as they are."""
    lake = tmp_path / "lake"
    add(lake, said(1), said(60))
    reader = Lake.open(lake)

    add(lake, seen(60))

    before, after = reader.files("exchanges"), Lake.open(lake).files("exchanges")
    assert before[0] == after[0]
    assert before[1] != after[1]
    assert all(path.exists() for path in before)
    assert Lake.open(lake).files("sketches") == reader.files("sketches")


def test_files_keep_their_places_through_many_imports(tmp_path: Path) -> None:
    """Files of one day, written anew at different times, still stand beside their sketches."""
    lake = tmp_path / "lake"
    for numbers in ((2, 3, 4), (5, 6, 7), (8, 9, 10)):
        add(lake, *map(said, numbers))
    for number in (6, 2, 9, 3, 10):
        add(lake, seen(number))
        _check_sketches(lake)
    add(lake, said(11), seen(4))

    _check_sketches(lake)
    joined = {e for e, row in exchanges(lake).items() if row.get("network_log")}
    assert joined == {f"e{n}" for n in (2, 3, 4, 6, 9, 10)}


def test_a_killed_import_leaves_the_lake_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exchanges written anew are not there before the commit, and what was written goes."""
    lake = tmp_path / "lake"
    add(lake, said(1))
    before = {p: p.read_bytes() for p in lake.rglob("*.parquet")}

    def fail(_manifest: Manifest, _lake: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "write", fail)
        with pytest.raises(KeyboardInterrupt):
            add(lake, seen(1))

    assert {p: p.read_bytes() for p in lake.rglob("*.parquet")} == before
    assert news(add(lake, seen(1))) == (1, 0, 0, 0)


def test_of_doubled_rows_the_first_is_taken(tmp_path: Path) -> None:
    """The first that arrived, not the first that was logged; the lake says that there were more."""
    late = seen(1, host="net1.h1", tls_fingerprint="ja4-late")
    late["started_at"] += timedelta(seconds=1)

    assert news(add(tmp_path / "lake", said(1), late, seen(1))) == (1, 1, 0, 0)

    assert network_of(tmp_path / "lake", "e1")[2] == "ja4-1"


@pytest.mark.parametrize(
    "rows",
    [
        [said(1), seen(1), seen(1, host="net9.h9")],
        [said(1), said(1, account="b", exchange_id="e9"), seen(1)],
    ],
    ids=["two addresses", "two accounts"],
)
def test_an_id_that_clients_chose_gives_nobody_a_network(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Another customer's address would tie strangers."""
    _, _, contested, waiting = news(add(tmp_path / "lake", *rows))

    assert contested == len(exchanges(tmp_path / "lake"))
    assert waiting == 0
    assert all(row.get("network_log") is None for row in exchanges(tmp_path / "lake").values())


def test_an_id_of_many_rows_is_none(tmp_path: Path) -> None:
    """A client that always sends one id: its rows and exchanges are not all tried on each other."""
    rows = [seen(1, started_at=START + timedelta(minutes=30, seconds=n)) for n in range(80)]

    assert news(add(tmp_path / "lake", said(1), *rows)) == (0, 0, 1, 0)


def test_extra_columns_may_have_any_name(tmp_path: Path) -> None:
    """Those that the queries of the join use for themselves too."""
    extra = dict.fromkeys(("filename", "part", "seen", "moves", "rows", "told"), "mine")
    add(tmp_path / "lake", said(1, **extra))
    add(tmp_path / "lake", seen(1))
    add(tmp_path / "lake", said(2, **extra), seen(2))

    for exchange_id in ("e1", "e2"):
        row = exchanges(tmp_path / "lake")[exchange_id]
        assert row["network_log"] == "envoy"
        assert extra.items() <= row.items()


def test_an_id_that_another_account_used_already_gives_nothing(tmp_path: Path) -> None:
    """Also where the first of the two has its network by then."""
    add(tmp_path / "lake", said(1), seen(1))

    assert news(add(tmp_path / "lake", said(1, account="b", exchange_id="e9")))[:3] == (0, 0, 1)


@pytest.mark.parametrize("minutes", [-60, 60, 24 * 60])
def test_an_id_that_comes_again_at_another_time_is_another_request(
    minutes: int, tmp_path: Path
) -> None:
    """Its row waits for an exchange of its own time."""
    other = seen(1, started_at=START + timedelta(minutes=30 + minutes))

    assert news(add(tmp_path / "lake", said(1), other | {"finished_at": None})) == (0, 0, 0, 1)


def test_an_exchange_that_is_told_at_its_end_is_found(tmp_path: Path) -> None:
    """Some logs know only when the answer was complete, two hours after the request came."""
    row = seen(1)
    row["started_at"] -= timedelta(hours=2)

    assert news(add(tmp_path / "lake", said(1), row)) == (1, 0, 0, 0)


def test_a_log_that_is_named_by_the_request_needs_no_other_id(tmp_path: Path) -> None:
    """Where the exchange's own id is the proxy's."""
    exchange = said(1, exchange_id="r1")
    del exchange["request_id"]

    assert news(add(tmp_path / "lake", exchange, seen(1))) == (1, 0, 0, 0)


_CLAIMED = {
    "client_ip": "net8.h8",
    "client_net_token": "net8",
    "client_asn": 64500,
    "client_country": "NO",
    "client_network": "hosting",
    "tls_fingerprint": "ja4-claimed",
    "user_agent": "claimed",
}


def test_what_the_proxy_measured_outweighs_what_a_header_claimed(tmp_path: Path) -> None:
    """The address, with what was said of it, and the fingerprint; a user agent is a claim in both."""
    add(tmp_path / "lake", said(1, **_CLAIMED), seen(1))

    row = exchanges(tmp_path / "lake")["e1"]
    assert (row["client_ip"], row["client_net_token"]) == ("net1.h1", "net1")
    assert (row["client_asn"], row["client_country"], row["client_network"]) == (None,) * 3
    assert (row["tls_fingerprint"], row["user_agent"]) == ("ja4-1", "claimed")


def test_what_is_known_of_the_same_network_stays(tmp_path: Path) -> None:
    """An address of the network that the exchange had already moves nobody."""
    claimed = _CLAIMED | {"client_ip": "net1.h2", "client_net_token": "net1"}
    add(tmp_path / "lake", said(1, **claimed), seen(1))

    row = exchanges(tmp_path / "lake")["e1"]
    assert (row["client_ip"], row["client_asn"], row["client_country"]) == ("net1.h1", 64500, "NO")


def test_a_private_address_only_fills(tmp_path: Path) -> None:
    """It may be a load balancer's: better than nothing, and worse than anything else."""
    mine = {"public_address": False}
    add(tmp_path / "lake", said(1, **_CLAIMED), said(2), seen(1, **mine), seen(2, **mine))

    assert network_of(tmp_path / "lake", "e1")[:3] == ("net8.h8", "net8", "ja4-1")
    assert network_of(tmp_path / "lake", "e2")[:3] == ("net2.h2", "net2", "ja4-0")


def test_a_lake_without_such_logs_is_as_it_was(tmp_path: Path) -> None:
    """No column is added, and nothing is said."""
    writer = add(tmp_path / "lake", said(1))

    assert writer.added.network is None
    assert set(exchanges(tmp_path / "lake")["e1"]) == set(said(1))


@pytest.mark.parametrize("is_log_first", [True, False])
def test_network_is_joined_when_both_logs_are_imported_at_once(
    tmp_path: Path, is_log_first: bool
) -> None:
    """Prepared at once, whichever commits first, exchanges get their network; the lake is whole."""
    path = tmp_path / "lake"
    add(path, said(9))
    both = [[seen(1), seen(9)], [said(1), said(2)]]
    first, second = both if is_log_first else reversed(both)

    with overtaken(lambda: add(path, *first)):
        add(path, *second)

    assert [network_of(path, f"e{n}")[0] for n in (1, 9)] == ["net1.h1", "net1.h9"]
    assert set(exchanges(path)) == {"e1", "e2", "e9"}
    assert check_lake(path).problems == []
