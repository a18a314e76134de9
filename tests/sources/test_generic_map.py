"""A wrong map is refused whole, with everything that is wrong in it and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest
from import_builders import Desk

from stillwatch.records import EXCHANGES, InputError
from stillwatch.sources.generic_map import read_field_map

SMALL = '[columns]\naccount_id = "who"\nstarted_at = "at"\n'


def _refusal(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "map.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as raised:
        read_field_map(path)
    assert str(path) in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff", "not UTF-8"),
        ("[columns", "not TOML"),
        (SMALL + "[column]\n", "there is no section 'column'. Did you mean columns?"),
        (SMALL + 'outputtext = "x"\n', "no column 'outputtext'. Did you mean output_text?"),
        (SMALL + '[messages]\nrequests = "x"\n', "no key 'requests'. Did you mean request?"),
        (SMALL + '[times]\nfinished_a = "seconds"\n', "Did you mean finished_at?"),
        (SMALL + '[times]\nstarted_at = "millisecond"\n', "Did you mean milliseconds?"),
        (SMALL + '[times]\nstarted_at = "%Q"\n', "no way to write a time"),
        (SMALL + '[times]\nstarted_at = "%H:%M"\n', "no way to write a time"),
        (SMALL + "[times]\nstarted_at = 7\n", "no way to write a time"),
        (SMALL + '[times]\nfinished_at = "seconds"\n', "which [columns] does not have"),
        (SMALL + 'status = "s"\n[values.status]\na = "okay"\n', "Did you mean ok?"),
        (SMALL + '[constants]\nstatus = "eror"\n', "Did you mean error?"),
        (SMALL + 'status = "s"\n[values.status]\na = 3\n', "no table of texts"),
        (SMALL + '[values.credential_raw]\na = "b"\n', "have no meanings"),
        (SMALL + '[constants]\ncredential_raw = "sk-1"\n', "cannot be the same in all rows"),
        (SMALL + '[constants]\nexchange_id = "1"\n', "cannot be the same in all rows"),
        (SMALL + "[constants]\nmodel = [1]\n", "no text and no number"),
        (SMALL + 'model = "a["\n', "this is no path"),
        (SMALL + "model = 3\n", "this is no path"),
        (SMALL + "model = []\n", "this is no path"),
        ('records = "a..b"\n' + SMALL, "this is no path"),
        (SMALL + '[only]\na.b = "c"\n', "Write the path in quotes"),
        ("columns = 3\n", "columns is no section"),
        ('[columns]\nstarted_at = "at"\n', "does not say where account_id lies"),
        ('[columns]\naccount_id = "who"\n', "does not say where started_at lies"),
        (SMALL + 'credential_id = "key"\n', "Map credential_raw (a key) or credential_sha256"),
        (SMALL + 'client_ip = "ip"\n', "Map client_ip_raw"),
        (SMALL + 'client_net_token = "ip"\n', "Map client_ip_raw"),
        (SMALL + 'end_user_token = "u"\n', "Map end_user_raw"),
        (SMALL + 'client_metadata = "m"\n', "Map client_metadata_raw"),
        (SMALL + 'email_raw = "m"\n', "belongs to accounts"),
    ],
)
def test_a_mistake_is_named_with_what_to_write(
    content: str | bytes, words: str, tmp_path: Path
) -> None:
    """Sections, columns, keys, times, words and paths; raw identifiers only as such."""
    assert words in _refusal(tmp_path, content)


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    """Nobody mends a map line by line."""
    refusal = _refusal(tmp_path, SMALL + 'modle = "m"\n[time]\n[messages]\nanswer = 3\n')

    assert len(refusal.splitlines()) == 3


def test_every_column_that_is_no_token_can_be_mapped(tmp_path: Path) -> None:
    """What a scan can use, a map can say."""
    made = "token|digest|^client_ip$|^credential_id$|^cache_key$|signature|^client_metadata$"
    import re

    names = [name for name in EXCHANGES.names if not re.search(made, name)]
    path = tmp_path / "map.toml"
    path.write_text("[columns]\n" + "".join(f'{name} = "x"\n' for name in names))

    assert set(read_field_map(path).columns) == set(names)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--format", "generic"), "needs a map"),
        (("--format", "generic", "--map", "nowhere.toml"), "no such file"),
        (("--format", "litellm", "--map", "map.toml"), "takes no map"),
    ],
)
def test_the_command_says_what_map_is_missing(
    options: tuple[str, ...], words: str, desk: Desk
) -> None:
    """`--map` belongs to `generic`, and to nothing else."""
    log = desk.jsonl("log.jsonl", [{"who": "a", "at": 1}])

    outcome = desk.command("import", *options, log, "--lake", desk.lake_path)

    assert outcome.status == 2
    assert words in outcome.words
    assert not desk.lake_path.exists()
