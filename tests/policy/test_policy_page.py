"""`docs/policy.md` says of each guard rail what it does and why."""

from __future__ import annotations

import re
from pathlib import Path

from stillwatch.policy.rules import Guard

PAGE = Path(__file__).resolve().parents[2] / "docs" / "policy.md"


def test_every_guard_rail_has_a_section() -> None:
    """Reports name them; who reads a report can look each up."""
    headings = set(re.findall(r"^### ([a-z-]+)$", PAGE.read_text(), re.MULTILINE))

    assert headings == {guard.value for guard in Guard}
