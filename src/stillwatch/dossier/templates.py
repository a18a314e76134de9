"""How pages are made: templates that escape everything, our own style, and no script."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from stillwatch.dossier import words
from stillwatch.dossier.hostile_text import visible

__all__ = ["content_policy", "environment", "style_sheet"]


@cache
def environment() -> Environment:
    """The templates of this folder; every string in them is made visible and escaped."""
    made = Environment(
        loader=PackageLoader("stillwatch.dossier", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    for name in ("amount", "compact", "day", "figure", "link_kind", "moment", "odds", "percent"):
        made.filters[name] = getattr(words, name)
    return made


def _finalize(value: object) -> object:
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value, keep_lines=True)
    return "" if value is None else value


@cache
def style_sheet() -> Markup:
    """Our own file, not input: the one text that goes into a page unescaped."""
    css = (files("stillwatch.dossier") / "page.css").read_text(encoding="utf-8")
    return Markup(css)  # noqa: S704


def content_policy(style: str) -> str:
    """The Content-Security-Policy of a page that has this style and nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
