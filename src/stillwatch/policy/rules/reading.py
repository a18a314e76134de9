"""A policy from TOML: checked whole, and everything wrong with it told at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from stillwatch.policy.rules import ceilings
from stillwatch.policy.rules.fields import (
    Field,
    count,
    flag,
    name,
    nearest,
    number,
    several,
    share,
    span,
    texts,
    word,
)
from stillwatch.policy.rules.policy import Delay, Limits, Mode, Policy, Rule
from stillwatch.records import InputError, Problem, Role, Target
from stillwatch.records.actions import Countermeasure, Scope, Step

__all__ = ["SHIPPED", "read_policy", "shipped_policy", "shipped_text"]

SHIPPED = "the shipped policy"
_FORMAT = 1
_DAY, _MINUTE = timedelta(days=1), timedelta(minutes=1)

_TOP: dict[str, tuple[str, Field]] = {
    "mode": ("mode", word(Mode)),
    "error_rate": ("error_rate", share(ceilings.LARGEST_RATE)),
}
_LIMITS: dict[str, tuple[str, Field]] = {
    "accounts_per_hour": ("accounts_per_hour", count(1, ceilings.MOST_ACCOUNTS_AN_HOUR)),
    "share_of_accounts": ("share_of_accounts", share(ceilings.LARGEST_SHARE_OF_ACCOUNTS)),
    "share_of_tokens": ("share_of_tokens", share(ceilings.LARGEST_SHARE_OF_TOKENS)),
    "large_step_accounts": ("large_step_accounts", count(1, ceilings.LARGE_STEP_ACCOUNTS)),
}
_DELAY: dict[str, tuple[str, Field]] = {
    "at_least_minutes": ("at_least", span(_MINUTE, least=0, at_most=14 * 24 * 60)),
    "at_most_minutes": ("at_most", span(_MINUTE, least=1, at_most=14 * 24 * 60)),
    "together_minutes": ("together", span(_MINUTE, least=0, at_most=7 * 24 * 60)),
    "waves": ("waves", count(1, 100)),
}
_RULE: dict[str, tuple[str, Field]] = {
    "name": ("name", name),
    "step": ("step", word(Step)),
    "scope": ("scope", word(Scope)),
    "for_days": ("lasts", number(0)),  # how long it may be depends on the step
    "roles": ("roles", several(Role)),
    "targets": ("targets", several(Target)),
    "plans": ("plans", texts),
    "fdr_q_at_most": ("fdr_q_at_most", share()),
    "e_value_at_least": ("e_value_at_least", number(0)),
    "share_at_least": ("share_at_least", share()),
    "requests_per_minute": ("requests_per_minute", count(1, 1_000_000)),
    "countermeasures": ("countermeasures", several(Countermeasure)),
    "waits_for_approval": ("waits_for_approval", flag),
}
_SECTIONS = ("limits", "delay", "rules")


def shipped_policy() -> Policy:
    """The policy that is in force where nobody has written one: in shadow mode."""
    with as_file(files("stillwatch.policy.rules") / "shipped.toml") as file:
        return read_policy(file, called=SHIPPED)


def shipped_text() -> str:
    """The shipped policy as it stands in its file, with its comments."""
    return (files("stillwatch.policy.rules") / "shipped.toml").read_text(encoding="utf-8")


def read_policy(file: Path, *, called: str | None = None) -> Policy:
    """The policy in a TOML file.

    Args:
        called: How messages name it, if not by its path.

    Raises:
        InputError: Something is unknown, missing or out of bounds; all of it is named at once.
    """
    from stillwatch.sources.toml_files import parsed_toml

    where = called or str(file)
    problems: list[Problem] = []
    content = parsed_toml(file)
    _check_format(content.pop("format", None), where, problems)
    sections = {key: content.pop(key) for key in _SECTIONS if key in content}
    top = _read(content, _TOP, where, problems, also=("format", *_SECTIONS))
    limits = _section(sections, "limits", _LIMITS, where, problems)
    delay = _section(sections, "delay", _DELAY, where, problems)
    _check_delay(delay, f"{where}, [delay]", problems)
    rules = _rules(sections.get("rules", []), where, problems)
    if problems:
        raise InputError("\n".join(str(problem) for problem in problems))
    return Policy(**top, rules=rules, limits=Limits(**limits), delay=Delay(**delay), source=where)


def _check_format(given: Any, where: str, problems: list[Problem]) -> None:
    if given != _FORMAT or isinstance(given, bool):
        what = "it does not say its format." if given is None else f"its format is {given!r:.40}."
        problems.append(Problem(where, what, f"Write format = {_FORMAT} at its top."))


def _read(
    content: Mapping[str, Any],
    fields: Mapping[str, tuple[str, Field]],
    where: str,
    problems: list[Problem],
    *,
    also: Iterable[str] = (),
) -> dict[str, Any]:
    """The known keys' values, by the name of the attribute they become."""
    values: dict[str, Any] = {}
    for key, raw in content.items():
        if key not in fields:
            what = f"there is no key {key[:64]!r}."
            problems.append(Problem(where, what, nearest(key, [*fields, *also])))
            continue
        attribute, field = fields[key]
        try:
            values[attribute] = field(raw)
        except ValueError as error:
            problems.append(Problem(where, f"{key} = {_shown(raw)} cannot be used.", str(error)))
    return values


