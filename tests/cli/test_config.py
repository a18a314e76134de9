"""`--config FILE` and `stillwatch config`: the file, then the environment, then the command line."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from stillwatch.cli.config import settings_of
from stillwatch.cli.main import run

SMALL = ["simulate", "--accounts", "20", "--days", "1", "--exchanges", "100", "--json"]


@pytest.fixture(autouse=True)
def no_settings_of_the_one_who_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("STILLWATCH__"):
            monkeypatch.delenv(name)


def stillwatch(*words: object, **environment: str) -> Result:
    return CliRunner().invoke(run, [str(word) for word in words], env=dict(environment))


def config(folder: Path, text: str) -> Path:
    path = folder / "stillwatch.toml"
    path.write_text(text, encoding="utf-8")
    return path


def shown(*words: object, **environment: str) -> dict[tuple[str, str], dict[str, Any]]:
    result = stillwatch("config", "show", "--json", *words, **environment)
    assert result.exit_code == 0, result.output
    return {(s["section"], s["key"]): s for s in json.loads(result.stdout)["settings"]}


def seed_of(result: Result) -> int:
    assert result.exit_code == 0, result.output
    return int(json.loads(result.stdout)["seed"])


def test_environment_overrides_the_file_and_the_command_line_both(tmp_path: Path) -> None:
    """An option comes from the command line, else a variable, else the file."""
    where = ["--out", tmp_path / "world", "--config", config(tmp_path, "[simulate]\nseed = 7\n")]

    by_file = seed_of(stillwatch(*SMALL, *where))
    by_variable = seed_of(stillwatch(*SMALL, *where, STILLWATCH__SIMULATE__SEED="8"))
    by_hand = seed_of(stillwatch(*SMALL, *where, "--seed", 9, STILLWATCH__SIMULATE__SEED="8"))

    assert (by_file, by_variable, by_hand) == (7, 8, 9)


def test_file_may_give_what_a_command_requires(tmp_path: Path) -> None:
    """A required option of the file need not be on the command line, nor stand first."""
    made = tmp_path / "lake"
    path = config(tmp_path, f'[import]\nformat = "canonical"\nlake = "{made}"\n')
    stillwatch("keys", "init", "--key-file", tmp_path / "key")
    log = tmp_path / "log.csv"
    log.write_text("exchange_id,account_id,started_at\ne1,a,2026-03-01T00:00:00Z\n")

    result = stillwatch("import", log, "--config", path, "--key-file", tmp_path / "key", "--json")

    assert json.loads(result.stdout)["imported"] == 1
    assert made.is_dir()


def test_key_file_of_the_configuration_is_used_by_every_command(tmp_path: Path) -> None:
    """[keys] file names the key for whoever needs it, and a variable overrides it."""
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        stillwatch("keys", "init", "--key-file", path)
    words = ["keys", "show", "--json", "--config", config(tmp_path, f'[keys]\nfile = "{first}"\n')]

    by_file = stillwatch(*words)
    by_variable = stillwatch(*words, STILLWATCH__KEYS__FILE=str(second))
    by_command = stillwatch(*words, STILLWATCH__KEYS__COMMAND=f"cat {second}")

    assert json.loads(by_file.stdout)["place"] == str(first)
    assert json.loads(by_variable.stdout)["place"] == str(second)
    assert json.loads(by_command.stdout)["place"] == "the output of the key command"


def test_configuration_leaves_no_variable_behind(tmp_path: Path) -> None:
    """What a file sets ends with the command."""
    path = config(tmp_path, f'[keys]\nfile = "{tmp_path / "none"}"\n')
    stillwatch("keys", "show", "--config", path)

    assert not [name for name in os.environ if name.startswith("STILLWATCH__")]


def test_account_field_of_the_file_reaches_the_import(tmp_path: Path) -> None:
    """[litellm] account says which field names the account, as its variable does."""
    stillwatch("keys", "init", "--key-file", tmp_path / "key")
    payload = {
        "id": "c1",
        "call_type": "acompletion",
        "startTime": 1_780_000_000.0,
        "endTime": 1_780_000_001.0,
        "model": "m",
        "messages": [{"role": "user", "content": "hello"}],
        "response": {"choices": [{"message": {"role": "assistant", "content": "hi"}}]},
        "metadata": {"user_api_key_hash": "hash", "user_api_key_team_id": "the-team"},
    }
    log = tmp_path / "log.ndjson"
    log.write_text(json.dumps(payload) + "\n")
    path = config(tmp_path, '[litellm]\naccount = "user_api_key_team_id"\n')
    words = ["--key-file", tmp_path / "key", "--config", path, "--lake", tmp_path / "lake"]

    imported = stillwatch("import", "--format", "litellm", log, *words)
    stillwatch("export", "--lake", tmp_path / "lake", "--out", tmp_path / "out")

    from stillwatch.lake.log import open_log

    assert imported.exit_code == 0, imported.output
    with_names = open_log(exchanges=tmp_path / "out" / "exchanges").connection
    assert with_names.execute("select account_id from exchanges").fetchall() == [("the-team",)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[scna]\nfdr = 0.1\n", "Did you mean scan?"),
        ("[scan]\nfdrr = 0.1\n", "Did you mean fdr?"),
        ('[scan]\nfdr = "much"\n', "[scan] fdr: this is a text, not a number."),
        ("[simulate]\nseed = true\n", "not a whole number"),
        ("[simulate]\nseed = 1.5\n", "not a whole number"),
        ('[scan]\ntimeline = "no"\n', "not true or false"),
        ("[scan]\nexchanges = [1]\n", "not a text or a list of texts"),
        ("[quarantine]\nlimit = 0\n", "[quarantine] limit"),
        ("fdr = 0.1\n", "stands outside of any section"),
        ("[keys]\nfile = 'a'\ncommand = 'b'\n", "both a file and a command"),
        ("[scan\n", "this is not TOML"),
    ],
)
def test_unusable_file_is_refused_with_a_remedy(tmp_path: Path, text: str, said: str) -> None:
    """A file that cannot be used ends any command with status 2 before it begins."""
    path = config(tmp_path, text)

    for words in (["config", "check"], [*SMALL, "--out", tmp_path / "world"]):
        result = stillwatch(*words, "--config", path)

        assert result.exit_code == 2
        assert said in result.output.replace("\n", " ")
        assert str(path) in result.output
    assert not (tmp_path / "world").exists()


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    """Two mistakes take one run to see."""
    path = config(tmp_path, "[scan]\nfdrr = 1\n[simulate]\nsede = 1\n")

    output = stillwatch("config", "check", "--config", path).output

    assert "fdrr" in output
    assert "Did you mean seed?" in output


def test_secret_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """A key written into the file is refused, without printing it."""
    path = config(tmp_path, '[keys]\nkey = "0123456789abcdef"\n')

    result = stillwatch("config", "check", "--config", path)

    assert result.exit_code == 2
    assert "never written here" in result.output
    assert "0123456789abcdef" not in result.output


@pytest.mark.parametrize(
    ("name", "value"),
    [("STILLWATCH__SCAN__FDRR", "1"), ("STILLWATCH__SCAN__FDR", "much"), ("STILLWATCH__X", "1")],
)
def test_unusable_variable_is_refused_by_name(name: str, value: str) -> None:
    """A variable that cannot be used is named; without a file, too."""
    result = stillwatch("config", "check", **{name: value})

    assert result.exit_code == 2
    assert name in result.output


def test_missing_file_is_unusable_input(tmp_path: Path) -> None:
    """A configuration that is not there ends with status 2."""
    assert stillwatch("scan", "--config", tmp_path / "none.toml").exit_code == 2
    assert stillwatch("scan", "--config", tmp_path).exit_code == 2


def test_show_says_where_each_value_comes_from(tmp_path: Path) -> None:
    """Every setting has one source: the file, a variable, the default, or none."""
    path = config(tmp_path, "[scan]\nfdr = 0.05\ntimeline = false\n")

    found = shown("--config", path, STILLWATCH__SCAN__FDR="0.2", STILLWATCH__SCAN__OUT="here")

    assert (found["scan", "fdr"]["value"], found["scan", "fdr"]["source"]) == (
        0.2,
        "STILLWATCH__SCAN__FDR",
    )
    assert found["scan", "timeline"]["source"] == str(path)
    assert found["scan", "out"]["value"] == "here"
    assert found["simulate", "seed"]["source"] == "default"
    assert found["scan", "until"]["source"] == "not set"


def test_what_show_prints_is_a_file_that_comes_to_the_same(tmp_path: Path) -> None:
    """Printed settings, given back, are the same settings."""
    path = config(
        tmp_path, "[scan]\nexchanges = ['a', 'b\\\"c']\nfdr = 0.05\n[simulate]\nseed = 3\n"
    )
    printed = stillwatch("config", "show", "--sources", "--config", path).stdout
    again = config(tmp_path / ".", printed)

    values = {place: entry["value"] for place, entry in shown("--config", again).items()}

    assert values["scan", "exchanges"] == ["a", 'b\\"c']
    assert tomllib.loads(stillwatch("config", "show", "--config", again).stdout) == tomllib.loads(
        printed
    )


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00")))
def test_any_text_survives_being_shown(text: str) -> None:
    """Whatever stands in a variable, `config show` prints valid TOML without control characters."""
    result = stillwatch("config", "show", STILLWATCH__SCAN__UNTIL=text)

    assert result.exit_code == 0
    assert tomllib.loads(result.stdout)["scan"]["until"] == text
    assert all(c.isprintable() or c == "\n" for c in result.stdout)


def test_list_in_a_variable_is_written_as_in_the_file() -> None:
    """One value stands for itself, so that a path may hold commas."""
    one = shown(STILLWATCH__SCAN__EXCHANGES="a,b")["scan", "exchanges"]["value"]
    two = shown(STILLWATCH__SCAN__EXCHANGES='["a", "b"]')["scan", "exchanges"]["value"]

    assert (one, two) == (["a,b"], ["a", "b"])


def test_every_command_takes_a_configuration() -> None:
    """No command lacks --config, commands of groups included."""

    def leaves(command: click.Command, context: click.Context) -> list[click.Command]:
        if not isinstance(command, click.Group):
            return [command]
        inner = [command.get_command(context, n) for n in command.list_commands(context)]
        return [leaf for c in inner if c is not None for leaf in leaves(c, context)]

    without = [
        leaf.name
        for leaf in leaves(run, click.Context(run))
        if not any("--config" in parameter.opts for parameter in leaf.params)
    ]

    assert without == []


def test_every_option_is_a_setting_but_the_key_and_the_file_itself() -> None:
    """A setting exists for each option; no option was forgotten, no setting invented."""
    known = settings_of(run)

    assert {("scan", "fdr"), ("import", "set"), ("quarantine", "lake")} <= known.keys()
    assert not {key for _, key in known} & {"key_file", "key_command", "config", "help"}
