"""Hold the documents to the code: `make check` runs this, `--write` regenerates the reference.

Checked: docs/reference equals what the code says; every link, path, command, option and verb that a
document names exists; every signal has its card and every card names its code; no file holds a
string that must not be there. Each finding is printed as `file:line: what is wrong`.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import click

sys.path.insert(0, str(Path(__file__).resolve().parent))
from docs_reference import render_references

ROOT = Path(__file__).resolve().parents[1]

# Spelled in pieces, so that this file does not hold them.
FORBIDDEN = ("TO" + "DO", "FIX" + "ME", "/wo" + "rk/", "../sha" + "red")
SEARCHED = ("src", "docs", "tests", "tools", "benchmarks", "*.md", "Makefile", "pyproject.toml")
# Recorded from real tools, and excerpts of public data sets: not our words.
NOT_OUR_WORDS = re.compile(r"tests/[^/]+/fixtures/|src/stillwatch/simulation/text/data/prompts/")

_LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")
_CODE = re.compile(r"`([^`\n]+)`")
_FENCE = re.compile(r"^\s*(```+|~~~+)\s*(\S*)")
_PATH = re.compile(r"(?:src|docs|tests|tools|benchmarks)/[\w./-]*\w")
_CARD = re.compile(r"docs/[\w/-]+\.md")
_CARD_OF_MODULE = re.compile(r"\bCard: `(docs/signals/\w+\.md)`")
_MEASURES = re.compile(r"def measure\(scene\b")
_VERB = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing that is wrong, and where."""

    path: str
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a document, and the language of the fence it lies in ("" in prose)."""

    number: int
    text: str
    fence: str | None


def documents(root: Path) -> list[Path]:
    """All Markdown files of the project, in order."""
    return sorted({*root.glob("*.md"), *(root / "docs").rglob("*.md")})


def lines_of(path: Path) -> Iterator[Line]:
    """The lines of a document, each with its fence; the fences themselves are left out."""
    fence: str | None = None
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if found := _FENCE.match(text):
            fence = None if fence is not None else found[2]
        else:
            yield Line(number, text, fence)


def check_references(root: Path, command: click.Group) -> Iterator[Finding]:
    """Every generated page equals what the code says now."""
    for name, wanted in render_references(command).items():
        path = root / name
        found = path.read_text(encoding="utf-8") if path.is_file() else ""
        if found != wanted:
            number = _first_difference(found, wanted)
            yield Finding(name, number, "not what the code says; run tools/check_docs.py --write.")


def check_links(root: Path) -> Iterator[Finding]:
    """Every relative link leads to a file, and to a heading if it names one."""
    for path in documents(root):
        for line in lines_of(path):
            if line.fence is not None:
                continue
            for target in _LINK.findall(_CODE.sub("", line.text)):
                if problem := _broken(root, path, unquote(target)):
                    yield Finding(_name(root, path), line.number, problem)


def check_paths(root: Path) -> Iterator[Finding]:
    """Every file of ours that a document or a module names in backticks exists."""
    for path in documents(root):
        if path.name == "CHANGELOG.md":  # an old release may name what is gone
            continue
        for line in lines_of(path):
            for code in _CODE.findall(line.text) if line.fence is None else ():
                if _PATH.fullmatch(code) and not (root / code).exists():
                    yield Finding(_name(root, path), line.number, f"there is no {code}.")
    for path in sorted((root / "src").rglob("*.py")):
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for code in _CODE.findall(text):
                if _CARD.fullmatch(code) and not (root / code).exists():
                    yield Finding(_name(root, path), number, f"there is no {code}.")


def check_cards(root: Path) -> Iterator[Finding]:
    """Every card names the code it describes, and code and card name each other."""
    for card in sorted((root / "docs" / "signals").glob("*.md")):
        name = _name(root, card)
        named = {
            code
            for line in lines_of(card)
            for code in _CODE.findall(line.text)
            if re.fullmatch(r"src/stillwatch/[\w/]+\.py", code)
        }
        existing = [root / code for code in sorted(named) if (root / code).is_file()]
        if not existing:
            yield Finding(name, 1, "names no code file such as src/stillwatch/signals/NAME.py.")
        elif not any(name in path.read_text(encoding="utf-8") for path in existing):
            yield Finding(name, 1, "none of the code files it names refers to it.")
    for module in sorted((root / "src" / "stillwatch" / "signals").glob("*.py")):
        name = _name(root, module)
        lines = module.read_text(encoding="utf-8").splitlines()
        if not any(map(_CARD_OF_MODULE.search, lines)) and any(map(_MEASURES.match, lines)):
            yield Finding(name, 1, "is a signal and names no card.")
        for number, text in enumerate(lines, start=1):
            for card in _CARD_OF_MODULE.findall(text):
                path = root / card
                if path.is_file() and not _describes(path, name):
                    yield Finding(name, number, f"{card} does not name this file as its code.")


def _describes(card: Path, module: str) -> bool:
    return any(line.text.startswith("Code:") and module in line.text for line in lines_of(card))


def check_commands(root: Path, command: click.Group) -> Iterator[Finding]:
    """Every command, option and verb that a document shows exists."""
    makefile = root / "Makefile"
    verbs = set(_VERB.findall(makefile.read_text(encoding="utf-8"))) if makefile.exists() else set()
    for path in documents(root):
        for number, shown in _shown_commands(path):
            for problem in _wrong_words(shown, command, verbs):
                yield Finding(_name(root, path), number, problem)


def check_forbidden(root: Path) -> Iterator[Finding]:
    """No file of the project holds a forbidden string."""
    for path in _searched(root):
        name = _name(root, path)
        if NOT_OUR_WORDS.search(name):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for string in FORBIDDEN:
            if string in text:
                number = text[: text.index(string)].count("\n") + 1
                yield Finding(name, number, f"holds the forbidden string {string!r}.")


def _shown_commands(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The commands of console blocks (after a prompt) and of code in prose."""
    waiting, started = "", 0
    for line in lines_of(path):
        if line.fence is None:
            for code in _CODE.findall(line.text):
                if words := _words(code):
                    yield line.number, words
        elif line.fence in ("console", "sh", "shell", "bash"):
            text = line.text.strip()
            if not waiting and line.fence == "console" and not text.startswith("$ "):
                continue
            started = started if waiting else line.number
            waiting += text.removeprefix("$ ").removesuffix("\\").strip() + " "
            if not text.endswith("\\"):
                if words := _words(waiting):
                    yield started, words
                waiting = ""


