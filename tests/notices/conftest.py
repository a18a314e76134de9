"""The servers to which the notices' tests deliver."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# The authority that signs the servers' certificates is that of the receiver's tests.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "receiver"))

from certificates import Authority
from notice_servers import HookServer, MailServer


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def hook() -> Iterator[HookServer]:
    """A webhook's receiver on loopback."""
    with HookServer() as server:
        yield server


@pytest.fixture
def secure_hook(authority: Authority) -> Iterator[HookServer]:
    """The same behind TLS."""
    with HookServer(authority.issue("hook")) as server:
        yield server


@pytest.fixture
def mail(authority: Authority) -> Iterator[MailServer]:
    """A server for mail that offers STARTTLS."""
    with MailServer(authority.issue("mail")) as server:
        yield server
