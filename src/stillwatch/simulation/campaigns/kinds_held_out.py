"""The campaigns the detector is judged on, apart from those it was built on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from stillwatch.records import Role, Target
from stillwatch.simulation.campaigns.campaign import Campaign, Staffing
from stillwatch.simulation.campaigns.evasion import Evasion
from stillwatch.simulation.campaigns.queue import Deal
from stillwatch.simulation.campaigns.workers import Worker
from stillwatch.simulation.clients import Software, draw_client
from stillwatch.simulation.cohort import Cohort, Organisation
from stillwatch.simulation.frame import DAY, HOUR, Ints
from stillwatch.simulation.habits import own_work, person_origins
from stillwatch.simulation.text import Task, WorkKind

__all__ = ["NoTemplate", "Pivot", "Probing", "SlowAndLow", "StolenKeys", "TwoPools"]


class Pivot(Campaign):
    """Collectors that turn to a new model within a day of its release.

    After the third campaign of the report of February 2026: half the traffic redirected
    within 24 hours. Its accounts belong to a shell company, as did those of a later reseller.
    """

    name, actor, half = "pivot", "Cedar Puffin", "held_out"
    share, size, daily = 0.007, (12, 300), 10.0
    targets: ClassVar = {Target.CODE: 0.6, Target.TOOL_USE: 0.4}
    starts = (0.0, 0.1)

    def shell(self, cohort: Cohort, staffing: Staffing) -> Organisation | None:
        """A shell company, registered days before: too young to count as declared."""
        company = cohort.organisation(verified="domain")
        return replace(company, since=min(staffing.begins) - 6 * DAY)

    def models(self, cohort: Cohort, started: Ints) -> list[str]:
        """Within a day, most of the traffic asks for the newest model."""
        since = (started - cohort.frame.release) / DAY
        moved = cohort.rng.random(len(started)) < np.clip(since, 0.0, 1.0) * 0.9
        return np.where(moved, "aster-4-large", self.usual_model(cohort)).tolist()  # type: ignore[no-any-return]


class TwoPools(Campaign):
    """Two pools of accounts with one injected prompt; the second takes over from the first.

    After the largest campaign of the report of September 2026: residential proxies,
    disposable mail, virtual cards, and a second pool ready when the first was banned.
    """

    name, actor, half = "two_pools", "Granite Tern", "held_out"
    share, size, daily = 0.010, (16, 500), 9.0
    languages = ("en", "ja")
    targets: ClassVar = {Target.REASONING: 0.5, Target.CODE: 0.5}
    residential = True
    disposable = True
    replays = 0.1
    starts = (0.0, 0.1)

    def staff(self, cohort: Cohort, size: int) -> Staffing:
        """The first pool is banned over one day; the second begins within hours."""
        rng, frame = cohort.rng, cohort.frame
        first = self.first_moment(cohort)
        falls = first + int(rng.uniform(0.35, 0.6) * (frame.end - first))
        begins: list[int] = []
        bans: list[int | None] = []
        for number in range(size):
            if number < size * 0.55:
                begins.append(first + int(rng.uniform(0, 0.5) * DAY))
                bans.append(falls + int(rng.exponential(5) * HOUR))
            else:
                begins.append(falls + int(rng.exponential(6) * HOUR))
                bans.append(None)
        roles = [
            Role.MIXED if bans[i] is None and rng.random() < 0.2 else Role.OPERATOR
            for i in range(size)
        ]
        return Staffing(roles, begins, bans)


class SlowAndLow(Campaign):
    """Many accounts that send a few requests a day each, below any limit on volume.

    After the mean of some six hundred exchanges an account over months, and the floor of
    daydreaming attacks (2608.26733).
    """

    name, actor, half = "slow_and_low", "Willow Dunlin", "held_out"
    share, size, daily = 0.008, (16, 400), 3.0
    languages = ("en", "es", "ar")
    targets: ClassVar = {Target.EXPLANATIONS: 0.5, Target.REASONING: 0.5}
    starts = (0.0, 0.02)


class NoTemplate(Campaign):
    """Bare tasks in words of their own: nothing in the wording is shared.

    After the report's request metadata sanitised by machine, taken one step further.
    """

    name, actor, half = "no_template", "Quartz Wren", "held_out"
    share, size, daily = 0.005, (12, 250), 9.0
    targets: ClassVar = {Target.ANSWERS: 0.5, Target.CODE: 0.5}
    floors: ClassVar = {"wording": 3}


class Probing(Campaign):
    """An A/B test of extraction phrasings, most refused; the winner is scaled up.

    After the probe of more than 12,000 requests in the report of September 2026.
    """

    name, actor, half = "probing", "Ochre Shrike", "held_out"
    share, size, daily = 0.002, (8, 40), 22.0
    lasts = (0.5, 0.9)
    targets: ClassVar = {Target.REASONING: 1.0}

    _phrasings = 30
    _tested = 0.4

    def ask(self, cohort: Cohort, workers: Sequence[Worker], dealt: Deal, dials: Evasion) -> None:
        """First every phrasing on a few tasks, nearly all refused; then the winner on the rest."""
        if not dealt.tasks:
            return
        rng, library = cohort.rng, cohort.library
        trial = int(dealt.tasks * self._tested)
        probes, systems, inputs = self._probes(cohort, trial)
        tasks = self.tasks(cohort, Target.REASONING, dealt.tasks - trial)
        rest = library.wrap(tasks, rng, wording=dials.wording, campaign=cohort.key * 16)
        tasks = probes + tasks
        systems, inputs = systems + rest[0], inputs + rest[1]
        statuses = [
            "refused" if status == "ok" and number < trial and rng.random() < 0.85 else status
            for number, status in zip(dealt.task.tolist(), dealt.statuses, strict=True)
        ]
        numbers = dealt.task.tolist()
        self.dispatch(
            cohort,
            workers,
            replace(dealt, statuses=statuses),
            tasks=[tasks[i] for i in numbers],
            systems=[systems[i] for i in numbers],
            inputs=[inputs[i] for i in numbers],
        )

    def _probes(self, cohort: Cohort, trial: int) -> tuple[list[Task], list[str | None], list[str]]:
        """The same few tasks in every phrasing; each pair of the two is an item."""
        rng, library = cohort.rng, cohort.library
        each = -(-trial // self._phrasings)
        few = self.tasks(cohort, Target.REASONING, each)
        tasks: list[Task] = []
        systems: list[str | None] = []
        inputs: list[str] = []
        for phrasing in range(self._phrasings):
            wrapped = library.wrap(few, rng, wording=0, campaign=cohort.key * 512 + phrasing)
            systems += wrapped[0]
            inputs += wrapped[1]
            tasks += [replace(task, item=f"{task.item}#phrasing-{phrasing}") for task in few]
        return tasks[:trial], systems[:trial], inputs[:trial]


class StolenKeys(Campaign):
    """Honest developers' leaked credentials, used from rented machines beside their owners.

    After the credentials found in published reasoning blocks (2608.09867) and resold access.
    """

    name, actor, half = "stolen_keys", "Basalt Crow", "held_out"
    share, size, daily = 0.003, (8, 80), 14.0
    targets: ClassVar = {Target.DATA_ANALYSIS: 0.5, Target.SAFETY_REWRITES: 0.5}
    starts = (0.1, 0.35)

    def recruit(self, cohort: Cohort, size: int, dials: Evasion) -> list[Worker]:
        """Accounts of honest developers, whose own work goes on from their own networks."""
        rng, frame = cohort.rng, cohort.frame
        first = self.first_moment(cohort)
        thief = int(rng.integers(1000))
        racks = [cohort.internet.rack(rng, 4, company=thief) for _ in range(1 + size // 5)]
        workers = []
        volumes = rng.lognormal(0, 0.9, size) * 4 * frame.days * frame.volume
        for number in range(size):
            owner = cohort.open(
                plan="pay_as_you_go",
                born=frame.start - int(rng.exponential(150) + 20) * DAY,
                lasting=True,
                campaign=self.label(cohort),
                role=Role.COMPROMISED,
            )
            own_work(
                cohort,
                owner,
                WorkKind.DEVELOPER,
                max(2, int(volumes[number])),
                client=draw_client(rng, Software.EDITOR),
                origins=person_origins(cohort, owner.country),
            )
            leaked = first + int(rng.uniform(0, 0.3) * (frame.end - first))
            stops = min(frame.end, leaked + int(rng.uniform(3, 12) * DAY))
            if rng.random() < 0.35:
                cohort.report_leak(owner, stops)
            workers.append(
                Worker(
                    customer=owner,
                    client=draw_client(rng, Software.PYTHON_SDK),
                    origins=tuple(racks[number // 5 if dials.identity else 0])
                    if dials.identity < 3
                    else (cohort.internet.hosting(rng), cohort.internet.vpn(rng)),
                    role=Role.COMPROMISED,
                    begin=leaked,
                    end=stops,
                )
            )
        return workers
