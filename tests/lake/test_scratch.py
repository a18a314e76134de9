"""Columns in files: the same values as in memory, nothing left of the files, a full disk is told."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stillwatch.lake import scratch
from stillwatch.records import StillwatchError


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Every column lies in a file, however small; returns the folder of the files."""
    monkeypatch.setattr(scratch, "LEAST_BYTES", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def resident_bytes() -> int:
    """What of the mapped files of this process is in its memory."""
    return sum(
        int(line.split()[1]) * 1024
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        if line.startswith(("RssFile", "RssShmem"))
    )


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(-(2**40), 2**40), max_size=20), max_size=6),
    st.sampled_from([1, 64, 1 << 24]),
)
def test_a_column_holds_what_was_added_in_memory_or_in_a_file(
    pieces: list[list[int]], least: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scratch, "LEAST_BYTES", least)
        column = scratch.Growing(np.int64)
        for piece in pieces:
            column.append(np.array(piece, np.int64))
        whole = column.whole()

    assert whole.tolist() == [number for piece in pieces for number in piece]
    assert whole.flags.writeable


def test_a_column_is_converted_to_its_type(in_files: Path) -> None:
    column = scratch.Growing(np.int32)
    column.append(np.array([1, 2, 3], np.int64))
    assert column.whole().dtype == np.int32


def test_entries_are_taken_in_order_stretch_by_stretch(
    in_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "AT_ONCE", 7)
    column = scratch.apart(np.random.default_rng(1).integers(0, 1000, 100))
    order = np.random.default_rng(2).permutation(100)[:60]

    assert scratch.taken(column, order).tolist() == column[order].tolist()


def test_rest_gives_memory_back_and_loses_nothing(in_files: Path) -> None:
    column = scratch.apart(np.arange(1 << 21))  # 16 MiB
    assert int(column.sum()) == (1 << 21) * ((1 << 21) - 1) // 2
    before = resident_bytes()
    scratch.rest()

    assert before - resident_bytes() > 1 << 23
    assert int(column[-1]) == (1 << 21) - 1


def test_the_files_have_no_names(in_files: Path) -> None:
    """Nothing is left behind, however the process ends."""
    column = scratch.Growing(np.int64)
    column.append(np.arange(1000))
    columns = [column.whole(), scratch.empty(1000, np.int8), scratch.apart(np.arange(9))]

    assert len(columns) == 3
    assert list(in_files.iterdir()) == []


def test_a_full_disk_is_told_with_its_place(
    in_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When room is asked for, and not by the system's signal when it is used."""

    def no_room(_descriptor: int, _offset: int, _size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(StillwatchError, match="No space left") as caught:
        scratch.empty(1000, np.int64)
    assert caught.value.where == str(in_files)
    assert "TMPDIR" in caught.value.remedy
