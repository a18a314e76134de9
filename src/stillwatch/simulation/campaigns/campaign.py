"""What every campaign does: recruit, schedule, deal, ask, and hide among honest-looking traffic."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np

from stillwatch.records import Role, Target
from stillwatch.simulation.campaigns.cover import add_cover
from stillwatch.simulation.campaigns.evasion import Evasion
from stillwatch.simulation.campaigns.queue import Deal, deal
from stillwatch.simulation.campaigns.scheduling import schedule
from stillwatch.simulation.campaigns.workers import Recruiting, Worker, recruit
from stillwatch.simulation.clients import Software
from stillwatch.simulation.cohort import Cohort, Organisation
from stillwatch.simulation.frame import DAY, Ints
from stillwatch.simulation.habits import split_into_turns, turn_numbers
from stillwatch.simulation.rows import digest_of, draw_ids
from stillwatch.simulation.text import AnswerStyle, Task
from stillwatch.simulation.traffic import Labels, Manner

__all__ = ["Campaign", "Staffing"]

_LOOKS_BACK = 300
_TEMPERATURES = (None, 0.2, 0.7, 1.0)
_LIMITS = (None, 2048, 4096, 8192)
_TOOLS = ("search", "read_page", "run_python", "write_file")


@dataclass(frozen=True, slots=True)
class Staffing:
    """For each account of a campaign: its role, when it starts to work, when it is banned."""

    roles: list[Role]
    begins: list[int]
    bans: list[int | None]


class Campaign:
    """A collector of answers, with the traits of a publicly reported case.

    Subclasses set what is particular to a case and override the steps that differ.

    Attributes:
        name: Kind of campaign, as on the command line.
        actor: An invented name.
        half: `build` for those one may look at while building, `held_out` for those it is judged
            on, `relayed` or `replayed` for that of a world of its own.
        share: Part of all accounts.
        size: Fewest and most accounts.
        daily: Exchanges of an account and day, cover included.
        targets: What it collects, with weights.
        copies: How often each task is answered.
        floors: Levels of the dials below which it would be another kind of campaign.
        softwares: Clients its workers use.
        plans: Plans its accounts are on.
        paths: Access paths, if others than the client's own.
        residential: Leaves through households.
        disposable: Uses disposable mail at every level of the identity dial.
        starts: Earliest and latest start, as a part of the window.
        refused: Part of the requests that the model refuses.
        limited: Part of the requests that the rate limit stops.
        replays: Part of the requests that present another account's signed reasoning.
        continues: Part of the requests that go on with another account's conversation.
        foreign: Part of the requests whose history was begun elsewhere, and never answered here.
        turns: Tasks that an account asks in one conversation, on average.
        passes_on: Each turn of a conversation goes to whoever is free, under the conversation's id.
        choice_of_models: Models, one of which it collects from.
        languages: Languages of its tasks, the first one for half of them or more.
        lasts: Least and greatest part of the time left after its start that it works.
    """

    name: ClassVar[str]
    actor: ClassVar[str]
    half: ClassVar[str]
    share: ClassVar[float]
    size: ClassVar[tuple[int, int]]
    daily: ClassVar[float]
    targets: ClassVar[dict[Target, float]]
    copies: ClassVar[int] = 1
    floors: ClassVar[dict[str, int]] = {}
    softwares: ClassVar[tuple[Software, ...]] = (Software.PYTHON_SDK, Software.FRAMEWORK)
    plans: ClassVar[tuple[str, ...]] = ("pay_as_you_go", "individual")
    paths: ClassVar[tuple[str, ...]] = ()
    residential: ClassVar[bool] = False
    disposable: ClassVar[bool] = False
    starts: ClassVar[tuple[float, float]] = (0.0, 0.3)
    refused: ClassVar[float] = 0.02
    limited: ClassVar[float] = 0.015
    replays: ClassVar[float] = 0.0
    continues: ClassVar[float] = 0.0
    foreign: ClassVar[float] = 0.0
    turns: ClassVar[float] = 1.0
    passes_on: ClassVar[bool] = False
    choice_of_models: ClassVar[tuple[str, ...]] = (
        "aster-3-large",
        "aster-3-large",
        "aster-3-reason",
        "aster-4-mini",
    )
    languages: ClassVar[tuple[str, ...]] = ("en",)
    lasts: ClassVar[tuple[float, float]] = (1.0, 1.0)

    def accounts(self, rng: np.random.Generator, of_all: int, scale: float) -> int:
        """How many accounts it has in a world of `of_all`."""
        smallest, largest = self.size
        return min(max(round(self.share * scale * of_all), smallest), largest)

    def run(self, cohort: Cohort, size: int, dials: Evasion) -> None:
        """Open the accounts and send everything they send."""
        dials = dials.at_least(**self.floors)
        workers = self.recruit(cohort, size, dials)
        workers = self._until(cohort, workers)
        total = int(cohort.expected * (1 - dials.cover_share))
        slots = schedule(cohort, workers, max(total, size), timing=dials.timing)
        dealt = deal(
            cohort.rng, slots, copies=self.copies, refused=self.refused, limited=self.limited
        )
        self.ask(cohort, workers, dealt, dials)
        add_cover(cohort, workers, dealt.slots.worker, share=dials.cover_share)

    def staff(self, cohort: Cohort, size: int) -> Staffing:
        """Everyone is an operator's account, from a common start to the end of the window."""
        first = self.first_moment(cohort)
        begins = [first + int(cohort.rng.uniform(0, 0.5) * DAY) for _ in range(size)]
        return Staffing([Role.OPERATOR] * size, begins, [None] * size)

    def first_moment(self, cohort: Cohort) -> int:
        """When the campaign starts within the window."""
        return cohort.frame.start + int(cohort.rng.uniform(*self.starts) * cohort.frame.days * DAY)

    def recruit(self, cohort: Cohort, size: int, dials: Evasion) -> list[Worker]:
        staffing = self.staff(cohort, size)
        how = Recruiting(
            campaign=self.label(cohort),
            identity=dials.identity,
            plans=self.plans,
            softwares=self.softwares,
            paths=self.paths,
            residential=self.residential,
            disposable=self.disposable,
            shell=self.shell(cohort, staffing) if dials.identity <= 1 else None,
        )
        return recruit(
            cohort,
            size,
            how,
            roles=staffing.roles,
            begins=staffing.begins,
            bans=staffing.bans,
        )

    def shell(self, cohort: Cohort, staffing: Staffing) -> Organisation | None:
        """A company that owns the accounts, where the case had one."""
        return None

    def _until(self, cohort: Cohort, workers: Sequence[Worker]) -> list[Worker]:
        """The workers, who all stop when the campaign has what it wants."""
        if self.lasts == (1.0, 1.0):
            return list(workers)
        first = min(worker.begin for worker in workers)
        part = cohort.rng.uniform(*self.lasts)
        last = first + int(part * (cohort.frame.end - first))
        return [
            replace(worker, begin=min(worker.begin, last - 1), end=min(worker.end, last))
            for worker in workers
        ]

    def label(self, cohort: Cohort) -> str:
        """The campaign's name in the truth."""
        return f"{self.name}:{self.actor}"

    def queue(
        self, cohort: Cohort, count: int, dials: Evasion
    ) -> tuple[list[Task], list[str | None], list[str]]:
        """`count` tasks of the campaign's targets, shuffled, with system and input text."""
        rng, library = cohort.rng, cohort.library
        weights = np.array(list(self.targets.values()))
        counts = rng.multinomial(count, weights / weights.sum())
        subject = cohort.key
        rows: list[tuple[Task, str | None, str]] = []
        for number, (target, wanted) in enumerate(zip(self.targets, counts.tolist(), strict=True)):
            if not wanted:
                continue
            tasks = self.tasks(cohort, target, wanted)
            systems, inputs = library.wrap(
                tasks, rng, wording=dials.wording, campaign=subject * 16 + number
            )
            rows += zip(tasks, systems, inputs, strict=True)
        order = rng.permutation(len(rows)).tolist()
        tasks_, systems_, inputs_ = zip(*(rows[i] for i in order), strict=True)
        return list(tasks_), list(systems_), list(inputs_)

    def tasks(self, cohort: Cohort, target: Target, count: int) -> list[Task]:
        """`count` distinct tasks of one target, in the campaign's languages."""
        spoken = [name for name in self.languages if name in cohort.library.languages]
        others = [0.5 / max(1, len(spoken) - 1)] * (len(spoken) - 1)
        shares = [1 - sum(others), *others]
        counts = cohort.rng.multinomial(count, shares)
        tasks: list[Task] = []
        for language, wanted in zip(spoken, counts.tolist(), strict=True):
            if wanted:
                tasks += cohort.library.tasks(
                    target, cohort.rng, wanted, language=language, subject=cohort.key
                )
        return tasks

    def models(self, cohort: Cohort, started: Ints) -> list[str]:
        """The model asked for in each slot."""
        return [self.usual_model(cohort)] * len(started)

    def usual_model(self, cohort: Cohort) -> str:
        """The model it collects from before any release."""
        return str(self.taste(cohort).choice(self.choice_of_models))

    def ask(self, cohort: Cohort, workers: Sequence[Worker], dealt: Deal, dials: Evasion) -> None:
        """Send every slot's task from its worker's account."""
        if not dealt.tasks:
            return
        tasks, systems, inputs = self.queue(cohort, dealt.tasks, dials)
        numbers = dealt.task.tolist()
        self.dispatch(
            cohort,
            workers,
            dealt,
            tasks=[tasks[i] for i in numbers],
            systems=[systems[i] for i in numbers],
            inputs=[inputs[i] for i in numbers],
        )

    def dispatch(
        self,
        cohort: Cohort,
        workers: Sequence[Worker],
        dealt: Deal,
        *,
        tasks: list[Task],
        systems: list[str | None],
        inputs: list[str],
    ) -> None:
        """Record the slots as their workers' traffic; one task and text a slot."""
        rng = cohort.rng
        slots = dealt.slots
        outputs = self._answers(cohort, tasks, inputs, dealt.statuses)
        models = self.models(cohort, slots.started)
        reasons = self.replays > 0 or Target.REASONING in self.targets
        issued = _issue(rng, dealt.statuses) if reasons else [None] * len(inputs)
        earlier = _earlier_of_another(rng, slots.worker)
        presented = _presented(rng, issued, earlier, self.replays)
        prefixes = _continued(rng, inputs, outputs, earlier, self.continues)
        if self.foreign:
            prefixes = _begun_elsewhere(rng, prefixes, self.foreign)
        if self.passes_on:
            lengths = split_into_turns(rng, len(inputs), mean=self.turns)
            session, turns = _interleaved(lengths, apart=len(workers))
            sessions = cohort.conversation_numbers(len(lengths))[session]
            prefixes = _sent_again(session, inputs, outputs)
        order = np.argsort(slots.worker, kind="stable")
        cuts = np.searchsorted(slots.worker[order], np.arange(len(workers) + 1))
        for worker, (low, high) in zip(workers, pairwise(cuts.tolist()), strict=True):
            mine = order[low:high].tolist()
            if not mine:
                continue
            if self.passes_on:
                talks, turn = sessions[mine], turns[mine]
            else:
                talks, turn = self._talks(cohort, len(mine))
            given = self.continues or self.foreign or self.passes_on
            own_history = turn is not None and not given
            cohort.send(
                worker.customer,
                self.manner(cohort, worker),
                started=slots.started[order[low:high]],
                inputs=[inputs[i] for i in mine],
                origins=worker.origins,
                origin_of=rng.integers(0, len(worker.origins), len(mine)),
                model=[models[i] for i in mine],
                systems=[systems[i] for i in mine],
                credential=worker.credential,
                statuses=[dealt.statuses[i] for i in mine],
                outputs=[outputs[i] for i in mine],
                issued=[issued[i] for i in mine],
                presented=[presented[i] for i in mine],
                prefixes=None if own_history else [prefixes[i] for i in mine],
                conversation=talks,
                turn=turn,
                labels=Labels(
                    campaign=self.label(cohort),
                    targets=[tasks[i].target.value for i in mine],
                    items=[tasks[i].item for i in mine],
                ),
            )

    def _talks(self, cohort: Cohort, count: int) -> tuple[Ints | None, Ints | None]:
        """Conversation and turn of so many of a worker's requests, if it asks several in one."""
        if self.turns <= 1:
            return None, None
        lengths = split_into_turns(cohort.rng, count, mean=self.turns)
        numbers = cohort.conversation_numbers(len(lengths))
        return np.repeat(numbers, lengths), turn_numbers(lengths)

    def manner(self, cohort: Cohort, worker: Worker) -> Manner:
        """How a worker asks; subclasses change what is particular to them."""
        target = next(iter(self.targets))
        taste = self.taste(cohort)
        return Manner(
            client=worker.client,
            style=AnswerStyle.AUTO,
            target=target,
            temperature=_TEMPERATURES[int(taste.integers(len(_TEMPERATURES)))],
            max_output_tokens=_LIMITS[int(taste.integers(len(_LIMITS)))],
            tools=_TOOLS if target is Target.TOOL_USE and taste.random() < 0.5 else (),
        )

    def taste(self, cohort: Cohort) -> np.random.Generator:
        """Draws that come out the same for all workers of this campaign."""
        return np.random.default_rng([cohort.key, len(self.name)])

    def _answers(
        self, cohort: Cohort, tasks: list[Task], inputs: list[str], statuses: list[str]
    ) -> list[str | None]:
        outputs: list[str | None] = [None] * len(inputs)
        for target in self.targets:
            mine = [i for i, task in enumerate(tasks) if task.target == target]
            answers = cohort.library.answers(
                [inputs[i] for i in mine],
                cohort.rng,
                style=AnswerStyle.AUTO,
                target=target,
            )
            for i, answer in zip(mine, answers, strict=True):
                if statuses[i] == "ok":
                    outputs[i] = answer
                elif statuses[i] == "refused":
                    outputs[i] = "I can't provide that. I can give a summary instead."
        return outputs


