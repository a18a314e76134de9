"""`stillwatch config`: whether a configuration can be used, and what it comes to."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from stillwatch.cli.config import read_values, settings_of
from stillwatch.cli.config_values import Setting, Value
from stillwatch.cli.output import emit_json, reports_errors, say

__all__ = ["command"]

_config = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The TOML file to look at.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group(name="config")
def command() -> None:
    """Check a configuration file and the environment, or show what they come to.

    A section is a command, its keys are the command's options. STILLWATCH__SECTION__KEY overrides
    the file; the command line overrides both.
    """


@command.command()
@_config
@_json
@click.pass_context
@reports_errors
def check(context: click.Context, file: Path | None, as_json: bool) -> None:
    """Say whether the file and the environment can be used; all that is wrong, if not."""
    values = read_values(_root(context), file, os.environ)
    from_file = sum(value.source == str(file) for value in values)
    if as_json:
        emit_json({"ok": True, "from_file": from_file, "from_environment": len(values) - from_file})
    say(
        f"This can be used: {from_file} of the settings are the file's, "
        f"{len(values) - from_file} the environment's."
    )


@command.command()
@_config
@click.option("--sources", is_flag=True, help="Say where each value comes from.")
@_json
@click.pass_context
@reports_errors
def show(context: click.Context, file: Path | None, sources: bool, as_json: bool) -> None:
    """Print every setting with its value, as a file that could be used."""
    root = _root(context)
    given = {(v.setting.section, v.setting.key): v for v in read_values(root, file, os.environ)}
    entries = [(setting, given.get(place)) for place, setting in settings_of(root).items()]
    entries.sort(key=lambda entry: entry[0].section)
    if as_json:
        emit_json({"settings": [_as_object(*entry) for entry in entries]})
        return
    section = ""
    for setting, value in entries:
        if setting.section != section:
            click.echo(f"{chr(10) if section else ''}[{setting.section}]")
            section = setting.section
        click.echo(_line(setting, value, sources=sources))


def _root(context: click.Context) -> click.Group:
    group = context.find_root().command
    assert isinstance(group, click.Group)
    return group


def _effective(setting: Setting, value: Value | None) -> tuple[Any, str]:
    """What holds, and where it comes from; None where nothing was said."""
    if value is not None:
        return value.value, value.source
    option = setting.option
    if setting.number is not None:
        return setting.number, "default"
    if option is None or option.default is None or not _is_plain(option.default):
        return (False, "default") if option is not None and option.is_flag else (None, "not set")
    return option.default, "default"


def _is_plain(default: Any) -> bool:
    """Not a marker of click's for "nothing"."""
    return isinstance(default, str | int | float | bool | Path)


def _line(setting: Setting, value: Value | None, *, sources: bool) -> str:
    shown, source = _effective(setting, value)
    text = f"{setting.key} = {_toml(shown)}" if shown is not None else f"# {setting.key} ="
    return f"{text}  # {_toml(source)[1:-1]}" if sources else text


def _as_object(setting: Setting, value: Value | None) -> dict[str, Any]:
    shown, source = _effective(setting, value)
    return {
        "section": setting.section,
        "key": setting.key,
        "value": [str(s) for s in shown] if isinstance(shown, list | tuple) else shown,
        "source": source,
        "variable": setting.variable,
    }


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    escaped = json.dumps(str(value), ensure_ascii=False)
    # JSON leaves these as they are; TOML forbids the first, and no terminal should obey the rest.
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped)
