"""What a found campaign collects, from its text read a second time: a name, and never a verdict."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from planted_logs import START, LogBook, planted
from stillwatch.lake.purpose import PURPOSES, naming_model, purpose_model
from stillwatch.records import Findings, Target
from stillwatch.signals import naming
from stillwatch.signals.naming import purposes_read_again

# Sentences that stand in no list the classifiers were trained on.
COLLECTED = {
    "grading": "Judge which of the two answers is better and score each against a rubric.",
    "safety_rewrites": "Reword this nasty message so that it respects the content policy.",
    "tool_use": "List the tool calls, with arguments, that an agent makes to reach this goal.",
    "reasoning": "Think through the problem step by step and show all your reasoning.",
    "code": "Implement this class in Python with unit tests and handle invalid input.",
    "data_analysis": "Analyse the dataset, describe trends and outliers, test significance.",
    "explanations": "Explain the concept to beginners with an analogy and a worked example.",
    "answers": "Answer the instruction as an expert, complete and ready to publish.",
}


def log_of(texts: dict[str, str | None]) -> LogBook:
    """One exchange a day of each text, the first named last."""
    book = LogBook()
    book.account("a")
    for day, (name, text) in enumerate(reversed(texts.items())):
        book.exchange("a", text, START.replace(day=4 + day), exchange_id=name)
    return book


def test_each_row_gets_the_purposes_of_its_own_text(tmp_path: Path) -> None:
    """Whatever rows are asked for, over files of one exchange each, and in whatever order."""
    book = log_of(COLLECTED)
    log, traffic = book.open(tmp_path), book.traffic(tmp_path)
    ids = traffic.exchange_ids.to_pylist()

    for chosen in ([0, 1, 2, 3, 4, 5, 6, 7], [6, 2], [5]):
        found = purposes_read_again(log, traffic, np.array(chosen))
        assert [PURPOSES[best] for best in found.argmax(axis=1)] == [ids[row] for row in chosen]


def test_the_larger_model_is_asked(tmp_path: Path) -> None:
    """Its shares are not those of the sketch, unless both are sure."""
    book = log_of(COLLECTED)
    log, traffic = book.open(tmp_path), book.traffic(tmp_path)

    found = purposes_read_again(log, traffic, np.arange(len(traffic)))

    assert len(naming_model().weights) > len(purpose_model().weights)
    assert (found != traffic.purpose).any()


def test_where_the_text_is_gone_the_sketch_is_believed(tmp_path: Path) -> None:
    """No text says nothing new, and takes nothing back."""
    book = log_of({"kept": COLLECTED["code"], "gone": None})
    log, traffic = book.open(tmp_path), book.traffic(tmp_path)
    row = traffic.exchange_ids.to_pylist().index("gone")
    sketched = np.zeros((2, len(PURPOSES)), np.uint8)
    sketched[row, PURPOSES.index("grading")] = 200

    found = purposes_read_again(log, dataclasses.replace(traffic, purpose=sketched), np.arange(2))

    assert (found[row] == sketched[row]).all()
    assert PURPOSES[found[1 - row].argmax()] == "code"
    assert sketched[1 - row].max() == 0


def test_without_a_campaign_nothing_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the larger model loaded."""
    book = log_of({"x": COLLECTED["code"]})
    log, traffic = book.open(tmp_path), book.traffic(tmp_path)
    monkeypatch.setattr(naming, "naming_model", lambda: pytest.fail("it was loaded"))

    assert purposes_read_again(log, traffic, np.zeros(0, np.int64)).shape == (0, len(PURPOSES))


def test_a_name_accuses_and_acquits_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that calls everything code changes what is named, and nothing that is decided."""
    book, _ = planted(21, workers=14)
    before = book.scan(tmp_path)
    weights = np.zeros_like(naming_model().weights)
    weights[:, PURPOSES.index("code")] = 127
    weights[:, len(PURPOSES)] = 1
    blind = dataclasses.replace(naming_model(), weights=weights)
    monkeypatch.setattr(naming, "naming_model", lambda: blind)
    after = book.scan(tmp_path)

    def decided(findings: Findings) -> list[dict[str, object]]:
        rows = findings.campaigns.to_pylist()
        return [{k: v for k, v in r.items() if k not in ("targets", "summary")} for r in rows]

    def named(findings: Findings) -> set[str]:
        return set(findings.exchanges["target"].to_pylist())

    assert decided(before) == decided(after) != []
    assert before.members["account_id"].equals(after.members["account_id"])
    assert (named(before), named(after)) == ({Target.GRADING}, {Target.CODE})