def _issue(rng: np.random.Generator, statuses: list[str]) -> list[str | None]:
    drawn = draw_ids(rng, "sig", len(statuses))
    return [name if status == "ok" else None for name, status in zip(drawn, statuses, strict=True)]


def _earlier_of_another(rng: np.random.Generator, worker: Ints) -> list[int | None]:
    """For each slot a recent slot of another worker, or None."""
    positions = np.arange(len(worker))
    back = 1 + (rng.random(len(worker)) * np.minimum(positions, _LOOKS_BACK)).astype(np.int64)
    chosen = np.maximum(positions - back, 0)
    usable = (worker[chosen] != worker) & (positions > 0)
    return [int(i) if ok else None for i, ok in zip(chosen, usable, strict=True)]


def _presented(
    rng: np.random.Generator,
    issued: Sequence[str | None],
    earlier: Sequence[int | None],
    share: float,
) -> list[list[str] | None]:
    luck = rng.random(len(issued)).tolist()
    presented: list[list[str] | None] = []
    for other, chance in zip(earlier, luck, strict=True):
        block = issued[other] if other is not None and chance < share else None
        presented.append([block] if block else None)
    return presented


def _continued(
    rng: np.random.Generator,
    inputs: Sequence[str],
    outputs: Sequence[str | None],
    earlier: Sequence[int | None],
    share: float,
) -> list[list[str] | None]:
    luck = rng.random(len(inputs)).tolist()
    prefixes: list[list[str] | None] = []
    for other, chance in zip(earlier, luck, strict=True):
        answer = outputs[other] if other is not None and chance < share else None
        if other is None or answer is None:
            prefixes.append(None)
        else:
            prefixes.append([digest_of(inputs[other].encode()), digest_of(answer.encode())])
    return prefixes


