"""Values that no log should hold: odd ones, far too large ones, and planted secrets."""

from __future__ import annotations

import json
import random
import re
from typing import Any

__all__ = ["SECRETS", "hits", "mutated", "odd_value", "planted", "written"]

# What must come out nowhere. Each has a part by which it is found however it was cut or quoted.
SECRETS: dict[str, str] = {
    "key": "sk-plant-7Q4mZ81xvT0cLw5e",
    "mail": "planted.heron@tide.example",
    "address": "203.0.113.77",
    "account": "acct-planted-552190",
    "sentence": "Planted herons count the quiet tiles.",
}
_PARTS = ("7q4mz81xvt0c", "planted.heron", "203.0.113.77", "planted-552190", "planted herons")
# What surrounds a secret: what a message may quote with, move a cursor with, or cut at.
_AROUND = ("{}", "{}", "{}", "it's {}", 'a "{}', "'{}'", "\x1b[31m{}", "{}\n{}", "x={};", "${{{}}}", "\u202e{}",
           "Bearer {}", "https://u:{}@h.example/?q={}", "{}\x00", "[{}]", "({}", "<{}>", "%s{}")  # fmt: skip
# Written into the JSON as they are, in place of a marked text.
_RAW = ("1e400", "-1e400", "NaN", "Infinity", "-Infinity", "9" * 5_000, "-" + "9" * 400, "1" + "0" * 30, "01",
        "1.", "'single'", "undefined", "tru", '{"a": 1,}', "[1 2]", "/* no */ 1", "-0", "1e-400", "0.1e1",
        "9223372036854775808", "18446744073709551616", "253402300800", "1e18", "-62135596801")  # fmt: skip
_MARK = re.compile(r'"@raw(\d+)@"')
_TIMES = (
    "0000-00-00T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00",
    "2026-02-30", "2026-03-01T25:61:61Z", "1970-01-01", "26-3-1", "2026-03-01T12:00:00+99:99", "now",
    "20260301", "2026-W10-1", "2026-03-01T12:00:00,5Z", "1772366400", "1772366400000000000000", "-1",
    "99999999999999999999999999", "12:00", "٢٠٢٦-٠٣-٠١", "2026-03-01T12:00:00.123456789123Z", "1e9", "0x10",
)  # fmt: skip
_PLAIN: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**53 + 1, 2**63, -(2**63), 2**64, 10**30, 1e308, -0.0, 5e-324, "",
    " ", "0", "true", "null", "NaN", "{}", "[]", '{"', "\ud800", "a\udc00b\ud83d", "\x00", "\ufeff", "\u2028",
    "\x1b[2J", "\r\n", [], {}, [None], [[]], {"": None}, {"a": {"b": [1, {"c": None}]}}, ["x", 1, None, {}],
    {"type": "text", "text": 7}, [{"role": "user", "content": [{}]}], {"\ud800": 1}, "💧" * 9, "%s%n{}", "../../etc/passwd",
    "s3://bucket/../../../etc/passwd", "s3://b/data/\x00_input.json", "__proto__", "; drop table exchanges; --",
)  # fmt: skip


def hits(text: str) -> list[str]:
    """The planted secrets that are in a text, whatever case it is in."""
    small = text.lower()
    return [part for part in _PARTS if part in small]


def planted(random: random.Random) -> str:
    """A secret, among characters that tempt a careless message."""
    secret = random.choice(list(SECRETS.values()))
    return random.choice(_AROUND).replace("{}", secret)


def odd_value(random: random.Random, *, small: bool = False) -> Any:
    """A value that its field does not expect."""
    kind = random.randrange(9)
    if kind == 0:
        return f"@raw{random.randrange(len(_RAW))}@"
    if kind == 1:
        return random.choice(_TIMES)
    if kind <= 3:
        return planted(random)
    if kind == 4 and not small:
        return random.choice(("x", "é", "\ud800", "[", "0", " ", "\\", "\x00")) * random.choice(
            (300, 5_000, 200_000)
        )
    if kind == 5:
        value: Any = random.choice((1, "x", planted(random)))
        for _ in range(random.choice((3, 60, 199, 201, 600))):
            value = [value] if random.random() < 0.5 else {"a": value}
        return json.dumps(value) if random.random() < 0.3 else value
    if kind == 6:
        many = random.choice((3, 50, 3_000))
        return random.choice(([planted(random)] * many, {f"k{n}": n for n in range(many)}))
    return random.choice(_PLAIN)


def mutated(value: Any, random: random.Random) -> Any:
    """The value with one part changed: dropped, doubled, exchanged, retyped or replaced.

    Goes down into objects and lists, and into JSON that lies in a text.
    """
    inner = _inside(value)
    if inner is not None and random.random() < 0.8:
        return json.dumps(mutated(inner, random))
    if isinstance(value, dict) and value:
        names = list(value)
        name = random.choice(names)
        if random.random() < 0.72:
            return {**value, name: mutated(value[name], random)}
        return _changed_object(value, name, random)
    if isinstance(value, list) and value and random.random() < 0.85:
        at = random.randrange(len(value))
        changed = list(value)
        if random.random() < 0.7:
            changed[at] = mutated(value[at], random)
        elif random.random() < 0.5:
            del changed[at]
        else:
            changed[at:at] = random.choice(([value[at]], [odd_value(random)], value))
        return changed
    return _retyped(value, random) if random.random() < 0.3 else odd_value(random)


def written(value: Any, random: random.Random) -> str:
    """The value as JSON, with what only a text can hold: numbers out of range, names twice."""
    try:
        text = json.dumps(value, ensure_ascii=random.random() < 0.7)
    except (RecursionError, ValueError):
        return "[" * random.choice((150, 100_000))
    text = _MARK.sub(lambda found: _RAW[int(found[1]) % len(_RAW)], text)
    if random.random() < 0.1 and (names := list(re.finditer(r'"\w+": ', text[:20_000]))):
        name = random.choice(names)
        odd = json.dumps(odd_value(random, small=True)).replace("@raw", "raw")
        text = f"{text[: name.start()]}{name[0]}{odd}, {text[name.start() :]}"
    return text


def _changed_object(value: dict[str, Any], name: str, random: random.Random) -> dict[str, Any]:
    changed = dict(value)
    other = random.choice(list(value))
    kind = random.randrange(5)
    if kind == 0:
        del changed[name]
    elif kind == 1:
        changed[name], changed[other] = value[other], value[name]
    elif kind == 2:
        renamed = random.choice(
            (planted(random), name.upper(), f"{name} ", "", "\ud800", "_line", "x" * 70)
        )
        changed[renamed] = changed.pop(name)
    elif kind == 3:
        changed[random.choice((planted(random), "extra", "email", "card_number", "a.b"))] = (
            odd_value(random)
        )
    else:
        changed[name] = value[other]
    return changed


def _retyped(value: Any, random: random.Random) -> Any:
    """The same said in another type."""
    return random.choice(
        (
            lambda: str(value),
            lambda: [value],
            lambda: {"value": value},
            lambda: json.dumps(value),
            lambda: json.dumps(json.dumps(value)),
            lambda: len(str(value)),
            lambda: bool(value),
        )
    )()


def _inside(value: Any) -> Any:
    if not isinstance(value, str) or value[:1] not in ("{", "[") or len(value) > 100_000:
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None
