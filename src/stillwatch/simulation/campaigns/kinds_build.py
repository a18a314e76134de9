"""The campaigns one may look at while building the detector."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from stillwatch.records import Role, Target
from stillwatch.simulation.campaigns.campaign import Campaign, Staffing
from stillwatch.simulation.campaigns.workers import Worker
from stillwatch.simulation.clients import Software
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import DAY, HOUR
from stillwatch.simulation.traffic import Manner

__all__ = ["AccessPaths", "FreeTier", "Hydra", "JudgeOnly", "SmallRing", "Synchronised"]


class Synchronised(Campaign):
    """Load-balanced accounts in step, paid alike, that collect reasoning.

    After the first campaign of the report of February 2026: synchronised traffic, identical
    patterns, shared payment, reasoning written out step by step.
    """

    name, actor, half = "synchronised", "Amber Heron", "build"
    share, size, daily = 0.009, (20, 400), 9.0
    targets: ClassVar = {Target.REASONING: 0.7, Target.SAFETY_REWRITES: 0.3}
    turns = 1.6


class AccessPaths(Campaign):
    """Many kinds of account over many paths, so that no path shows the whole.

    After the second campaign of that report: hundreds of accounts spanning several access
    pathways; later, signed reasoning presented across sessions.
    """

    name, actor, half = "access_paths", "Slate Kestrel", "build"
    share, size, daily = 0.008, (12, 350), 9.0
    languages = ("en", "de")
    targets: ClassVar = {Target.TOOL_USE: 0.6, Target.DATA_ANALYSIS: 0.4}
    paths = ("api", "app", "cloud:borealis", "cloud:cumulus", "reseller")
    turns = 1.3
    plans = ("pay_as_you_go", "individual", "team", "edu")
    softwares = (Software.PYTHON_SDK, Software.NODE_SDK, Software.GO_SERVICE, Software.FRAMEWORK)
    replays = 0.15


class Hydra(Campaign):
    """A reseller's network: mixed accounts with cover traffic, and a new one for each banned.

    After the proxies of that report: no single point of failure, collection mixed with
    unrelated customers' requests.
    """

    name, actor, half = "hydra", "Copper Otter", "build"
    share, size, daily = 0.010, (16, 500), 11.0
    targets: ClassVar = {Target.CODE: 0.7, Target.ANSWERS: 0.3}
    floors: ClassVar = {"cover": 1}
    paths = ("api", "reseller")
    softwares = (Software.GATEWAY, Software.PYTHON_SDK)
    continues = 0.1
    foreign = 0.08
    starts = (0.0, 0.1)

    def staff(self, cohort: Cohort, size: int) -> Staffing:
        """A quarter of the accounts replace a quarter that is banned; half serve others too."""
        rng, frame = cohort.rng, cohort.frame
        first = self.first_moment(cohort)
        banned = size // 4
        begins = [first + int(rng.uniform(0, 0.5) * DAY) for _ in range(size)]
        bans: list[int | None] = [None] * size
        for number in range(banned):
            falls = first + int(rng.uniform(0.25, 0.85) * (frame.end - first))
            bans[number] = falls
            begins[size - 1 - number] = falls + int(rng.exponential(2) * HOUR)
        roles = [Role.MIXED if rng.random() < 0.5 else Role.OPERATOR for _ in range(size)]
        return Staffing(roles, begins, bans)


class SmallRing(Campaign):
    """Eight to twenty busy accounts that rotate, and clean up each other's reasoning.

    After a campaign of the report of September 2026: few rotating accounts, extraction and
    cleaning of reasoning at high volume, the model as its own filter.
    """

    name, actor, half = "small_ring", "Juniper Lynx", "build"
    share, size, daily = 0.0012, (8, 20), 45.0
    targets: ClassVar = {Target.REASONING: 0.6, Target.CODE: 0.4}
    replays = 0.2
    continues = 0.1

    def accounts(self, rng: np.random.Generator, of_all: int, scale: float) -> int:
        """Small however large the world is, and smaller still in a small one."""
        smallest, largest = self.size
        return min(int(rng.integers(smallest, largest + 1)), max(smallest, of_all // 60))


class JudgeOnly(Campaign):
    """A reward model on loan: each answer is graded twice against a rubric.

    After the rubric grading of the report of February 2026, and JudgeStealer (2608.26982).
    """

    name, actor, half = "judge_only", "Marble Finch", "build"
    share, size, daily = 0.003, (8, 80), 16.0
    lasts = (0.6, 1.0)
    targets: ClassVar = {Target.GRADING: 1.0}
    copies = 2

    def manner(self, cohort: Cohort, worker: Worker) -> Manner:
        return replace(super().manner(cohort, worker), temperature=0.0, max_output_tokens=256)


class FreeTier(Campaign):
    """A farm of free accounts on disposable mail, each used up to its quota.

    After the sign-up farms of both reports: disposable e-mail, maximum use from the first day.
    """

    name, actor, half = "free_tier", "Tin Magpie", "build"
    share, size, daily = 0.006, (16, 300), 5.0
    languages = ("en", "zh")
    targets: ClassVar = {Target.ANSWERS: 0.6, Target.EXPLANATIONS: 0.4}
    plans = ("free",)
    disposable = True
    turns = 2.5
    limited = 0.09
    softwares = (Software.SHELL, Software.NODE_SDK)

    def staff(self, cohort: Cohort, size: int) -> Staffing:
        """New accounts come in batches throughout, as old ones are used up."""
        rng, frame = cohort.rng, cohort.frame
        first = self.first_moment(cohort)
        spread = 0.6 * (frame.end - first)
        begins = np.sort(first + (rng.random(size) * spread).astype(np.int64)).tolist()
        return Staffing([Role.OPERATOR] * size, begins, [None] * size)
