"""`--config FILE` for every command: one TOML file, overridden by the environment.

A section is a command and its keys are that command's options; a few sections hold what is no
option. The environment (`STILLWATCH__SECTION__KEY`) overrides the file, and the command line both.
No key takes a secret: where one is needed, the file names a file or a command.
"""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from stillwatch.cli.config_values import PREFIX, Setting, Value, converted, unpacked
from stillwatch.cli.output import reports_errors
from stillwatch.records import InputError, Problem
from stillwatch.sources.limits import Limits

__all__ = ["CONFIG_OPTION", "read_values", "settings_of", "with_config"]

OWN_COMMAND = "config"

# What is no option of a command, but read from the environment where it is needed.
_DEEPER = {
    ("keys", "file"): "The file that holds the key of the keyed tokens.",
    ("keys", "command"): "A command that prints the key of the keyed tokens.",
    ("otlp", "account"): "Attributes that name the billed account, separated by commas.",
    ("litellm", "account"): "Fields that name the billed account, separated by commas.",
    ("bedrock", "account"): "Fields that name the billed account, separated by commas.",
    ("openai", "account"): "Fields that name the billed account, separated by commas.",
    ("anthropic", "account"): "Fields that name the billed account, separated by commas.",
    ("envoy", "request_id"): "Fields that hold the request's id, separated by commas.",
    ("envoy", "address"): "Fields that hold the client's address, separated by commas.",
}
_LIMITS = {
    "packed_mb": "Largest compressed file, in MiB on the disk.",
    "unpacked_mb": "How much one compressed file may unpack to, in MiB.",
    "ratio": "How many times its own size a compressed file may unpack to.",
    "nesting": "Levels of brackets in one JSON value.",
    "row_mb": "Longest line, row or message, in MiB.",
}
# The key has a section of its own, so that no two places of a file can contradict each other.
_NOT_HERE = frozenset({"help", "config", "key_file", "key_command"})
_SECRETS_STAY_OUT = "A secret is never written here: [keys] takes `file` or `command`."


def settings_of(group: click.Group) -> dict[tuple[str, str], Setting]:
    """Every setting that exists, by section and key, in the order of the commands."""
    context = click.Context(group)
    found: dict[tuple[str, str], Setting] = {}
    for section in group.list_commands(context):
        command = group.get_command(context, section)
        if command is None or section == OWN_COMMAND:
            continue
        for option in _options(command):
            key = _key(option)
            if key not in _NOT_HERE:
                setting = Setting(section, key, option.help or "", option)
                found.setdefault((section, key), setting)
    for (section, key), text in _DEEPER.items():
        found[section, key] = Setting(section, key, text)
    for key, text in _LIMITS.items():
        found["limits", key] = Setting("limits", key, text, number=getattr(Limits(), key))
    return found


def read_values(
    group: click.Group, file: Path | None, environment: Mapping[str, str]
) -> list[Value]:
    """What the file and the environment set; the environment wins.

    Raises:
        InputError: Something is unknown or of the wrong type; all of it is named at once.
    """
    names = [name for name in environment if name.startswith(PREFIX)]
    if file is None and not names:
        return []
    known = settings_of(group)
    problems: list[Problem] = []
    values = {(v.setting.section, v.setting.key): v for v in _from_file(file, known, problems)}
    for name in sorted(names):
        section, _, key = name.removeprefix(PREFIX).lower().partition("__")
        if setting := _known(known, section, key, name, problems):
            raw = unpacked(environment[name], setting)
            if (value := converted(setting, raw, name, problems)) is not None:
                values[section, key] = Value(setting, value, name)
    _check_one_key(values, problems)
    if problems:
        raise InputError("\n".join(str(problem) for problem in problems))
    return list(values.values())


def with_config(command: click.Command) -> click.Command:
    """The command with `--config`; of a group, each of its commands."""
    copied = copy.copy(command)
    if isinstance(copied, click.Group):
        copied.commands = {name: with_config(c) for name, c in copied.commands.items()}
    elif not any("--config" in p.opts for p in copied.params):
        copied.params = [*copied.params, CONFIG_OPTION]
    return copied


