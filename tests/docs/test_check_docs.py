"""The check of the documents finds what is wrong in them, where it is, and nothing else."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import click
import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "check_docs.py"
Project = Callable[..., Path]


def _load() -> ModuleType:
    """The tool as a module: `tools` is no package."""
    spec = importlib.util.spec_from_file_location("check_docs", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["check_docs"] = module
    spec.loader.exec_module(module)
    return module


check_docs = _load()


@click.group()
def cli() -> None:
    """A command line of two commands."""


@cli.command()
@click.option("--out", help="Where it goes.")
@click.option("--fast/--slow", default=True)
def scan(out: str, fast: bool) -> None:
    """Look."""


@cli.group()
def keys() -> None:
    """Keys."""


@keys.command()
def init() -> None:
    """Make one."""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes a small project, from paths and texts."""

    def write(**texts: str) -> Path:
        (tmp_path / "Makefile").write_text("test:\n\ttrue\ntest-browser: test\n")
        for name, text in texts.items():
            path = tmp_path / name.replace("__", "/").replace("_md", ".md").replace("_py", ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def _found(findings: object) -> list[str]:
    return [str(finding) for finding in findings]  # type: ignore[attr-defined]


def test_link_to_a_missing_file_is_found_with_its_line(project: Project) -> None:
    """A relative link that leads nowhere is named with file and line."""
    root = project(docs__a_md="# A\n\nSee [b](b.md) and [why](why.md).\n", docs__why_md="# Why\n")

    assert _found(check_docs.check_links(root)) == [
        "docs/a.md:3: the link b.md leads to no file.",
    ]


def test_link_to_a_missing_heading_is_found(project: Project) -> None:
    """A link to a heading needs the heading, and one that is there passes."""
    root = project(
        docs__a_md="[x](b.md#what-it-does) [y](b.md#nothing)\n", docs__b_md="## What it does\n"
    )

    assert _found(check_docs.check_links(root)) == [
        "docs/a.md:1: the link b.md#nothing leads to no heading."
    ]


def test_link_out_of_the_project_is_found(project: Project) -> None:
    """No document leads to what is not in the project."""
    root = project(README_md="[x](../elsewhere.md) [y](https://example.org/a.md)\n")

    assert _found(check_docs.check_links(root)) == [
        "README.md:1: the link ../elsewhere.md leaves the project."
    ]


def test_links_in_code_are_text(project: Project) -> None:
    """What looks like a link inside code is none."""
    root = project(README_md="`[x](gone.md)`\n\n```text\n[y](gone.md)\n```\n")

    assert _found(check_docs.check_links(root)) == []


def test_path_that_is_gone_is_found(project: Project) -> None:
    """A file of ours that a document names must be there."""
    root = project(
        docs__a_md="`src/stillwatch/here.py` and `src/stillwatch/gone.py`\n",
        src__stillwatch__here_py="pass\n",
    )

    assert _found(check_docs.check_paths(root)) == [
        "docs/a.md:1: there is no src/stillwatch/gone.py."
    ]


def test_module_without_its_card_is_found(project: Project) -> None:
    """A docstring that names a card needs the card."""
    root = project(
        src__stillwatch__signals__tempo_py='"""Tempo.\n\nCard: `docs/signals/tempo.md`.\n"""\n'
    )

    assert _found(check_docs.check_paths(root)) == [
        "src/stillwatch/signals/tempo.py:3: there is no docs/signals/tempo.md."
    ]


def test_card_without_code_is_found(project: Project) -> None:
    """A card names the code it describes, and the code names the card."""
    root = project(
        docs__signals__tempo_md="# Tempo\n\nCode: `src/stillwatch/signals/tempo.py`.\n",
        docs__signals__lonely_md="# Lonely\n",
        src__stillwatch__signals__tempo_py='"""Tempo."""\n',
    )

    assert _found(check_docs.check_cards(root)) == [
        "docs/signals/lonely.md:1: names no code file such as src/stillwatch/signals/NAME.py.",
        "docs/signals/tempo.md:1: none of the code files it names refers to it.",
    ]


def test_module_that_its_card_does_not_describe_is_found(project: Project) -> None:
    """Two files may share a card only if its line of code names both."""
    root = project(
        docs__signals__tempo_md="# Tempo\n\nCode: `src/stillwatch/signals/tempo.py`.\n\n"
        "See `src/stillwatch/signals/beat.py`.\n",
        src__stillwatch__signals__tempo_py='"""Tempo.\n\nCard: `docs/signals/tempo.md`.\n"""\n',
        src__stillwatch__signals__beat_py='"""Beat. Card: `docs/signals/tempo.md`."""\n',
        src__stillwatch__signals__pulse_py="def measure(scene: Scene) -> Tell: ...\n",
    )

    assert _found(check_docs.check_cards(root)) == [
        "src/stillwatch/signals/beat.py:1: docs/signals/tempo.md does not name this file as its "
        "code.",
        "src/stillwatch/signals/pulse.py:1: is a signal and names no card.",
    ]


def test_unknown_command_in_a_console_block_is_found(project: Project) -> None:
    """A shown command must exist; its output is not read."""
    root = project(README_md="```console\n$ stillwatch hunt --out x\nstillwatch gone\n```\n")

    assert _found(check_docs.check_commands(root, cli)) == [
        "README.md:2: there is no command `stillwatch hunt`."
    ]


def test_unknown_option_on_a_continued_line_is_found(project: Project) -> None:
    """Options count over all lines of a command, both forms of a switch included."""
    root = project(
        README_md="```console\n$ .venv/bin/stillwatch scan --slow \\\n    --loud=3 --out x\n```\n"
    )

    assert _found(check_docs.check_commands(root, cli)) == [
        "README.md:2: `stillwatch scan` has no option `--loud`."
    ]


def test_commands_in_prose_are_checked_too(project: Project) -> None:
    """Code in a sentence is held to the same rule, inner commands included."""
    root = project(README_md="Run `stillwatch keys init`, then `stillwatch keys lose --now`.\n")

    assert _found(check_docs.check_commands(root, cli)) == [
        "README.md:1: there is no command `stillwatch keys lose`."
    ]


def test_verb_that_the_makefile_lacks_is_found(project: Project) -> None:
    """`make VERB` needs the verb."""
    root = project(README_md="Run `make test` and `make test-browser`, then `make coffee`.\n")

    assert _found(check_docs.check_commands(root, cli)) == [
        "README.md:1: there is no `make coffee`."
    ]


@pytest.mark.parametrize("string", check_docs.FORBIDDEN)
def test_forbidden_string_is_found_in_code_and_text(project: Project, string: str) -> None:
    """Each forbidden string is found at its line, wherever it stands."""
    root = project(src__a_py=f"x = 1\n# {string}\n", NOTES_md=f"{string}\n")

    assert _found(check_docs.check_forbidden(root)) == [
        f"src/a.py:2: holds the forbidden string {string!r}.",
        f"NOTES.md:1: holds the forbidden string {string!r}.",
    ]


def test_reference_that_is_out_of_date_is_found_at_the_first_difference(project: Project) -> None:
    """A changed help text shows as the first line that differs."""
    root = project()
    for name, text in check_docs.render_references(cli).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text.replace("Where it goes.", "Where it went."))

    text = check_docs.render_references(cli)["docs/reference/cli.md"]
    number = next(n for n, line in enumerate(text.splitlines(), 1) if "Where it goes." in line)
    assert _found(check_docs.check_references(root, cli)) == [
        f"docs/reference/cli.md:{number}: not what the code says; run tools/check_docs.py --write."
    ]


