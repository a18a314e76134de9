"""Data to standard output, words to standard error, and one way to end a command."""

from __future__ import annotations

import errno
import functools
import json
import resource
import sys
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel

from stillwatch.records import InputError, StillwatchError

__all__ = [
    "FAILED",
    "FOUND",
    "INTERRUPTED",
    "UNUSABLE",
    "amount",
    "emit_json",
    "peak_memory_bytes",
    "people",
    "reports_errors",
    "say",
]

FOUND = 3
UNUSABLE = 2
FAILED = 1
INTERRUPTED = 130

people = Console(stderr=True, highlight=False, soft_wrap=True)

P = ParamSpec("P")


def peak_memory_bytes() -> int:
    """Of the whole process tree: this process, and the largest of those it started and awaited."""
    from stillwatch.sources.memory import process_bytes

    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    own, awaited = (
        resource.getrusage(who).ru_maxrss * unit
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return (process_bytes("VmHWM") or own) + awaited


def say(message: str) -> None:
    """A line for people. Markup in it is shown as text: it may quote hostile input."""
    sys.stdout.flush()  # data that came before is to be read before, where both go to one place
    people.print(escape(message))


def amount(count: int, noun: str) -> str:
    """A count with its noun: "1 row", "1,200 rows"."""
    return f"{count:,} {noun if count == 1 else noun + 's'}"


def emit_json(value: dict[str, Any]) -> None:
    """The one object that `--json` prints."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")


def reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Turn every foreseeable failure into a message and the documented exit status."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except StillwatchError as error:
            _end(error)
        except KeyboardInterrupt:
            say("Interrupted. Nothing was left half-written.")
            sys.exit(INTERRUPTED)
        except OSError as error:
            _end(_from_system(error))

    return wrapper


def _from_system(error: OSError) -> StillwatchError:
    where = str(error.filename or "")
    if error.errno == errno.ENOSPC:
        return StillwatchError(
            "the disk is full; what was half-written has been removed.",
            where=where,
            remedy="Free some room, or give another place, and run the command again.",
        )
    if isinstance(error, PermissionError):
        return InputError(
            "this user may not read or write here.",
            where=where,
            remedy="Change the permissions, or run as a user who may.",
        )
    if isinstance(error, FileNotFoundError):
        return InputError("there is no such file or folder.", where=where, remedy="Check the path.")
    return StillwatchError(f"the system reported: {error.strerror or error}.", where=where)


def _end(error: StillwatchError) -> NoReturn:
    people.print(f"[bold red]Error.[/] {escape(str(error))}")
    sys.exit(error.exit_status)


def panel(title: str, body: str) -> None:
    """A framed paragraph for people; both parts are shown as text."""
    people.print(Panel(escape(body), title=escape(title), expand=False))
