"""`stillwatch keys rotate`: old and new stay linked, and no kill leaves them apart."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from killed_commands import KILLED, start_command
from lake_rows import stored

import stillwatch.lake.rotation
import stillwatch.lake.writer
from planted_logs import planted
from stillwatch.cli.main import run
from stillwatch.identity import KeySource
from stillwatch.lake.check import check_lake
from stillwatch.lake.store import Lake
from stillwatch.records import read_findings

TIME = "2026-03-01T00:00:00Z"
MAY = {"account_id": "may", "payment_raw": "4111", "device_raw": "d-1"}
ANN = {"account_id": "ann", "payment_raw": "4111", "device_raw": "d-1"}
SPOKEN = {"started_at": TIME, "input_text": "Explain tides.", "output_text": "The moon pulls."}
ORIGIN = {"client_ip_raw": "192.0.2.1", "credential_raw": "sk-1", "earlier_messages": ["Hello"]}


class Site:
    """A key, a lake, and what is done with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lake = folder / "lake"
        # Its name starts with the lake's, so that steps of work with it are among those counted.
        self.key = folder / "lake.key"

    def made(self) -> Site:
        self.ran("keys", "init", "--key-file", self.key)
        self.imported(MAY, {"account_id": "may", **SPOKEN, **ORIGIN})
        return self

    def words(self, *words: object) -> list[str]:
        return [*map(str, words), "--key-file", str(self.key)]

    def ran(self, *words: object, status: int = 0) -> str:
        result = CliRunner().invoke(run, [*map(str, words)])
        assert result.exit_code == status, result.output
        return result.output

    def imported(self, *rows: dict[str, Any], status: int = 0, key: Path | None = None) -> str:
        log = self.folder / "log"
        log.mkdir(exist_ok=True)
        for number, row in enumerate(rows):
            (log / f"{number}.jsonl").write_text(json.dumps(row) + "\n")
        words = ["import", "--format", "canonical", log, "--lake", self.lake]
        return self.ran(*words, "--key-file", key or self.key, status=status)

    def rotated(self, *words: object, status: int = 0) -> str:
        return self.ran(*self.words("keys", "rotate", "--lake", self.lake, *words), status=status)

    def row(self, table: str, account: str) -> dict[str, Any]:
        (row,) = [r for r in stored(Lake.open(self.lake), table) if r["account_id"] == account]
        return row

    def fingerprints(self) -> tuple[str, str]:
        """Of the key in its file, and of the lake's."""
        return KeySource(self.key).read().fingerprint, Lake.open(self.lake).manifest.key_fingerprint


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path).made()


def test_account_seen_before_and_after_is_one_and_shares_its_facts(site: Site) -> None:
    """The same log again brings nothing, and another account's card and device are the same."""
    before = site.row("accounts", "may")
    site.rotated()

    again = site.imported(MAY, {"account_id": "may", **SPOKEN, **ORIGIN})
    site.imported(ANN, {"account_id": "ann", **SPOKEN, **ORIGIN})

    assert "0 imported, 2 known already" in again
    for table, shared in {
        "accounts": ("payment_token", "device_token"),
        "exchanges": ("client_ip", "client_net_token", "credential_id", "prefix_digests"),
    }.items():
        may, ann = site.row(table, "may"), site.row(table, "ann")
        assert all(may[name] and may[name] == ann[name] for name in shared)
    assert site.row("accounts", "may")["payment_token"] != before["payment_token"]
    assert check_lake(site.lake).problems == []


def test_no_file_of_the_lake_keeps_an_old_token(site: Site) -> None:
    """Not the exchanges, not their sketches, not the earlier values of an account or a key."""
    for day in ("2026-03-02", "2026-03-03"):
        site.imported({"account_id": "may", "credential_raw": "sk-1", "revoked_at": day})
    site.imported({**MAY, "payment_raw": "5500"})
    old = {v for v in _values(site.lake) if _is_token(v)}
    for history in ("account_history", "credential_history"):
        assert len(stored(Lake.open(site.lake), history)) == 1

    site.rotated()

    assert len(old) > 5
    assert not old & set(_values(site.lake))