def test_reference_names_every_command_and_option() -> None:
    """Every command of the command line, inner ones and switches included, is in the reference."""
    text = check_docs.render_references(cli)["docs/reference/cli.md"]

    for word in ("stillwatch scan", "--out", "--fast / --slow", "stillwatch keys init"):
        assert word in text


def test_reference_names_every_column_of_every_table() -> None:
    """No column of the log or of the findings is left out of the reference."""
    from stillwatch.records import FINDINGS_TABLES, LOG_TABLES

    text = check_docs.render_references(cli)["docs/reference/tables.md"]
    headings = [s.name for s in LOG_TABLES] + [f"{s.name}.parquet" for s in FINDINGS_TABLES]
    for heading, schema in zip(headings, (*LOG_TABLES, *FINDINGS_TABLES), strict=True):
        section = text.partition(f"### {heading}\n")[2].partition("\n### ")[0]
        cells = {line.split("|")[1].strip(" *") for line in section.splitlines() if "|" in line}
        assert set(schema.names) <= cells


def test_writing_makes_the_reference_current(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """After `--write` the check has nothing to say of a sound project, and ends with 0."""
    root = project(README_md="# Sound\n\nSee [commands](docs/reference/cli.md).\n")

    assert check_docs.main([], root=root) == 1
    assert check_docs.main(["--write"], root=root) == 0
    assert check_docs.main([], root=root) == 0
    assert "docs/reference/cli.md:1:" in capsys.readouterr().out
