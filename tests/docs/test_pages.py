"""What the pages of docs/sources show is what their commands print, and each has its sections."""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
import pytest

from stillwatch.sources.adapter import ADAPTERS

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tools"), str(ROOT / "tests" / "sources")]
import record_pages  # noqa: E402
from import_builders import Desk  # noqa: E402


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("page", record_pages.PAGES, ids=lambda page: page.stem)
def test_a_page_shows_what_its_commands_print(page: Path) -> None:
    """Durations and tokens aside; `python tools/record_pages.py` writes the page anew."""
    assert record_pages.sessions(page.read_text(encoding="utf-8"))

    assert [(step.command, found) for step, found in record_pages.differences(page)] == []


def test_every_format_has_a_page() -> None:
    """A source that nobody is told how to use is not finished."""
    assert {page.stem for page in record_pages.PAGES} == set(ADAPTERS)


def test_the_sql_of_a_page_writes_tables_that_are_read(desk: Desk, tmp_path: Path) -> None:
    """Tables of one's own become canonical ones by the query that the page shows."""
    page = (ROOT / "docs" / "sources" / "canonical.md").read_text(encoding="utf-8")
    query = page.split("```sql\n")[1].split("```")[0]
    ours = (
        "create table requests as select 'x' as id, 'a' as customer, now() - interval 1 day as "
        "arrived, 'Hello.' as prompt, 'Hi.' as answer, '203.0.113.7' as ip;"
        "create table customers as select 'a' as id, now() - interval 9 day as signed_up, "
        "'a@mail.example' as email, '4000000000000002' as card;"
    )
    with duckdb.connect() as database:
        database.execute(ours + query.replace("to '", f"to '{tmp_path}/"))

    report = desk.import_(tmp_path / "exchanges.parquet", tmp_path / "accounts.csv").report

    assert (report["imported"], report["dropped_columns"]) == (2, {})
    assert report["filled"]["exchanges"]["client_net_token"] == 1
    assert report["filled"]["accounts"]["payment_token"] == 1


SECTIONS = (
    "What to switch on",
    "A run",
    "Which field serves which signal",
    "What is lost when content is off",
    "Privacy",
    "When a row cannot be read",
)


@pytest.mark.parametrize("page", record_pages.PAGES, ids=lambda page: page.stem)
def test_a_page_has_the_sections_of_the_others(page: Path) -> None:
    """Whoever knows one page finds their way in the next."""
    lines = page.read_text(encoding="utf-8").splitlines()

    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert [heading for heading in headings if heading in SECTIONS] == list(SECTIONS)


@pytest.mark.parametrize(
    ("shown", "found", "agreed"),
    [
        (["a"], ["a"], True),
        (["a"], ["b"], False),
        (["a"], ["a", "b"], False),
        ([], ["a"], False),
        ([], [], True),
        (["a", "…"], ["a", "b", "c"], True),
        (["a", "…"], ["a"], True),
        (["…", "c"], ["a", "b", "c"], True),
        (["a", "…", "c"], ["a", "b", "c"], True),
        (["a", "…", "c"], ["a", "c"], True),
        (["a", "…", "c"], ["a", "b"], False),
        (["a", "…", "c"], ["x", "a", "c"], False),
        (["in 1.5 s."], ["in 12.0 s."], True),
        (["msg_" + "ab" * 16], ["msg_" + "cd" * 16], True),
        (["2 campaigns in 22 seconds."], ["2 campaigns in 31 seconds."], True),
        (["read 1.5"], ["read 2.5"], False),
    ],
)
def test_what_agrees(shown: list[str], found: list[str], agreed: bool) -> None:
    """Only lines left out, durations and tokens may differ."""
    assert record_pages.agree(shown, found) is agreed
