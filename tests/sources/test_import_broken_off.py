"""An import that cannot go on leaves the lake as it was: full disks, interrupts, kills."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from import_builders import Desk, exchange_rows

from stillwatch.lake import making_sketches
from stillwatch.lake.store import Lake


@pytest.mark.parametrize("existing", [0, 4])
def test_full_disk_leaves_the_lake_as_it_was(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, existing: int
) -> None:
    """When there is no room the message says so, the status is 1, and nothing is half-written."""
    if existing:
        desk.import_(desk.jsonl("before.jsonl", exchange_rows(existing)))
    before = desk.snapshot()

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(making_sketches, "sketch_exchanges", no_room)
        outcome = desk.import_(desk.jsonl("x.jsonl", exchange_rows(50)))

    assert outcome.status == 1
    assert "disk is full" in outcome.words
    assert desk.snapshot() == before
    assert desk.lake_path.exists() == bool(existing)


def test_really_full_disk_leaves_the_lake_as_it_was(desk: Desk) -> None:
    """The same when the system itself refuses to let files grow."""
    desk.import_(desk.jsonl("before.jsonl", exchange_rows(4)))
    before = desk.snapshot()
    path = desk.jsonl(
        "x.jsonl", [r | {"input_text": os.urandom(9999).hex()} for r in exchange_rows(60)]
    )
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
    limit += "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"

    done = _import_in_a_process(desk, path, limit)

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "Error." in done.stderr
    assert desk.snapshot() == before


def _import_in_a_process(
    desk: Desk, path: Path, preparation: str
) -> subprocess.CompletedProcess[str]:
    words = ["import", "--format", "canonical", path, "--lake", desk.lake_path]
    words += ["--key-file", desk.folder / "key"]
    # A parent that ignores Ctrl-C (a script in the background) hands that down.
    code = "import os, signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code += f"{preparation}\nfrom stillwatch.cli.main import run\nrun()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False
    )


def _signal_at_commit(number: int) -> str:
    """Send this process a signal when all parts are written and only the manifest is not."""
    return (
        "from stillwatch.lake.manifest import Manifest\n"
        f"Manifest.write = lambda *_: os.kill(os.getpid(), {number})"
    )


def test_interrupt_leaves_the_lake_as_it_was(desk: Desk) -> None:
    """Ctrl-C at the worst moment ends with status 130, no traceback and the lake unchanged."""
    desk.import_(desk.jsonl("before.jsonl", exchange_rows(4)))
    before = desk.snapshot()

    path = desk.jsonl("x.jsonl", exchange_rows(50))
    done = _import_in_a_process(desk, path, _signal_at_commit(signal.SIGINT))

    assert done.returncode == 130
    assert "Traceback" not in done.stderr
    assert desk.snapshot() == before


def test_killed_import_leaves_no_trace_after_the_next(desk: Desk) -> None:
    """A kill before the commit changes nothing that a reader sees; the next import cleans up."""
    desk.import_(desk.jsonl("before.jsonl", exchange_rows(4)))
    seen = Lake.open(desk.lake_path).manifest
    path = desk.jsonl("x.jsonl", exchange_rows(50))

    done = _import_in_a_process(desk, path, _signal_at_commit(signal.SIGKILL))

    assert done.returncode == -signal.SIGKILL
    assert Lake.open(desk.lake_path).manifest == seen
    assert len(desk.snapshot()) > 1 + 2 * len(seen.parts("exchanges"))
    desk.import_(desk.jsonl("again.jsonl", exchange_rows(4)))
    assert len(desk.snapshot()) == 1 + 2 * len(seen.parts("exchanges"))
