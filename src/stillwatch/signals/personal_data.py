"""Masking what identifies a person or opens a door, before a prompt is shown to anybody."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

__all__ = ["mask_personal_data"]

_KEYED_SECRETS = (
    r"sk-[A-Za-z0-9_-]{8,}",
    r"(?:AKIA|ASIA)[A-Z0-9]{12,}",
    r"AIza[A-Za-z0-9_-]{20,}",
    r"gh[oprsu]_[A-Za-z0-9]{16,}",
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"glpat-[A-Za-z0-9_-]{16,}",
    r"xox[abeprs]-[A-Za-z0-9-]{8,}",
    r"hf_[A-Za-z0-9]{16,}",
    r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.?[A-Za-z0-9_-]*",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
)
# An assignment names its value a secret, whatever the value looks like.
_NAMED_SECRET = re.compile(
    r"(?i)\b((?:pass(?:word|wd)|secret|api[_-]?key|access[_-]?token|auth[_-]?token)"
    r"[\"']?\s*[:=]\s*[\"']?|bearer\s+)([^\s\"',;<>]{6,})"
)
# Opaque runs of 32 characters or more that mix letters and digits: digests, tokens, keys.
_OPAQUE = re.compile(
    r"(?<![A-Za-z0-9_+/=-])(?=[A-Za-z0-9_+/=-]*\d)(?=[A-Za-z0-9_+/=-]*[A-Za-z])"
    r"[A-Za-z0-9_+/=-]{32,}"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ ]?[A-Z0-9]{4}){2,7}(?:[ ]?[A-Z0-9]{1,4})?\b")
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d])")
_PHONE = re.compile(
    r"(?<![\w.])(?:\+|00)\d{1,3}[ .()/-]{0,2}(?:\d[ .()/-]{0,2}){6,12}\d(?!\w)"
    r"|(?<![\w.-])\(?0?\d{2,4}\)?[ .-]\d{3,4}[ .-]\d{3,4}(?![\w-])"
)
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{0,4}|[\d.]+)(?![\w:])")
_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(r"(?i)\b([a-z][a-z0-9+.-]{0,20}://)[^\s/@:]{1,256}(?::[^\s/@]{0,256})?@"),
        r"\1[login]@",
    ),
    (re.compile("|".join(_KEYED_SECRETS)), "[key]"),
    (_NAMED_SECRET, r"\1[key]"),
    (
        re.compile(r"[^\s@<>\"'()\[\],;:]{1,64}@[^\s@<>\"'()\[\],;:]{1,255}\.[^\W\d_]{2,}"),
        "[e-mail]",
    ),
    (_OPAQUE, "[key]"),
    (_IBAN, "[account number]"),
    (re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.]*\d)"), "[address]"),
    (_CARD, "[card number]"),
    (_PHONE, "[phone]"),
    (re.compile(r"\d{7,}"), "[number]"),
)


def mask_personal_data(text: str) -> str:
    """The text with e-mails, phones, cards, addresses, logins, keys and long numbers masked.

    Use it on every prompt before a person sees it. It goes by form alone, so it also masks
    harmless numbers, and it does not recognise names: a quotation must be short as well.
    """
    text = _IPV6.sub(_mask_if_ipv6, text)
    for pattern, mask in _RULES:
        text = pattern.sub(_with(mask), text)
    return text


def _mask_if_ipv6(match: re.Match[str]) -> str:
    # "12:30:00" and "a::b" have the form of an address and are none.
    try:
        ipaddress.IPv6Address(match.group())
    except ValueError:
        return match.group()
    return "[address]" if any(c.isdigit() for c in match.group()) else match.group()


def _with(mask: str) -> Callable[[re.Match[str]], str]:
    return lambda match: match.expand(mask)