def _words(shown: str) -> list[str]:
    """The words of a command of ours, or nothing if it is none."""
    shown = re.split(r"\s(?:[|>#]|2>|&&|\|\|)\s?", shown)[0]
    try:
        words = shlex.split(shown)
    except ValueError:
        return []
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if len(words) < 2 or Path(words[0]).name not in ("stillwatch", "make"):
        return []
    return [Path(words[0]).name, *words[1:]]


def _wrong_words(words: list[str], command: click.Group, verbs: set[str]) -> Iterator[str]:
    if words[0] == "make":
        yield from (
            f"there is no `make {verb}`."
            for verb in words[1:]
            if re.fullmatch(r"[a-z][a-z-]*", verb) and verb not in verbs
        )
        return
    context = click.Context(command, info_name="stillwatch")
    current: click.Command = command
    rest = words[1:]
    while rest and isinstance(current, click.Group) and not rest[0].startswith("-"):
        inner = current.get_command(context, rest[0])
        if inner is None:
            yield f"there is no command `{context.command_path} {rest[0]}`."
            return
        context = click.Context(inner, parent=context, info_name=rest[0])
        current, rest = inner, rest[1:]
    known = {name for p in current.get_params(context) for name in (*p.opts, *p.secondary_opts)}
    for word in rest:
        option = word.partition("=")[0]
        if option.startswith("-") and option not in ("-", "--") and option not in known:
            yield f"`{context.command_path}` has no option `{option}`."


def _broken(root: Path, path: Path, target: str) -> str:
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return ""
    file, _, heading = target.partition("#")
    linked = (path.parent / file).resolve() if file else path
    if not linked.is_relative_to(root.resolve()):
        return f"the link {target} leaves the project."
    if not linked.exists():
        return f"the link {target} leads to no file."
    if heading and linked.suffix == ".md" and heading not in _headings(linked):
        return f"the link {target} leads to no heading."
    return ""


def _headings(path: Path) -> set[str]:
    """The anchors of a document's headings, as code hosts make them."""
    found = set()
    for line in lines_of(path):
        if line.fence is None and (heading := re.match(r"#+\s+(.*)", line.text)):
            plain = re.sub(r"[^\w\- ]", "", heading[1].replace("`", "").strip().lower())
            found.add(plain.replace(" ", "-"))
    return found


def _searched(root: Path) -> Iterator[Path]:
    for pattern in SEARCHED:
        for start in sorted(root.glob(pattern)):
            paths = sorted(start.rglob("*")) if start.is_dir() else [start]
            yield from (p for p in paths if p.is_file() and "__pycache__" not in p.parts)


def _first_difference(found: str, wanted: str) -> int:
    pairs = zip(found.splitlines(), wanted.splitlines(), strict=False)
    same = 0
    for ours, theirs in pairs:
        if ours != theirs:
            break
        same += 1
    return same + 1


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def check_all(root: Path, command: click.Group) -> list[Finding]:
    """Everything that is wrong, by file and line."""
    return sorted(
        {
            *check_references(root, command),
            *check_links(root),
            *check_paths(root),
            *check_cards(root),
            *check_commands(root, command),
            *check_forbidden(root),
        }
    )


def main(arguments: Sequence[str], *, root: Path = ROOT) -> int:
    """Check, or with `--write` regenerate the reference first."""
    from stillwatch.cli.main import run

    if unknown := [word for word in arguments if word != "--write"]:
        print(f"unknown argument {unknown[0]!r}; only --write is known.", file=sys.stderr)
        return 2
    if arguments:
        for name, text in render_references(run).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
    found = check_all(root, run)
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
