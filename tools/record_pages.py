"""Plays the commands that pages show, and writes what they print into the pages.

`python tools/record_pages.py docs/sources/NAME.md ...` refreshes pages; without names, all of
docs/sources. tests/docs/test_pages.py holds every page to what its commands print today.

The console blocks of a page that show output are one session, in one new folder in which `tests`
and `docs` are those of the project, with a key of its own. A line `…` stands for any lines that
were left out. What differs from run to run is compared as MASKS say. `stillwatch` runs in this
process, which saves seconds a command; anything else in a shell.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from glob import glob
from pathlib import Path

from click.testing import CliRunner

from stillwatch.cli.main import run
from stillwatch.cli.output import people

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs" / "sources").glob("*.md"))
LEFT_OUT = "…"
_WIDTH = 100
_TABLE = "What this import filled"
# What no two runs have in common: durations, tokens and fingerprints under a new key.
MASKS = (
    (re.compile(r"\b\d+\.\d s\b"), "0.0 s"),
    (re.compile(r"\bin \d+ seconds\b"), "in 0 seconds"),
    (re.compile(r"\b[0-9a-f]{32}\b|(?<=_)[0-9a-f]{32}\b"), "0" * 32),
)
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASSIGNMENT = re.compile(r"[A-Z_0-9]+=.*")


@dataclass(frozen=True, slots=True)
class Step:
    """One command of a page, with the lines that the page shows below it."""

    command: str
    shown: list[str]


def steps_of(block: str) -> list[Step]:
    """The commands of a console block; one that ends in a backslash goes on in the next line."""
    steps: list[Step] = []
    for line in block.splitlines():
        if steps and not steps[-1].shown and steps[-1].command.endswith("\\"):
            steps[-1] = Step(f"{steps[-1].command}\n{line}", [])
        elif line.startswith("$ "):
            steps.append(Step(line.removeprefix("$ "), []))
        elif steps:
            steps[-1].shown.append(line)
    return steps


def sessions(text: str) -> list[tuple[int, int, list[Step]]]:
    """The console blocks that show output: where each begins and ends, and its steps."""
    blocks = [(m.start(1), m.end(1), steps_of(m[1])) for m in _BLOCK.finditer(text)]
    return [block for block in blocks if any(step.shown for step in block[2])]


@contextmanager
def desk() -> Iterator[Path]:
    """A new folder to work in, with `tests` and `docs` of the project and without any setting."""
    before, here, width = dict(os.environ), Path.cwd(), people.width
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch).resolve() / "logs"
        folder.mkdir()
        for name in ("tests", "docs"):
            (folder / name).symlink_to(ROOT / name)
        for name in [n for n in os.environ if n.startswith("STILLWATCH__")]:
            del os.environ[name]
        os.environ["XDG_CONFIG_HOME"] = f"{scratch}/config"
        people.width = _WIDTH
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(here)
            people.width = width
            os.environ.clear()
            os.environ.update(before)


def printed(command: str) -> list[str]:
    """The lines that a command prints on both of its outputs."""
    words = shlex.split(command.replace("\\\n", " "))
    settings = {}
    while words and _ASSIGNMENT.fullmatch(words[0]):
        name, _, value = words.pop(0).partition("=")
        settings[name] = value
    if words[0] == "stillwatch":
        arguments = [path for word in words[1:] for path in sorted(glob(word)) or [word]]
        output = CliRunner().invoke(run, arguments, env=settings).output
    else:
        output = subprocess.run(
            ["sh", "-c", command],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        ).stdout
    home = os.environ["XDG_CONFIG_HOME"]
    return [line.rstrip() for line in output.replace(home, "~/.config").splitlines()]


def agree(shown: list[str], found: list[str]) -> bool:
    """Whether a page shows what was printed, but for masks and lines that were left out."""
    lines = (".*" if line == LEFT_OUT else re.escape(_masked(line)) for line in shown)
    pattern = "\n".join(lines).replace("\n.*\n", "\n(?:.*\n)?").removesuffix("\n.*")
    end = r"(?:\n.*)?" if shown[-1:] == [LEFT_OUT] else ""
    return bool(re.fullmatch(pattern + end, "\n".join(map(_masked, found)), re.DOTALL))


def _masked(line: str) -> str:
    for pattern, stand_in in MASKS:
        line = pattern.sub(stand_in, line)
    return line


def differences(page: Path) -> Iterator[tuple[Step, list[str]]]:
    """The steps of a page whose output is another today, with that output."""
    with desk():
        for _, _, steps in sessions(page.read_text(encoding="utf-8")):
            for step in steps:
                found = printed(step.command)
                if not agree(step.shown, found):
                    yield step, found


def refresh(page: Path) -> bool:
    """Write today's outputs into a page, where they differ; whether any did.

    The table that ends an import is shown once.
    """
    text, parts, last = page.read_text(encoding="utf-8"), [], 0
    is_shown = False
    with desk():
        for start, end, steps in sessions(text):
            lines: list[str] = []
            for step in steps:
                found = printed(step.command)
                if not agree(step.shown, found):
                    step = Step(step.command, _without_table(found) if is_shown else found)
                is_shown = is_shown or _TABLE in step.shown
                lines += [f"$ {step.command}", *step.shown]
            parts += [text[last:start], "\n".join(lines) + "\n"]
            last = end
    written = "".join([*parts, text[last:]])
    page.write_text(written, encoding="utf-8")
    return written != text


def _without_table(found: list[str]) -> list[str]:
    if _TABLE not in found:
        return found
    return [*found[: found.index(_TABLE)], LEFT_OUT, found[-1]]


if __name__ == "__main__":
    for name in [Path(n) for n in sys.argv[1:]] or PAGES:
        print(f"{name}: {'written' if refresh(name) else 'as it was'}")
