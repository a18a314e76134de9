"""A campaign as large as the suite names: its work is shared out without overflow."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from stillwatch.simulation.campaigns.scheduling import _levelled

MONTH = 30 * 86_400 * 1_000_000  # microseconds


def test_the_work_of_five_thousand_accounts_is_shared_out() -> None:
    workers = [SimpleNamespace(begin=0, end=MONTH) for _ in range(5_000)]

    worker, _ = _levelled(np.random.default_rng(1), workers, 100_000, jitter=False)  # type: ignore[arg-type]

    assert len(worker) == 100_000
    assert (np.bincount(worker) == 20).all()
