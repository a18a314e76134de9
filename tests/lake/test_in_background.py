"""Work in the background: one thing at a time, and no failure is lost."""

from __future__ import annotations

import pytest

from stillwatch.lake.in_background import InBackground


def failing() -> None:
    raise OSError("the disk is full")


def test_work_is_done_in_its_order() -> None:
    """What was begun first is done first, and all of it when the block has ended."""
    done: list[int] = []

    with InBackground() as background:
        for number in range(50):
            background.start(done.append, number)

    assert done == list(range(50))


def test_failure_is_raised_by_the_next_start() -> None:
    """Whoever goes on learns of it."""
    background = InBackground()
    background.start(failing)

    with pytest.raises(OSError, match="full"):
        background.start(print)
    background.close()


def test_failure_of_the_last_work_is_raised_at_the_end() -> None:
    """Nothing comes after it that could tell."""
    with pytest.raises(OSError, match="full"), InBackground() as background:
        background.start(failing)


def test_failure_outside_is_not_hidden() -> None:
    """Of two failures, the one that ends the block is told."""

    def fail_twice() -> None:
        with InBackground() as background:
            background.start(failing)
            raise KeyError("first")

    with pytest.raises(KeyError):
        fail_twice()
