"""`stillwatch keys`: what is shown is never the key."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from stillwatch.cli.main import run
from stillwatch.lake.store import Lake


def keys(*words: object, typed: str | None = None) -> Result:
    return CliRunner().invoke(run, ["keys", *map(str, words)], input=typed)


def test_show_prints_the_fingerprint_and_the_place_only(tmp_path: Path) -> None:
    """Showing a key tells which it is and where it lies, and nothing of the key."""
    path = tmp_path / "key"
    made = keys("init", "--key-file", path, "--json")

    shown = keys("show", "--key-file", path, "--json")

    assert json.loads(shown.stdout) == json.loads(made.stdout)
    assert json.loads(shown.stdout)["place"] == str(path)
    assert path.read_text().strip() not in made.output + shown.output


def test_key_made_elsewhere_can_be_kept(tmp_path: Path) -> None:
    """A key from standard input is stored privately and is the same key."""
    original, copy = tmp_path / "1", tmp_path / "2"
    keys("init", "--key-file", original)

    result = keys("import", "-", "--key-file", copy, typed=original.read_text())

    assert result.exit_code == 0
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.read_text() == original.read_text()


@pytest.mark.parametrize("typed", ["", "abc", "0" * 62])
def test_text_that_is_no_key_is_not_kept(tmp_path: Path, typed: str) -> None:
    """A wrong paste ends with status 2 and leaves no file."""
    result = keys("import", "-", "--key-file", tmp_path / "key", typed=typed)

    assert result.exit_code == 2
    assert not (tmp_path / "key").exists()


def test_second_init_is_refused(tmp_path: Path) -> None:
    """Making a key where one lies ends with status 2 and keeps the first."""
    keys("init", "--key-file", tmp_path / "key")
    first = (tmp_path / "key").read_text()

    assert keys("init", "--key-file", tmp_path / "key").exit_code == 2
    assert (tmp_path / "key").read_text() == first


def test_default_place_is_the_configuration_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an option the key lies under the user's configuration."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("STILLWATCH__KEYS__FILE", raising=False)
    monkeypatch.delenv("STILLWATCH__KEYS__COMMAND", raising=False)

    assert keys("init").exit_code == 0
    assert (tmp_path / "stillwatch" / "key").is_file()


def _imported_tokens(folder: Path, key: Path) -> dict[str, set[str]]:
    """The tokens that one exchange and its account have in a lake made under a key."""
    folder.mkdir()
    (folder / "log").mkdir()
    exchange = {"exchange_id": "e", "account_id": "a", "started_at": "2026-03-01T00:00:00Z"}
    raw = {"client_ip_raw": "192.0.2.1", "credential_raw": "sk-1", "input_text": "x"}
    account = {"account_id": "a", "payment_raw": "4111", "device_raw": "d"}
    (folder / "log" / "x.jsonl").write_text(json.dumps(exchange | raw) + "\n")
    (folder / "log" / "a.jsonl").write_text(json.dumps(account) + "\n")
    words = ["import", "--format", "canonical", folder / "log", "--lake", folder / "lake"]
    result = CliRunner().invoke(run, [*map(str, words), "--key-file", str(key)])
    assert result.exit_code == 0, result.output
    lake = Lake.open(folder / "lake")
    rows = [
        row
        for table in ("exchanges", "accounts")
        for path in lake.files(table)
        for row in pq.read_table(path).to_pylist()
    ]
    return {
        name: {row[name] for row in rows if row.get(name)}
        for name in ("client_net_token", "credential_id", "payment_token", "device_token")
    }


def test_two_machines_that_share_a_key_have_the_same_tokens(tmp_path: Path) -> None:
    """What was imported under the copy agrees with what was imported under the original."""
    keys("init", "--key-file", tmp_path / "one")
    keys("import", tmp_path / "one", "--key-file", tmp_path / "copy")
    keys("init", "--key-file", tmp_path / "other")

    first = _imported_tokens(tmp_path / "1", tmp_path / "one")
    second = _imported_tokens(tmp_path / "2", tmp_path / "copy")
    third = _imported_tokens(tmp_path / "3", tmp_path / "other")

    assert all(len(tokens) == 1 for tokens in first.values())
    assert first == second
    assert not any(first[name] & third[name] for name in first)


def test_lost_key_of_a_lake_is_explained(tmp_path: Path) -> None:
    """The words name the key that is gone and the ways that are left, and none is a new key."""
    keys("init", "--key-file", tmp_path / "key")
    fingerprint = json.loads(keys("show", "--key-file", tmp_path / "key", "--json").stdout)
    _imported_tokens(tmp_path / "1", tmp_path / "key")
    (tmp_path / "key").unlink()
    words = ["import", "--format", "canonical", tmp_path / "1/log", "--lake", tmp_path / "1/lake"]

    result = CliRunner().invoke(run, [*map(str, words), "--key-file", str(tmp_path / "key")])

    assert result.exit_code == 2
    assert fingerprint["fingerprint"] in result.stderr
    assert "stillwatch keys import" in result.stderr
    assert "can still be scanned" in result.stderr
    assert not (tmp_path / "key").exists()