def _interleaved(lengths: Ints, *, apart: int) -> tuple[Ints, Ints]:
    """Session and turn of each request in time order, a session's turns so many requests apart."""
    turns = turn_numbers(lengths)
    session = np.repeat(np.arange(len(lengths)), lengths)
    begins = np.repeat(np.cumsum(lengths) - lengths, lengths)
    order = np.argsort(begins + turns * apart, kind="stable")
    return session[order], turns[order]


def _sent_again(
    session: Ints, inputs: Sequence[str], outputs: Sequence[str | None]
) -> list[list[str] | None]:
    """The messages of the session so far, as digests."""
    said: dict[int, list[str]] = {}
    prefixes: list[list[str] | None] = []
    for number, question, answer in zip(session.tolist(), inputs, outputs, strict=True):
        history = said.setdefault(number, [])
        prefixes.append(list(history) or None)
        history += [digest_of(text.encode()) for text in (question, answer) if text is not None]
    return prefixes


def _begun_elsewhere(
    rng: np.random.Generator, prefixes: Sequence[list[str] | None], share: float
) -> list[list[str] | None]:
    """A relay's talks: a question and an answer that another provider had."""
    luck = rng.random(len(prefixes)).tolist()
    drawn = draw_ids(rng, "msg", 2 * len(prefixes))
    return [
        drawn[2 * i : 2 * i + 2] if given is None and chance < share else given
        for i, (given, chance) in enumerate(zip(prefixes, luck, strict=True))
    ]
