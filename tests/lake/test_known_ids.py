"""Ids are known again whenever they come, at the cost of what came."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lake_rows import exchanges, new_lake, stored

from stillwatch.lake import known_ids
from stillwatch.lake.check import check_lake
from stillwatch.lake.compaction import compact_lake
from stillwatch.lake.database import lake_database
from stillwatch.lake.erasure_rules import Wanted
from stillwatch.lake.forgetting import forget
from stillwatch.lake.known_ids import KnownIds
from stillwatch.lake.manifest import Manifest, Part
from stillwatch.lake.store import Lake
from stillwatch.records import StillwatchError

_STEPS = st.lists(
    st.one_of(
        st.lists(st.integers(0, 40), min_size=1, max_size=5),
        st.sampled_from(["compact", "lose", "break", "forget"]),
    ),
    min_size=2,
    max_size=8,
)


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=_STEPS, digests=st.sampled_from([2, 2**60]))
def test_each_id_is_there_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], digests: int
) -> None:
    """Whatever came before in whatever order, even if two ids in three have the digest of others.

    Runs are small, merged at once, lost, broken and made anew; files are merged, and rows erased.
    """
    path = tmp_path_factory.mktemp("lakes") / "lake"
    new_lake(path, exchanges(*range(100, 110)))
    known = set(range(100, 110))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(known_ids, "_ENOUGH_IDS", 8)
        patch.setattr(known_ids, "_MOST_RUNS", 2)
        digest = f"md5_number_lower(exchange_id) % {digests} as digest"
        patch.setattr(known_ids, "_DIGEST", digest)
        for step in steps:
            runs = sorted((path / known_ids.KNOWN_IDS).glob("*"))
            if step == "compact":
                compact_lake(path)
            elif step == "forget":
                # All are the account's: what comes again is new.
                forget(path, Wanted(accounts=frozenset({"a"})))
                assert known_ids._stored_runs(path) == []
                known = set()
            elif step == "lose":
                for run in runs[::2]:
                    run.unlink()
            elif step == "break":
                for run in runs[::2]:
                    run.write_bytes(run.read_bytes()[:-9])
            else:
                imported = _imported(path, *step)
                assert imported == len(set(step) - known)
                known |= set(step)
    ids = [row["exchange_id"] for row in stored(Lake.open(path), "exchanges")]
    assert sorted(ids) == sorted(f"e{n}" for n in known)


def test_news_read_nothing_of_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only files that no digests are kept of, once; and of a known id, the group it is in."""
    path = _spread(tmp_path)
    _imported(path, 5000)
    made, read = list[Part](), list[Path]()
    make, ids_at = KnownIds._made, known_ids._ids_at

    def making(self: KnownIds, parts: list[Part]) -> Any:
        made.extend(parts)
        return make(self, parts)

    def reading(file: Path, rows: Any) -> Any:
        read.append(file)
        return ids_at(file, rows)

    monkeypatch.setattr(KnownIds, "_made", making)
    monkeypatch.setattr(known_ids, "_ids_at", reading)
    monkeypatch.setattr("stillwatch.lake.draft.Draft._stored", lambda _self, _table: [])

    assert _imported(path, 5001) == 1
    assert [part.rows for part in made] == [1]
    assert read == []
    assert _imported(path, 30, 5002) == 1
    assert len(read) == 1
    assert "2026-03-02" in str(read[0])


def test_a_known_id_is_known_on_another_day(tmp_path: Path) -> None:
    """Also one of the middle of a file, and ids that no row had."""
    path = _spread(tmp_path)
    again = exchanges(7, 25, 900)
    names = pa.array(["e30", "e71", "e-new"])
    with Lake.open(path).writer() as writer:
        writer.add("exchanges", again.set_column(0, "exchange_id", names))

    assert (writer.added.imported, writer.added.duplicates) == (1, 2)


def test_runs_stay_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many commits there are, and however often their files are merged."""
    monkeypatch.setattr(known_ids, "_MOST_RUNS", 3)
    path = _spread(tmp_path)
    for number in range(8):
        _imported(path, 5000 + number)
        if number % 3 == 2:
            compact_lake(path)
        runs = known_ids._stored_runs(path)
        assert len(runs) <= 3
        named = set(Manifest.read(path).parts("exchanges"))
        live = sum(part.rows for run in runs for part in run.parts if part in named)
        assert sum(len(run.rows) for run in runs) <= 2 * live + 72
    assert len(list((path / known_ids.KNOWN_IDS).iterdir())) == len(runs)


def test_a_run_that_does_not_fit_is_told(tmp_path: Path) -> None:
    """The check compares it with the files; without it, all is well."""
    path = _spread(tmp_path)
    _imported(path, 5000)
    (run,) = known_ids._stored_runs(path)
    whole = check_lake(path).problems
    wrong = known_ids._Run(run.parts, run.digests + 1, run.rows)
    known_ids._store(wrong, lake=path, workplace=tmp_path)
    told = [problem.where for problem in check_lake(path).problems]
    shutil.rmtree(path / known_ids.KNOWN_IDS)

    assert whole == []
    assert told == [str(path / ".ids")]
    assert check_lake(path).problems == []


def test_what_is_erased_leaves_no_digest(tmp_path: Path) -> None:
    """Those of others stay, and are true."""
    path = _spread(tmp_path)
    names = pa.array(["b", "b"])
    with Lake.open(path).writer() as writer:
        writer.add("exchanges", exchanges(6000, 30).set_column(1, "account_id", names))
    _imported(path, 5000)
    before = {digest for run in known_ids._stored_runs(path) for digest in run.digests.tolist()}

    forget(path, Wanted(accounts=frozenset({"b"})))

    after = {digest for run in known_ids._stored_runs(path) for digest in run.digests.tolist()}
    assert before - after == _digests("e6000")
    assert check_lake(path).problems == []
    assert _imported(path, 6000) == 1


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """In words, and the lake stays as it was."""
    path = _spread(tmp_path)
    _imported(path, 5100)
    before = Manifest.read(path)
    file = path / next(part.path for part in before.parts("exchanges") if part.rows > 1)
    file.write_bytes(file.read_bytes()[:-20])

    with pytest.raises(StillwatchError, match="cannot be read"):
        _imported(path, 3, 6000)

    assert Manifest.read(path) == before


def test_places_of_digests() -> None:
    """Against a look at each."""
    dice = random.Random(3)
    for _ in range(200):
        digests = np.array(sorted(dice.randrange(12) for _ in range(dice.randrange(20))), np.uint64)
        asked = np.unique(np.array([dice.randrange(12) for _ in range(4)], np.uint64))
        found = known_ids._places(digests, asked).tolist()
        assert sorted(found) == [i for i, digest in enumerate(digests) if digest in asked]


def _spread(folder: Path) -> Path:
    """A lake of 72 exchanges in three days."""
    return new_lake(folder / "lake", exchanges(*range(72))).path


def _imported(path: Path, *numbers: int) -> int:
    with Lake.open(path).writer() as writer:
        writer.add("exchanges", exchanges(*numbers))
    return writer.added.imported


def _digests(*ids: str) -> set[int]:
    with lake_database(Path("unused")) as database:
        return {
            database.execute("select md5_number_lower(?)", [one]).fetchall()[0][0] for one in ids
        }