def _section(
    sections: Mapping[str, Any],
    name: str,
    fields: Mapping[str, tuple[str, Field]],
    where: str,
    problems: list[Problem],
) -> dict[str, Any]:
    content = sections.get(name, {})
    if not isinstance(content, dict):
        problems.append(Problem(where, f"{name} is no section.", f"Write [{name}] above its keys."))
        return {}
    return _read(content, fields, f"{where}, [{name}]", problems)


def _rules(content: Any, where: str, problems: list[Problem]) -> tuple[Rule, ...]:
    if not isinstance(content, list) or not all(isinstance(rule, dict) for rule in content):
        problems.append(Problem(where, "rules is no list.", "Write [[rules]] above each rule."))
        return ()
    if not content:
        what = "it has no rule, so that nothing would ever be done."
        problems.append(Problem(where, what, "Write [[rules]] and a rule below it."))
    rules, names = [], set[str]()
    for number_of_rule, raw in enumerate(content, start=1):
        place = _place(where, number_of_rule, raw)
        values = _read(raw, _RULE, place, problems)
        for missing in [key for key in ("name", "step") if key not in raw]:
            problems.append(Problem(place, f"it has no {missing}.", f"Write {missing} = …"))
        if (named := values.get("name")) in names:
            problems.append(
                Problem(place, "another rule has this name.", "Give it one of its own.")
            )
        names.add(str(named))
        if "step" in values:
            _check_rule(values, place, problems)
        if {"name", "step"} <= values.keys():
            rules.append(Rule(**values))
    return tuple(rules)


def _place(where: str, number_of_rule: int, raw: Mapping[str, Any]) -> str:
    named = raw.get("name")
    shown = f" ({named:.60})" if isinstance(named, str) and named.isprintable() and named else ""
    return f"{where}, rule {number_of_rule}{shown}"


def _check_rule(values: dict[str, Any], where: str, problems: list[Problem]) -> None:
    """What only some steps have, they must have, and others must not."""
    step: Step = values["step"]
    longest = ceilings.LONGEST[step]
    if "lasts" in values:
        days = values["lasts"]
        if 0 < days <= longest.days:
            values["lasts"] = days * _DAY
        else:
            what = f"{step} may not last {days:g} days."
            remedy = f"Give more than 0 and at most {longest.days}."
            problems.append(Problem(where, what, remedy))
            del values["lasts"]
    for key, owner in (
        ("requests_per_minute", Step.THROTTLE),
        ("countermeasures", Step.WITHHOLD),
    ):
        if step is owner and key not in values:
            problems.append(Problem(where, f"{step} needs {key}.", f"Write {key} = …"))
        if step is not owner and key in values:
            what = f"{key} is of no use to {step}."
            problems.append(Problem(where, what, f"Leave it out, or make the step {owner}."))


def _check_delay(values: dict[str, Any], where: str, problems: list[Problem]) -> None:
    default = Delay()
    least = values.get("at_least", default.at_least)
    most = values.get("at_most", default.at_most)
    if most < least + ceilings.LEAST_SPREAD:
        what = "all steps of a campaign would begin at one moment."
        remedy = "Let at_most_minutes be greater than at_least_minutes by 1 or more."
        problems.append(Problem(where, what, remedy))


def _shown(raw: Any) -> str:
    text = repr(raw)
    return text if len(text) <= 60 else text[:57] + "…"
