"""The recorders' tools are the gateway tests' tools too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
# And those who decide and are appealed to are those of the server's tests.
for name in ("serving", "appeals", "receiver", "dossier"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / name))

from served_fixtures import deployment, people  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]

__all__ = ["deployment", "people"]


@pytest.fixture(scope="session")
def installed() -> Callable[..., None]:
    """Puts Debian's programs on this machine, where they are missing."""

    def install(*programs: str) -> None:
        words = ["sh", str(ROOT / "tools" / "install_packages.sh"), "The tests of gateways"]
        subprocess.run([*words, *programs], check=True, timeout=600)

    return install
