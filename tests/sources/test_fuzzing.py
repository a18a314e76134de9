"""Files broken in every way, in every format: no crash, no hang, no leak, and no row miscounted."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile_runs
import pytest
from hostile_files import FORMS, hostile_case
from hostile_values import SECRETS

from stillwatch.sources.adapter import ParsedRow, Remark, Unreadable

# So long may a seed wait, for a pipe or on a busy machine; how long it may work, the worker knows.
SECONDS = 900
PEAK_KB = 1_000_000
SEEDS_OF_A_PROCESS = 2_000  # an import is a process; what thousands leave behind in one is nobody's
_MOST_FINDINGS = 50


class Worker:
    """A process that plays seeds. One that dies or hangs is a finding, and is replaced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.errors = folder / "errors.txt"
        self.process: subprocess.Popen[str] | None = None
        self.played = 0

    def play(self, seed: int) -> dict[str, Any]:
        """What became of a seed; `wrong` says what was."""
        self.played += 1
        if self.played % SEEDS_OF_A_PROCESS == 0:
            self.end()
        process = self._running()
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{seed}\n")
        process.stdin.flush()
        is_ready, _, _ = select.select([process.stdout], [], [], SECONDS)
        line = process.stdout.readline() if is_ready else ""
        if line:
            played: dict[str, Any] = json.loads(line)
            if played["peak_kb"] > PEAK_KB:
                played["wrong"].append(f"{played['peak_kb']:,} kB of memory")
                self.end()
            return played
        process.send_signal(signal.SIGABRT)  # it writes where it is
        self.end()
        hung = not is_ready or process.returncode == -signal.SIGXCPU
        how = "hung" if hung else f"died with {process.returncode}"
        case = hostile_case(seed)
        wrong = f"the process {how}: {self.errors.read_text()[-3000:]}"
        return {
            "seed": seed,
            "form": f"{case.log_format} {case.form}",
            "rows": [0, 0],
            "wrong": [wrong],
        }

    def end(self) -> None:
        """Let the process go; the next seed gets a new one."""
        if self.process is None:
            return
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _running(self) -> subprocess.Popen[str]:
        if self.process is None:
            with self.errors.open("w") as errors:
                self.process = subprocess.Popen(
                    [sys.executable, Path(__file__).with_name("hostile_runs.py")],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    env={**os.environ, "TMPDIR": str(self.folder)},
                )
        return self.process


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    worker = Worker(tmp_path)
    yield worker
    worker.end()


def test_a_seed_makes_the_same_files_always() -> None:
    """What went wrong for a seed can be played again."""
    for seed in range(40):
        assert hostile_case(seed) == hostile_case(seed)


def test_files_of_every_form_are_made_and_some_can_be_read(worker: Worker) -> None:
    """A few of each form go wrong nowhere; among them are rows for the lake and for the quarantine."""
    first = random.randrange(10**9)
    by_form: dict[str, int] = {}
    for seed in range(first, first + 2_000):
        case = hostile_case(seed)
        by_form.setdefault(f"{case.log_format} {case.form}", seed)
        if len(by_form) == len(FORMS):
            break
    print(f"seeds {sorted(by_form.values())}")

    played = [worker.play(seed) for seed in by_form.values()]

    assert len(by_form) == len(FORMS)
    assert {item["seed"]: item["wrong"] for item in played if item["wrong"]} == {}
    assert sum(item["rows"][0] for item in played) > 0
    assert sum(item["rows"][1] for item in played) > 0


class Careless:
    """An adapter that does what none may."""

    name = "litellm"

    def __init__(self, does: str) -> None:
        self.does = does

    def read(self, path: Path) -> Iterator[Any]:
        secret = SECRETS["mail"]
        if self.does == "raises":
            raise KeyError(secret)
        if self.does == "quotes":
            yield Unreadable(1, f"There is no {secret}.")
        if self.does == "remarks":
            yield Remark(f"There is no {secret}.")
        row = {"account_id": "a", "started_at": "2026-03-01T00:00:00Z", "input_text": "x"}
        yield ParsedRow(1, row | ({"end_user_token": secret} if self.does == "keeps" else {}))


@pytest.mark.parametrize(
    ("does", "words"),
    [
        ("nothing", ""),
        ("raises", "an adapter raised"),
        ("quotes", "leak in the lake: quarantine.reason"),
        ("remarks", "leak in the"),
        ("keeps", "leak in the lake: exchanges.end_user_token"),
    ],
)
@pytest.mark.parametrize("share", [0, 1], ids=["read", "commands"])
def test_what_no_adapter_may_do_is_found(
    does: str, words: str, share: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an exception nor a leak goes by, whether files are only read or imported."""
    monkeypatch.setattr(hostile_runs, "_SHARE_OF_COMMANDS", share)
    monkeypatch.setattr("stillwatch.sources.adapter.load_adapter", lambda *_: Careless(does))
    monkeypatch.setattr(hostile_runs, "load_adapter", lambda *_: Careless(does))
    seeds = (n for n in range(1_000) if hostile_case(n).log_format == "litellm")

    wrong = hostile_runs.play(next(seeds), tmp_path)["wrong"]

    assert any(words in what for what in wrong) == bool(words)


@pytest.mark.faults
def test_nothing_goes_wrong_for_an_hour(worker: Worker) -> None:
    """An hour, or FUZZ_SECONDS, of seeds from FUZZ_SEED on; each finding comes with its seed."""
    seed = first = int(os.environ.get("FUZZ_SEED") or random.randrange(10**9))
    seconds = float(os.environ.get("FUZZ_SECONDS") or 3_600)
    began, slowest = time.monotonic(), (0.0, 0)
    forms: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    wrong: dict[int, list[str]] = {}
    while time.monotonic() - began < seconds and len(wrong) < _MOST_FINDINGS:
        at = time.monotonic()
        played = worker.play(seed)
        slowest = max(slowest, (time.monotonic() - at, seed))
        forms[played["form"]] += 1
        rows.update({"imported": played["rows"][0], "quarantined": played["rows"][1]})
        if played["wrong"]:
            wrong[seed] = played["wrong"]
        seed += 1

    print(f"seeds {first} to {seed - 1} in {time.monotonic() - began:.0f} s: {dict(rows)}")
    print(f"{dict(sorted(forms.items()))}; slowest {slowest[1]} with {slowest[0]:.1f} s")
    again = "python tests/sources/hostile_runs.py SEED FOLDER plays one again"
    assert wrong == {}, again
    assert set(forms) == {" ".join(form) for form in FORMS}
