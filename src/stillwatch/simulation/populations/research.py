"""Those who study models: hundreds of phrasings, refusals, benchmarks, and requests to reason."""

from __future__ import annotations

import numpy as np

from stillwatch.simulation.clients import Software, draw_client
from stillwatch.simulation.clocks import burst, office_hours
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import DAY, HOUR
from stillwatch.simulation.habits import run_job
from stillwatch.simulation.populations.population import GroupSize, Single, Together
from stillwatch.simulation.text import AnswerStyle, WorkKind
from stillwatch.simulation.traffic import Manner

__all__ = [
    "ContaminationChecks",
    "PromptOptimisers",
    "ReasoningStudies",
    "RedTeamVendor",
    "ReleaseDayBenchmarks",
]

_PUBLIC_LISTS = 5


class PromptOptimisers(Single):
    """Prompt optimisers: hundreds of phrasings of one idea, scored by machine, round the clock."""

    name, share, daily = "prompt_optimisers", 0.005, 26.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        for volume in cohort.volumes(size, spread=1.0):
            customer = cohort.open(plan="pay_as_you_go", lasting=True)
            begin = int(rng.integers(customer.begin, max(customer.begin + 1, frame.end - 2 * DAY)))
            end = min(frame.end, begin + 4 * DAY)
            started = cohort.rhythms.client_times(rng, frame, int(volume), begin, end)
            manner = Manner(
                client=draw_client(rng, Software.FRAMEWORK),
                style=AnswerStyle.AUTO,
                temperature=1.0,
                refusals=0.12,
            )
            inputs = cohort.library.work(
                WorkKind.PROMPT_OPTIMISER, rng, len(started), owner=customer.seed
            )
            origins = [cohort.internet.hosting(rng)]
            run_job(cohort, customer, inputs, started, manner, origins=origins)


class RedTeamVendor(Together):
    """A red-team vendor under contract: probing phrasings from several accounts, most refused."""

    name, share, daily, group = "red_team_vendor", 0.004, 12.0, GroupSize(4, 9, 25)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        vendor = cohort.organisation(verified=str(rng.choice(["contract", "contract", "none"])))
        idea = int(rng.integers(1 << 31))
        origins = [cohort.internet.office(rng, vendor.country), cohort.internet.vpn(rng)]
        for volume in cohort.volumes(size, spread=0.7):
            customer = cohort.open(
                plan="team", organisation=vendor, verification="research", lasting=True
            )
            started = office_hours(
                rng,
                int(volume),
                customer.begin,
                customer.end,
                utc_offset=vendor.country.utc_offset,
            )
            manner = Manner(
                client=draw_client(rng, Software.PYTHON_SDK),
                style=AnswerStyle.AUTO,
                refusals=0.7,
            )
            inputs = cohort.library.work(WorkKind.RED_TEAM_VENDOR, rng, len(started), owner=idea)
            run_job(
                cohort,
                customer,
                inputs,
                started,
                manner,
                origins=origins,
                origin_of=rng.integers(0, 2, len(started)),
                eagerness=0.8,
            )


class ContaminationChecks(Single):
    """Contamination checks: the first halves of public items, to see whether a model completes them."""

    name, share, daily = "contamination_checks", 0.003, 22.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        for volume in cohort.volumes(size, spread=0.8):
            customer = cohort.open(plan=str(rng.choice(["edu", "pay_as_you_go"])), lasting=True)
            latest = max(customer.begin + 1, frame.end - DAY)
            begin = int(rng.integers(customer.begin, latest))
            started = burst(rng, int(volume), begin, gap=4.0)
            listed = int(rng.integers(_PUBLIC_LISTS))
            manner = Manner(
                client=draw_client(rng, Software.PYTHON_SDK),
                style=AnswerStyle.AUTO,
                temperature=0.0,
                max_output_tokens=128,
                prefill=bool(rng.random() < 0.5),
            )
            inputs = cohort.library.work(
                WorkKind.CONTAMINATION_CHECK, rng, len(started), owner=listed
            )
            origins = [cohort.internet.notebooks(rng)]
            run_job(cohort, customer, inputs, started, manner, origins=origins)


class ReasoningStudies(Together):
    """A study of reasoning: a laboratory's students elicit reasoning on lists of their own."""

    name, share, daily, group = "reasoning_study", 0.005, 11.0, GroupSize(2, 5, 14)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        school = cohort.organisation(verified=str(rng.choice(["domain", "none"])))
        study = int(rng.integers(1 << 31))
        for volume in cohort.volumes(size, spread=0.8):
            customer = cohort.open(
                plan="edu", organisation=school, verification="edu", lasting=True
            )
            started = cohort.rhythms.client_times(
                rng, frame, int(volume), customer.begin, customer.end
            )
            manner = Manner(
                client=draw_client(rng, Software.PYTHON_SDK),
                style=AnswerStyle.REASONING,
                system=cohort.library.system(WorkKind.REASONING_STUDY, rng, owner=study),
                reasons=True,
                refusals=0.04,
            )
            inputs = cohort.library.work(WorkKind.REASONING_STUDY, rng, len(started), owner=study)
            origins = [cohort.internet.office(rng, school.country)]
            run_job(
                cohort, customer, inputs, started, manner, origins=origins, model="aster-3-reason"
            )


class ReleaseDayBenchmarks(Single):
    """Strangers who run the public benchmarks on the day of a release: the quickest to pivot."""

    name, share, daily = "release_day_benchmarks", 0.006, 14.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        for volume in cohort.volumes(size, spread=0.8):
            customer = cohort.open(plan="pay_as_you_go", born=frame.start - 60 * DAY, lasting=True)
            listed = int(rng.integers(_PUBLIC_LISTS))
            begin = frame.release + int(rng.exponential(7 * HOUR))
            started = burst(rng, int(volume), min(begin, frame.end - HOUR), gap=3.0)
            # The list is public: whoever runs it sends the same items in the same order.
            inputs = cohort.library.work(
                WorkKind.EVALUATION_LAB, np.random.default_rng(listed), len(started), owner=listed
            )
            manner = Manner(
                client=draw_client(rng, Software.PYTHON_SDK),
                style=AnswerStyle.AUTO,
                temperature=0.0,
            )
            run_job(
                cohort,
                customer,
                inputs,
                started,
                manner,
                origins=[cohort.internet.hosting(rng)],
                model="aster-4-large",
            )
