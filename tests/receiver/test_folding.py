"""From the spool into the lake: once, whatever dies in between, and nothing that came is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from otlp_builders import model_call, traces
from stations import KEY, NDJSON, PROTOBUF, Station, exchange, exchanges, litellm, ndjson

from stillwatch.cli.main import run
from stillwatch.identity import store_key
from stillwatch.lake.rotation import rotate_lake
from stillwatch.lake.store import Lake
from stillwatch.receiver.rejected_files import RejectedFiles
from stillwatch.receiver.spool import Spool
from stillwatch.records import InputError, StillwatchError
from stillwatch.sources.quarantine import read_quarantine


def test_a_fold_that_dies_after_its_commit_is_done_again(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lake has the rows, the spool has them too, and the next fold doubles none of them."""
    nameless = exchange(5)
    del nameless["exchange_id"]
    station.exchanges([*exchanges(3), nameless, exchange(9, started_at="never")])
    station.post(
        "litellm", json.dumps([litellm(1), litellm(2, id="", litellm_call_id="")]).encode()
    )
    _send(station, model_call(1), _without_account(2))

    def dies(*_arguments: Any, **_named: Any) -> None:
        raise StillwatchError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "settle", dies)
        with pytest.raises(StillwatchError, match="killed"):
            station.fold()
    waiting = station.spool.backlog().rows
    again = station.fold()

    assert waiting == 9
    assert (again.imported, again.duplicates, again.rejected) == (0, 7, 2)
    assert len(station.rows("exchanges")) == 7
    assert len(station.rows("quarantine")) == 2
    assert station.spool.backlog().rows == 0


def test_batches_sent_again_are_once_in_the_lake(station: Station) -> None:
    """In one fold, across folds, and with other rows between them."""
    for first in (0, 2, 0, 4):
        station.exchanges(exchanges(4, first=first))
    folded = station.fold()
    station.exchanges(exchanges(8))
    later = station.fold()

    assert (folded.imported, folded.duplicates) == (8, 8)
    assert (later.imported, later.duplicates) == (0, 8)


def test_one_fold_makes_two_files_a_day(station: Station) -> None:
    """Exchanges and their sketches, however many requests they came in and whatever their columns."""
    for number in range(40):
        station.exchanges([exchange(number, **({"model": "m"} if number % 2 else {}))])
    station.fold()

    lake = Lake.open(station.lake)
    assert [len(lake.files(table)) for table in ("exchanges", "sketches")] == [1, 1]
    assert {row["model"] for row in station.rows("exchanges")} == {"m", None}


def test_columns_of_two_kinds_do_not_stop_a_fold(station: Station) -> None:
    """Extra columns of one name that differ in type are taken as the lake takes them."""
    station.exchanges([exchange(1, region="x")])
    station.exchanges([exchange(2, region=5)])
    station.exchanges([exchange(3, region=[1, {"a": None}])])

    assert station.fold().imported == 3


def test_rejected_rows_can_be_mended_and_imported(tmp_path: Path) -> None:
    """Nothing that came is lost: the quarantine names files from which rows are exported."""
    station = Station(tmp_path, sources=("east",))
    store_key(KEY, tmp_path / "key")
    try:
        body = ndjson([exchange(1, account_id=None), exchange(2)]) + b"{broken\n"
        station.post("exchanges", body, kind=NDJSON, source="east")
        payload = litellm(3, metadata={})
        station.post("litellm", json.dumps([payload]).encode(), source="east")
        _send(station, _without_account(4), source="east")
        station.fold()
    finally:
        station.close()
    private = [p.stat().st_mode & 0o077 for p in (station.lake / ".receiver").rglob("*")]
    out = tmp_path / "out"
    lake = ["--lake", str(station.lake)]

    exported = _run("quarantine", "export", *lake, "--out", out)
    for log_format in ("canonical", "litellm"):
        options = ["--set", "account_id=mended", "--set", "source_id=east", "--mended"]
        _run("import", "--format", log_format, out / log_format, *lake, *options, folder=tmp_path)

    assert exported["exported"] == 4
    assert set(private) == {0}
    accounts = sorted(row["account_id"] for row in station.rows("exchanges"))
    assert accounts == ["east:a2", "east:mended", "east:mended", "east:mended"]
    left = [
        e for e in read_quarantine(Lake.open(station.lake).files("quarantine")) if not e.mended_at
    ]
    assert {"not JSON" in entry.reason for entry in left} == {True}


def test_rejected_rows_are_kept_up_to_a_limit(tmp_path: Path) -> None:
    """Beyond it the quarantine says that a row was not kept, and why it was rejected."""
    files = RejectedFiles(tmp_path / "rejected", most_bytes=30)
    for number in range(3):
        files.add("canonical", b"a row of 20 bytes %02d" % number, "No time.")
    entries = files.finish()

    assert [entry.reason.startswith("No time.") for entry in entries] == [True] * 3
    assert ["not kept" in entry.reason for entry in entries] == [False, True, True]
    (path,) = (tmp_path / "rejected").iterdir()
    assert path.read_bytes() == b"a row of 20 bytes 00\n\n\n"


def test_a_spool_is_carried_over_to_a_rotated_key(tmp_path: Path) -> None:
    """What waited when the key was rotated has the tokens of the new key in the lake."""
    sent = exchange(1, client_ip_raw="192.0.2.1", credential_raw="sk-1")
    first = Station(tmp_path)
    first.exchanges([sent])
    first.fold()
    first.exchanges([{**sent, "exchange_id": "later"}])
    first.close()
    rotated = KEY.rotated()
    rotate_lake(first.lake, rotated)

    second = Station(tmp_path, key=rotated)
    try:
        second.fold()
        second.exchanges([{**sent, "exchange_id": "last"}])
        second.fold()
        rows = second.rows("exchanges")
    finally:
        second.close()

    assert {row["exchange_id"] for row in rows} == {"e1", "later", "last"}
    for column in ("client_ip", "client_net_token", "credential_id", "output_digest"):
        assert len({row[column] for row in rows}) == 1


def test_a_spool_under_a_strangers_key_stays(tmp_path: Path) -> None:
    """Its tokens would agree with none; it is said which key is needed."""
    first = Station(tmp_path)
    first.exchanges(exchanges(2))
    first.close()
    second = Station(tmp_path, key=KEY.rotated().links[-1])
    try:
        with pytest.raises(InputError, match="under the key"):
            second.fold()
        assert second.spool.backlog().rows == 2
    finally:
        second.close()


def _send(station: Station, *spans: dict[str, Any], source: str | None = None) -> None:
    body = traces(*spans).SerializeToString()
    assert station.post("traces", body, kind=PROTOBUF, source=source).status == 200


def _without_account(number: int) -> dict[str, Any]:
    span = model_call(number)
    del span["attributes"]["user.id"]
    return span


def _run(*words: str | Path, folder: Path | None = None) -> dict[str, Any]:
    key = ["--key-file", str(folder / "key")] if folder else []
    done = CliRunner().invoke(run, [*map(str, words), *key, "--json"])
    assert done.exit_code == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report