def _values(lake: Path) -> list[str]:
    snapshot = Lake.open(lake)
    cells = [c for t in snapshot.manifest.tables for r in stored(snapshot, t) for c in r.values()]
    lists = [v for c in cells if isinstance(c, list) for v in c]
    return [v for v in (*cells, *lists) if isinstance(v, str)]


def _is_token(value: str) -> bool:
    return value.partition("_")[0] in ("ex", "net", "cred", "msg", "pay", "device", "addr")


def test_old_key_is_refused_with_words(site: Site) -> None:
    """A copy of the old file opens the rotated lake no more, and the message names what to do."""
    old = site.folder / "old"
    old.write_text(site.key.read_text())
    old.chmod(0o600)
    site.rotated()

    refused = site.imported(ANN, status=2, key=old)

    assert all(fingerprint in refused for fingerprint in site.fingerprints())
    assert "stillwatch keys import" in refused
    assert len(stored(Lake.open(site.lake), "accounts")) == 1
    site.ran("keys", "rotate", "--lake", site.lake, "--key-file", old, status=2)
    assert len(KeySource(old).read().links) == 1, "a key was made for a lake that is under another"


def test_key_brought_to_a_second_machine_takes_the_place_of_its_past(site: Site) -> None:
    """The whole chain comes along: both machines make the same tokens again."""
    second = site.folder / "second"
    site.ran("keys", "import", site.key, "--key-file", second)
    site.rotated()

    site.ran("keys", "import", site.key, "--key-file", second)
    site.imported(ANN, key=second)

    assert second.read_text() == site.key.read_text()
    assert (
        site.row("accounts", "ann")["device_token"] == site.row("accounts", "may")["device_token"]
    )


def test_lake_that_was_not_named_goes_on_under_the_earlier_key(site: Site) -> None:
    """Until it is finished, over two rotations in one."""
    site.ran(*site.words("keys", "rotate"))
    site.ran(*site.words("keys", "rotate"))

    told = site.imported(ANN)
    finished = json.loads(
        CliRunner()
        .invoke(run, site.words("keys", "rotate", "--finish", "--lake", site.lake, "--json"))
        .stdout
    )
    site.imported({**ANN, "account_id": "eve"})

    assert "keys rotate --finish" in told
    assert finished["lakes"][0]["rows"] == 3
    assert len({site.row("accounts", a)["payment_token"] for a in ("may", "ann", "eve")}) == 1
    assert len(set(site.fingerprints())) == 1
    assert len(KeySource(site.key).read().links) == 3


def test_kill_at_every_seventh_step_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """Key and lake fit each other whenever it is killed, an import works, and --finish ends it."""
    seen = set()
    (tmp_path / "first").mkdir()
    Site(tmp_path / "first").made()
    for step in itertools.count(1, 7):
        folder = tmp_path / str(step)
        shutil.copytree(tmp_path / "first", folder)
        site = Site(folder)
        old, _ = site.fingerprints()
        process = start_command(
            site.words("keys", "rotate", "--lake", site.lake),
            lake=site.lake,
            die_at=step,
            output=folder / "told",
        )
        process.join()
        assert process.exitcode in (0, KILLED), (folder / "told").read_text()
        key, lake = site.fingerprints()
        assert lake in (old, key)
        seen.add((key == old, lake == old))
        site.imported(ANN)
        site.rotated("--finish")
        assert check_lake(site.lake).problems == []
        accounts = [site.row("accounts", name) for name in ("may", "ann")]
        assert len({row["payment_token"] for row in accounts}) == 1
        if process.exitcode == 0:
            break
    assert seen == {(True, True), (False, True), (False, False)}


