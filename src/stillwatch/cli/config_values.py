"""What a setting of the configuration is, and how its value is read from TOML or a variable."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any

import click

from stillwatch.records import Problem

__all__ = ["PREFIX", "Setting", "Value", "converted", "unpacked"]

PREFIX = "STILLWATCH__"
_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the file.

    Attributes:
        option: The option it is a default for; None for what is read deeper down.
        number: The default of a whole number that is read deeper down.
    """

    section: str
    key: str
    help: str
    option: click.Option | None = None
    number: int | None = None

    @property
    def variable(self) -> str:
        """The environment variable that overrides it."""
        return f"{PREFIX}{self.section}__{self.key}".upper()


@dataclass(frozen=True, slots=True)
class Value:
    """What a setting was set to, and by what: the file's path or the variable's name."""

    setting: Setting
    value: Any
    source: str


def unpacked(text: str, setting: Setting) -> Any:
    """The value that a variable's text stands for: a list is written as in TOML."""
    option = setting.option
    if option is None:
        return int(text) if setting.number is not None and text.isdecimal() else text
    if option.is_flag:
        return {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}.get(
            text.lower(), text
        )
    if option.multiple and text.startswith("["):
        try:
            return tomllib.loads(f"list = {text}")["list"]
        except tomllib.TOMLDecodeError:
            return text
    if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType):
        try:
            return float(text) if "." in text or "e" in text.lower() else int(text)
        except ValueError:
            return text
    return text


def converted(setting: Setting, raw: Any, where: str, problems: list[Problem]) -> Any:
    """The value as its option takes it, or None and a problem."""
    option = setting.option
    wanted, right = _wanted(setting, raw)
    if not right:
        what = f"this is {_type_name(raw)}, not {wanted}."
        problems.append(Problem(where, what, f"Give {wanted}. {setting.help}".rstrip()))
        return None
    if option is None or option.is_flag:
        return raw
    items = raw if isinstance(raw, list) else [raw]
    try:
        taken = [option.type.convert(item, option, None) for item in items]
    except click.BadParameter as error:
        problems.append(Problem(where, error.message, f"Give {wanted} that fits."))
        return None
    return taken if option.multiple else taken[0]


def _wanted(setting: Setting, raw: Any) -> tuple[str, bool]:
    """What a setting takes, in words, and whether this is one."""
    option = setting.option
    if setting.number is not None:
        return "a whole number of one or more", type(raw) is int and raw >= 1
    if option is not None and option.is_flag:
        return "true or false", isinstance(raw, bool)
    kind = option.type if option is not None else click.STRING
    if isinstance(kind, click.types.IntParamType):
        return "a whole number", isinstance(raw, int) and not isinstance(raw, bool)
    if isinstance(kind, click.types.FloatParamType):
        return "a number", isinstance(raw, int | float) and not isinstance(raw, bool)
    if option is not None and option.multiple:
        items = raw if isinstance(raw, list) else [raw]
        return "a text or a list of texts", all(isinstance(item, str) for item in items)
    return "a text", isinstance(raw, str)


def _type_name(raw: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return names.get(type(raw), "a list" if isinstance(raw, list) else "something else")
