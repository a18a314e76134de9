"""Profiles of known actors: what a campaign may be compared with, never what it is found by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stillwatch.records.errors import InputError

__all__ = ["ActorProfile", "read_actors"]

_NEVER_EVIDENCE = ("country", "language", "locale", "nationality")
_FIELDS = frozenset({"actor", "templates", "infrastructure", "metadata", "period"})
_STARTS = ("from", "start", "first", "first_seen")
_ENDS = ("until", "to", "end", "last", "last_seen")


@dataclass(frozen=True, slots=True)
class ActorProfile:
    """What is known of one actor, under an invented or an organisation's name.

    Attributes:
        templates: Fixed wording, as text; a slot is written `{...}`.
        infrastructure: Networks, autonomous systems, fingerprints, issuer prefixes: values as they
            stand in the log.
        metadata: Client software and request metadata, as they stand in the log.
        first, last: When it was active; None where that is open.
    """

    actor: str
    templates: tuple[str, ...] = ()
    infrastructure: tuple[str, ...] = ()
    metadata: tuple[str, ...] = ()
    first: datetime | None = None
    last: datetime | None = None

    def active_within(self, first: datetime, last: datetime) -> bool:
        """Was it known to be active at any time between the two?"""
        return (self.first is None or self.first <= last) and (
            self.last is None or self.last >= first
        )


def read_actors(path: Path) -> list[ActorProfile]:
    """Read a file of profiles: a JSON list of `{actor, templates, infrastructure, metadata, period}`.

    Lists may be replaced by objects whose values are lists; the names of the fields are for people.

    Raises:
        InputError: The file cannot be read, or a profile rests on country or language.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"the profiles of actors cannot be read: {error}.",
            where=str(path),
            remedy="Give a JSON list of {actor, templates, infrastructure, metadata, period}.",
        ) from error
    if not isinstance(content, list):
        raise InputError(
            "the profiles of actors are not a list.",
            where=str(path),
            remedy="Write [{...}, {...}], even for one actor.",
        )
    profiles = [_profile(entry, f"{path}, profile {n + 1}") for n, entry in enumerate(content)]
    names = [p.actor for p in profiles]
    repeated = sorted({n for n in names if names.count(n) > 1})
    if repeated:
        raise InputError(
            f"{', '.join(repeated)} stands there more than once.",
            where=str(path),
            remedy="Put all that is known of an actor into one profile.",
        )
    return profiles


def _profile(entry: object, where: str) -> ActorProfile:
    if not isinstance(entry, Mapping):
        raise InputError("this is no profile.", where=where, remedy='Write {"actor": "NAME", ...}.')
    actor = entry.get("actor")
    if not isinstance(actor, str) or not actor.strip() or actor.strip().lower() == "unknown":
        raise InputError(
            "a profile needs the name of its actor, other than `unknown`.",
            where=where,
            remedy="Give an invented name or that of an organisation, never a person's.",
        )
    unknown = sorted(set(entry) - _FIELDS)
    _refuse_origin(unknown, where)
    if unknown:
        raise InputError(
            f"a profile has no {', '.join(unknown)}.",
            where=where,
            remedy=f"Use {', '.join(sorted(_FIELDS))}.",
        )
    if not any(entry.get(family) for family in ("templates", "infrastructure", "metadata")):
        raise InputError(
            "a profile that says nothing can be compared with nothing.",
            where=where,
            remedy="Give templates, infrastructure or metadata, or leave the actor out.",
        )
    first, last = _period(entry.get("period"), where)
    return ActorProfile(
        actor=actor.strip(),
        templates=_texts(entry.get("templates"), where),
        infrastructure=_texts(entry.get("infrastructure"), where),
        metadata=_texts(entry.get("metadata"), where),
        first=first,
        last=last,
    )


def _refuse_origin(names: list[str], where: str) -> None:
    for name in names:
        if any(part in name.lower() for part in _NEVER_EVIDENCE):
            raise InputError(
                f"a profile may not rest on {name}.",
                where=where,
                remedy="Country and language are never evidence: leave it out.",
            )


def _texts(value: object, where: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, Mapping):
        _refuse_origin([str(k) for k in value], where)
        return tuple(text for part in value.values() for text in _texts(part, where))
    if isinstance(value, str | int) and not isinstance(value, bool):
        return (str(value),)
    if isinstance(value, list):
        return tuple(text for part in value for text in _texts(part, where))
    raise InputError(
        f"{type(value).__name__} stands where texts belong.",
        where=where,
        remedy="Give a list of texts, or an object of such lists.",
    )


def _period(value: Any, where: str) -> tuple[datetime | None, datetime | None]:
    if value is None:
        return None, None
    if isinstance(value, Mapping):
        first = next((value[k] for k in _STARTS if k in value), None)
        last = next((value[k] for k in _ENDS if k in value), None)
    elif isinstance(value, list) and len(value) == 2:
        first, last = value
    elif isinstance(value, str) and value.count("/") == 1:
        first, last = (part or None for part in value.split("/"))
    else:
        raise InputError(
            "the period cannot be read.",
            where=where,
            remedy='Write {"from": "2026-01-01", "until": "2026-03-31"}; either may be left out.',
        )
    return _moment(first, where), _moment(last, where)


def _moment(value: object, where: str) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise InputError(
            f"{value!r} in the period is no date.", where=where, remedy="Write it as 2026-01-31."
        ) from None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