def test_import_that_commits_meanwhile_is_carried_over(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that came after the files were prepared get new tokens, too."""
    real, waiting = stillwatch.lake.rotation.locked, [True]

    def locked(lake: Path) -> Any:
        if waiting and waiting.pop():
            site.imported(ANN, {"account_id": "ann", **SPOKEN, **ORIGIN})
        return real(lake)

    monkeypatch.setattr(stillwatch.lake.rotation, "locked", locked)
    site.rotated()

    for table, name in (("accounts", "payment_token"), ("exchanges", "credential_id")):
        assert site.row(table, "ann")[name] == site.row(table, "may")[name]
    assert "0 imported" in site.imported(MAY, {"account_id": "may", **SPOKEN, **ORIGIN})
    assert check_lake(site.lake).problems == []


def test_import_that_a_rotation_overtook_is_refused(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tokens are those of the old key; it leaves nothing, and works when it is run again."""
    real, waiting = stillwatch.lake.writer.locked, [True]

    def locked(lake: Path) -> Any:
        if waiting and waiting.pop():
            site.rotated()
        return real(lake)

    monkeypatch.setattr(stillwatch.lake.writer, "locked", locked)
    refused = site.imported(ANN, status=2)

    assert "was made under the key" in refused
    assert len(stored(Lake.open(site.lake), "accounts")) == 1
    assert "1 imported" in site.imported(ANN)


def test_damaged_file_is_not_written_anew(site: Site) -> None:
    """A rotation must not give damage a new digest; the lake stays as it was."""
    (part,) = Lake.open(site.lake).files("accounts")
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    _, before = site.fingerprints()

    assert "lake check" in site.rotated(status=2)

    assert site.fingerprints()[1] == before


def test_key_that_a_command_prints_is_not_rotated(site: Site) -> None:
    """It cannot be kept; but lakes can be brought to what the command prints since."""
    command = f"cat {site.key}"
    assert "--key-file" in site.ran("keys", "rotate", "--key-command", command, status=2)
    site.ran(*site.words("keys", "rotate"))

    site.ran("keys", "rotate", "--finish", "--lake", site.lake, "--key-command", command)

    assert len(set(site.fingerprints())) == 1
    site.ran("keys", "rotate", "--finish", "--key-command", command, status=2)


def test_reader_of_before_still_reads(site: Site) -> None:
    """A snapshot that was opened before the rotation keeps its files, and its tokens."""
    lake = Lake.open(site.lake)
    before = stored(lake, "exchanges")

    site.rotated()

    assert stored(lake, "exchanges") == before
    assert stored(Lake.open(site.lake), "exchanges") != before


def test_scan_finds_the_same_campaigns_with_new_tokens(tmp_path: Path) -> None:
    """Members, e-values and links agree; only credentials are called by other tokens.

    Of several facts that tie a member equally, a reason names the one whose token comes first, and so
    reasons are compared by their signals.
    """
    book, _ = planted(41, workers=13)
    for number, row in enumerate(book.exchanges):
        row |= {
            "credential_raw": f"key-{row['account_id']}",
            "client_ip_raw": f"10.0.{number % 120}.1",
        }
    for number, row in enumerate(book.accounts):
        row["payment_raw"] = f"card-{number // 4}"
    site = Site(tmp_path)
    site.ran("keys", "init", "--key-file", site.key)
    for name, rows in (("x", book.exchanges), ("a", book.accounts)):
        text = "".join(json.dumps(row, default=str) + "\n" for row in rows)
        (tmp_path / f"{name}.jsonl").write_text(text)
    logs = [tmp_path / "x.jsonl", tmp_path / "a.jsonl"]
    told = site.ran(*site.words("import", "--format", "canonical", *logs, "--lake", site.lake))
    assert " 0 quarantined" in told
    scan = ("scan", "--lake", site.lake, "--fdr", "0.05", "--no-timeline", "--out")
    site.ran(*scan, tmp_path / "before", status=3)

    site.rotated()
    site.ran(*scan, tmp_path / "after", status=3)

    before, after = read_findings(tmp_path / "before"), read_findings(tmp_path / "after")
    assert before.campaigns.num_rows == 1
    assert before.campaigns.equals(after.campaigns)
    assert before.tested.equals(after.tested)
    assert before.links.equals(after.links)
    name = "credential_ids"
    unnamed = [f.members.drop_columns([name, "reasons"]) for f in (before, after)]
    assert unnamed[0].equals(unnamed[1])
    signals = [
        [
            sorted(reason["signal"] for reason in reasons)
            for reasons in f.members["reasons"].to_pylist()
        ]
        for f in (before, after)
    ]
    assert signals[0] == signals[1]
    assert not set(before.members[name].combine_chunks().flatten().to_pylist()) & set(
        after.members[name].combine_chunks().flatten().to_pylist()
    )