@reports_errors
def _apply(context: click.Context, _parameter: click.Parameter, file: Path | None) -> None:
    """Make what is configured the defaults of the command that is about to run."""
    group = context.find_root().command
    if context.resilient_parsing or not isinstance(group, click.Group):
        return
    values = read_values(group, file, os.environ)
    mine = {_key(p): p for p in context.command.params if isinstance(p, click.Option)}
    context.default_map = {
        str(mine[v.setting.key].name): v.value
        for v in values
        if v.setting.option and v.setting.section == _section(context) and v.setting.key in mine
    }
    _hand_down(context, values)


CONFIG_OPTION = click.Option(
    ["--config"],
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_apply,
    help="A TOML file of defaults; see docs/configuration.md.",
)


def _hand_down(context: click.Context, values: list[Value]) -> None:
    """Show the file's deeper settings as variables while the command runs."""
    added = {
        v.setting.variable: str(v.value)
        for v in values
        if v.setting.option is None and v.source != v.setting.variable
    }
    os.environ.update(added)

    def take_back() -> None:
        for name in added:
            os.environ.pop(name, None)

    context.call_on_close(take_back)


def _check_one_key(values: dict[tuple[str, str], Value], problems: list[Problem]) -> None:
    """One place for the key; a variable that names one overrides both of the file."""
    file, command = values.get(("keys", "file")), values.get(("keys", "command"))
    if file is None or command is None:
        return
    ours = [v for v in (file, command) if v.source == v.setting.variable]
    if len(ours) == 1:
        other = command if ours[0] is file else file
        del values[other.setting.section, other.setting.key]
        return
    where = file.source if not ours else f"{file.source}, {command.source}"
    problems.append(Problem(where, "both a file and a command give the key.", "Keep one of them."))


def _from_file(
    file: Path | None, known: dict[tuple[str, str], Setting], problems: list[Problem]
) -> Iterator[Value]:
    if file is None:
        return
    for section, content in _parse(file).items():
        if not isinstance(content, dict):
            what = f"{_quoted(section)} stands outside of any section."
            problems.append(Problem(str(file), what, "Write it below a line such as [scan]."))
            continue
        for key, raw in content.items():
            where = f"{file}, [{section}] {key}" if _plain(section, key) else str(file)
            setting = _known(known, section, key, where, problems)
            if setting and (value := converted(setting, raw, where, problems)) is not None:
                yield Value(setting, value, str(file))
        if not content:
            _known(known, section, None, str(file), problems)


def _parse(file: Path) -> dict[str, Any]:
    from stillwatch.sources.toml_files import parsed_toml

    return parsed_toml(file)


def _known(
    known: dict[tuple[str, str], Setting],
    section: str,
    key: str | None,
    where: str,
    problems: list[Problem],
) -> Setting | None:
    """The setting, or None and a problem that suggests the nearest one."""
    if setting := known.get((section, key or "")):
        return setting
    sections = list(dict.fromkeys(s for s, _ in known))
    if section not in sections:
        what = f"there is no section {_quoted(section)}."
        problems.append(Problem(where, what, _nearest(section, sections)))
    elif key is not None:
        remedy = _nearest(key, [k for s, k in known if s == section])
        if section == "keys" or key in _NOT_HERE:
            remedy = _SECRETS_STAY_OUT
        problems.append(Problem(where, f"[{section}] has no key {_quoted(key)}.", remedy))
    return None


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}."


def _options(command: click.Command) -> Iterator[click.Option]:
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _options(inner)
    yield from (p for p in command.params if isinstance(p, click.Option))


def _key(option: click.Option) -> str:
    """The option's long name as a key: `--key-file` is `key_file`."""
    return max(option.opts, key=len).lstrip("-").replace("-", "_")


def _section(context: click.Context) -> str:
    """The command of ours that runs, under whatever it runs."""
    while context.parent is not None and context.parent.parent is not None:
        context = context.parent
    return context.info_name or ""


def _plain(*words: str) -> bool:
    return all(word.isprintable() and len(word) <= 64 for word in words)


def _quoted(word: str) -> str:
    return repr(word) if _plain(word) else repr(word[:64])
