"""`stillwatch keys`: what is shown is never the key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stillwatch.cli.main import run


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
