"""Cover: honest-looking traffic that a campaign's accounts send beside their tasks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stillwatch.records import Role
from stillwatch.simulation.campaigns.workers import Worker
from stillwatch.simulation.clients import Software, draw_client
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import Ints
from stillwatch.simulation.habits import chat, own_work
from stillwatch.simulation.text import AnswerStyle, WorkKind

__all__ = ["add_cover"]

_RESOLD_TO = 12


def add_cover(cohort: Cohort, workers: Sequence[Worker], taken: Ints, *, share: float) -> None:
    """Add so much cover that tasks are `1 - share` of each account's exchanges.

    An operator's cover is written for show: chats and code. A mixed account carries the
    traffic of unrelated customers, each with topics of their own; a compromised account has
    an owner, whose traffic is recorded elsewhere.

    Args:
        cohort: Where it is recorded.
        workers: The campaign's accounts.
        taken: For each task sent, the worker that took it.
        share: Part of an account's exchanges that is cover.
    """
    if share <= 0:
        return
    tasks = np.bincount(taken, minlength=len(workers))
    for worker, count in zip(workers, tasks.tolist(), strict=True):
        volume = round(count * share / (1 - share))
        if not volume or worker.role is Role.COMPROMISED:
            continue
        if worker.role is Role.MIXED:
            _customers(cohort, worker, volume)
        elif cohort.rng.random() < 0.5:
            chat(
                cohort,
                worker.customer,
                volume,
                client=worker.client,
                origins=worker.origins,
                exact=True,
            )
        else:
            _code(cohort, worker, volume)


def _customers(cohort: Cohort, worker: Worker, volume: int) -> None:
    rng = cohort.rng
    parts = rng.multinomial(volume, rng.dirichlet(np.full(min(_RESOLD_TO, volume), 0.8)))
    gateway = draw_client(rng, Software.GATEWAY, path=worker.client.access_path)
    for part in parts.tolist():
        if part:
            chat(
                cohort,
                worker.customer,
                part,
                client=gateway,
                origins=worker.origins,
                topic=int(rng.integers(1 << 31)),
                exact=True,
            )


def _code(cohort: Cohort, worker: Worker, volume: int) -> None:
    own_work(
        cohort,
        worker.customer,
        WorkKind.DEVELOPER,
        volume,
        client=worker.client,
        origins=worker.origins,
        style=AnswerStyle.CODE,
        context=False,
    )
