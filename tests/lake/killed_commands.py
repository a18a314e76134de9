"""Runs commands in processes of their own that are killed at a step of their work with files."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

__all__ = ["KILLED", "die_at_step", "start_command"]

KILLED = -signal.SIGKILL

_STEPS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "fcntl.flock"}
_PROCESSES = multiprocessing.get_context("forkserver")
# Imported once, by the process that the commands are forked from.
_PROCESSES.set_forkserver_preload(
    [
        "stillwatch.cli.main",
        "stillwatch.lake.check",
        "stillwatch.lake.compaction",
        "stillwatch.lake.writer",
        "stillwatch.sources.pipeline",
        "stillwatch.campaigns.scan",
        "stillwatch.dossier",
    ]
)


def start_command(words: Sequence[str], *, lake: Path, die_at: int, output: Path) -> BaseProcess:
    """Start `stillwatch WORDS`; its exit code is `KILLED` if it got to the step.

    Args:
        die_at: The step in the lake's folder at which it is killed, before it is done; 0 for never.
        output: Where its output goes.
    """
    process = _PROCESSES.Process(target=_run, args=(list(words), str(lake), die_at, str(output)))
    process.start()
    return process


def _run(words: list[str], lake: str, die_at: int, output: str) -> None:
    with open(output, "w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    if die_at:
        die_at_step(die_at, lake)
    from stillwatch.cli.main import run

    run.main(words)


def die_at_step(step: int, lake: str) -> None:
    """Count what Python does in the lake's folder; the lock's steps name no path and count, too."""
    left = step

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event not in _STEPS:
            return
        if event != "fcntl.flock":
            with contextlib.suppress(TypeError, UnicodeDecodeError):
                if not os.fsdecode(arguments[0]).startswith(lake):  # type: ignore[arg-type]
                    return
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
