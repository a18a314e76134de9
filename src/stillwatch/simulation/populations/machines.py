"""Machines: nightly jobs, builds, backfills and routers, each with a client's real rhythm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stillwatch.simulation.clients import Software, draw_client
from stillwatch.simulation.clocks import burst, nightly, turn_times
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import DAY, HOUR, SECOND, Ints
from stillwatch.simulation.habits import (
    language_of_work,
    run_job,
    split_into_turns,
    turn_numbers,
    usual_model,
)
from stillwatch.simulation.populations.population import GroupSize, Single, Together
from stillwatch.simulation.rows import digest_of, draw_ids
from stillwatch.simulation.text import AnswerStyle, WorkKind
from stillwatch.simulation.traffic import Manner, kept

__all__ = [
    "DriftMonitors",
    "EphemeralBuilds",
    "NightlyJobs",
    "PooledRouter",
    "ProductBackends",
    "RagBackfills",
    "SharedRunners",
]


class NightlyJobs(Single):
    """Nightly jobs: one template, clockwork, no idle hour, no follow-up."""

    name, share, daily = "nightly_jobs", 0.012, 22.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        for volume in cohort.volumes(size, spread=1.4):
            customer = cohort.open(plan=str(rng.choice(["pay_as_you_go", "team"])))
            owner = customer.seed
            started = nightly(
                rng,
                int(volume),
                customer.begin,
                customer.end,
                minute_of_day=int(rng.integers(1440)) // 15 * 15,
                gap=float(rng.uniform(1.5, 9)),
            )
            software = Software.BATCH if rng.random() < 0.3 else Software.PYTHON_SDK
            manner = Manner(
                client=draw_client(rng, software),
                style=AnswerStyle.JSON if rng.random() < 0.5 else AnswerStyle.LABEL,
                system=cohort.library.system(WorkKind.NIGHTLY_JOB, rng, owner=owner),
                temperature=0.0,
                max_output_tokens=int(rng.choice([256, 512, 1024])),
                settings=_settings(seed=7) if rng.random() < 0.3 else None,
                retention="no_text" if rng.random() < 0.08 else "full",
            )
            inputs = cohort.library.work(
                WorkKind.NIGHTLY_JOB,
                rng,
                len(started),
                owner=owner,
                language=language_of_work(cohort, customer),
            )
            origins = [cohort.internet.hosting(rng)]
            run_job(cohort, customer, inputs, started, manner, origins=origins, eagerness=0.1)


class EphemeralBuilds(Single):
    """Code review in build pipelines: every job from a fresh address, round the clock."""

    name, share, daily = "ephemeral_builds", 0.012, 20.0

    def live(self, cohort: Cohort, size: int) -> None:
        _review_builds(cohort, size, shared=False)


class SharedRunners(Single):
    """Build runners behind one address: unrelated companies that share it and a client."""

    name, share, daily = "shared_runners", 0.01, 16.0

    def live(self, cohort: Cohort, size: int) -> None:
        _review_builds(cohort, size, shared=True)


def _review_builds(cohort: Cohort, size: int, *, shared: bool) -> None:
    rng, internet = cohort.rng, cohort.internet
    for volume in cohort.volumes(size, spread=1.3):
        customer = cohort.open(plan=str(rng.choice(["pay_as_you_go", "team"])))
        count = int(volume)
        started = cohort.rhythms.client_times(
            rng, cohort.frame, count, customer.begin, customer.end
        )
        jobs = max(1, count // 4)
        draw = internet.shared_build_runner if shared else internet.build_runner
        manner = Manner(
            client=draw_client(rng, Software.NODE_SDK),
            style=AnswerStyle.CODE,
            system=cohort.library.system(WorkKind.CI_REVIEW, rng, owner=customer.seed),
            temperature=0.0,
            carries_context=True,
        )
        run_job(
            cohort,
            customer,
            cohort.library.work(WorkKind.CI_REVIEW, rng, count, owner=customer.seed),
            started,
            manner,
            origins=[draw(rng) for _ in range(jobs)],
            origin_of=np.arange(count) * jobs // count,
        )


class RagBackfills(Single):
    """Backfills of a search index: thousands of documents through one prompt in a few hours."""

    name, share, daily = "rag_backfills", 0.008, 38.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        for volume in cohort.volumes(size, spread=1.4):
            customer = cohort.open(plan="pay_as_you_go", lasting=True)
            runs = int(rng.integers(1, 4))
            each = max(1, int(volume) // runs)
            latest = max(customer.begin + 1, frame.end - DAY)
            parts = [
                burst(rng, each, int(rng.integers(customer.begin, latest)), gap=rng.uniform(1, 8))
                for _ in range(runs)
            ]
            manner = Manner(
                client=draw_client(rng, Software.FRAMEWORK),
                style=AnswerStyle.JSON if rng.random() < 0.5 else AnswerStyle.LIST,
                system=cohort.library.system(WorkKind.RAG_BACKFILL, rng, owner=customer.seed),
                temperature=0.0,
                shares_prefix=True,
                limits=0.03,
            )
            inputs = cohort.library.work(
                WorkKind.RAG_BACKFILL,
                rng,
                each * runs,
                owner=customer.seed,
                language=language_of_work(cohort, customer),
            )
            origins = [cohort.internet.hosting(rng) for _ in range(2)]
            started = np.sort(np.concatenate(parts))
            run_job(cohort, customer, inputs, started, manner, origins=origins)


class ProductBackends(Single):
    """Back-ends of products: one system prompt, no pause at night, thousands of end users."""

    name, share, daily = "product_backends", 0.015, 30.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        for volume in cohort.volumes(size, spread=1.5):
            customer = cohort.open(plan=str(rng.choice(["pay_as_you_go", "team"])))
            count = int(volume)
            starts = cohort.rhythms.client_times(
                rng, cohort.frame, max(1, count // 2), customer.begin, customer.end
            )
            lengths = split_into_turns(rng, count, mean=2.0)[: len(starts)]
            starts = starts[: len(lengths)]
            turns = int(lengths.sum())
            people = draw_ids(rng, "user", max(2, count // 5))
            who = np.repeat(rng.integers(0, len(people), len(starts)), lengths)
            cohort.send(
                customer,
                Manner(
                    client=draw_client(rng, Software.NODE_SDK),
                    style=AnswerStyle.PROSE,
                    system=cohort.library.system(WorkKind.SUPPORT_BOT, rng, owner=customer.seed),
                    max_output_tokens=600,
                ),
                started=turn_times(rng, starts, lengths, pause=60.0),
                inputs=cohort.library.work(
                    WorkKind.SUPPORT_BOT,
                    rng,
                    turns,
                    owner=customer.seed,
                    language=language_of_work(cohort, customer),
                ),
                origins=cohort.internet.rack(rng, 2),
                origin_of=rng.integers(0, 2, turns),
                model=usual_model(rng),
                conversation=np.repeat(cohort.conversation_numbers(len(starts)), lengths),
                turn=turn_numbers(lengths),
                end_users=[people[i] for i in who.tolist()],
            )


class DriftMonitors(Single):
    """Monitors of a model's quality: the same public questions every hour, for ever."""

    name, share, daily = "drift_monitors", 0.005, 18.0

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        for volume in cohort.volumes(size, spread=0.8):
            customer = cohort.open(plan="pay_as_you_go")
            hours = np.arange(customer.begin // HOUR, customer.end // HOUR) * HOUR
            questions = max(1, int(volume) // max(1, len(hours)))
            listed = cohort.library.work(
                WorkKind.EVALUATION_LAB, rng, questions, owner=customer.seed
            )
            asked = hours if questions > 1 else hours[:: max(1, len(hours) // int(volume))]
            started = np.repeat(asked, questions) + rng.integers(
                0, 90_000_000, len(asked) * questions
            )
            manner = Manner(
                client=draw_client(rng, Software.SHELL),
                style=AnswerStyle.LABEL,
                temperature=0.0,
                settings=_settings(seed=1, logprobs=5),
            )
            origins = [cohort.internet.hosting(rng)]
            run_job(
                cohort, customer, listed * len(asked), np.sort(started), manner, origins=origins
            )


class PooledRouter(Together):
    """A company's router with pooled keys: when one is limited another goes on with the talk.

    So conversations and signed reasoning travel between accounts, for an honest reason.
    """

    name, share, daily, group = "pooled_router", 0.006, 22.0, GroupSize(4, 8, 20)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        company = cohort.organisation(verified="contract" if rng.random() < 0.75 else "none")
        pool = [cohort.open(plan="team", organisation=company, lasting=True) for _ in range(size)]
        begin = max(member.begin for member in pool)
        routed = _routed_talks(cohort, max(size, int(cohort.expected)), begin)
        # A key is used until the limit stops it, for some hundred requests at a time.
        order = np.argsort(routed.started, kind="stable")
        key = np.empty(len(order), np.int64)
        key[order] = np.cumsum(rng.random(len(order)) < 0.01) % size
        routed, key = _handed_on(cohort, routed, key, size)
        manner = Manner(client=draw_client(rng, Software.GATEWAY), style=AnswerStyle.AUTO)
        origins = cohort.internet.rack(rng, 3)
        for number, member in enumerate(pool):
            mine = np.nonzero(key == number)[0]
            cohort.send(
                member,
                manner,
                started=routed.started[mine],
                inputs=kept(routed.inputs, mine) or [],
                origins=origins,
                origin_of=mine % 3,
                model=kept(routed.models, mine) or [],
                statuses=kept(routed.statuses, mine),
                outputs=kept(routed.outputs, mine),
                issued=kept(routed.issued, mine),
                presented=kept(routed.presented, mine),
                prefixes=kept(routed.prefixes, mine),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _RoutedTalks:
    """Conversations that pass through a router, one entry an exchange."""

    started: Ints
    inputs: list[str]
    models: list[str]
    statuses: list[str]
    outputs: list[str | None]
    issued: list[str | None]
    presented: list[list[str] | None]
    prefixes: list[list[str] | None]


def _handed_on(
    cohort: Cohort, routed: _RoutedTalks, key: Ints, keys: int
) -> tuple[_RoutedTalks, Ints]:
    """What one key was stopped at goes to the next key within seconds."""
    rng = cohort.rng
    stopped = np.array([i for i, s in enumerate(routed.statuses) if s == "rate_limited"], np.int64)
    inputs = [routed.inputs[i] for i in stopped.tolist()]
    both = np.concatenate([np.arange(len(key)), stopped])
    pause = (rng.uniform(1, 8, len(stopped)) * SECOND).astype(np.int64)
    answers = cohort.library.answers(inputs, rng, style=AnswerStyle.AUTO)
    handed = _RoutedTalks(
        started=np.concatenate([routed.started, routed.started[stopped] + pause]),
        inputs=routed.inputs + inputs,
        models=[routed.models[i] for i in both.tolist()],
        statuses=routed.statuses + ["ok"] * len(stopped),
        outputs=[*routed.outputs, *answers],
        issued=[*routed.issued, *([None] * len(stopped))],
        presented=[routed.presented[i] for i in both.tolist()],
        prefixes=[routed.prefixes[i] for i in both.tolist()],
    )
    return handed, np.concatenate([key, (key[stopped] + 1) % keys])


def _routed_talks(cohort: Cohort, count: int, begin: int) -> _RoutedTalks:
    rng = cohort.rng
    lengths = split_into_turns(rng, count, mean=2.2)
    starts = cohort.rhythms.client_times(rng, cohort.frame, len(lengths), begin, cohort.frame.end)
    total = int(lengths.sum())
    inputs = cohort.library.work(
        WorkKind.ROUTER_CLIENT, rng, total, owner=int(rng.integers(1 << 31))
    )
    limited = rng.random(total) < 0.04
    answers = cohort.library.answers(inputs, rng, style=AnswerStyle.AUTO)
    outputs = [None if stop else text for text, stop in zip(answers, limited, strict=True)]
    reasoned = np.repeat(rng.random(len(lengths)) < 0.3, lengths) & ~limited
    drawn = draw_ids(rng, "sig", total)
    issued = [block if thinks else None for block, thinks in zip(drawn, reasoned, strict=True)]
    prefixes: list[list[str] | None] = []
    presented: list[list[str] | None] = []
    for at, turn in enumerate(turn_numbers(lengths).tolist()):
        earlier = range(at - turn, at)
        sent = [(inputs[i], outputs[i]) for i in earlier]
        digests = [digest_of(text.encode()) for pair in sent for text in pair if text is not None]
        blocks = [block for i in earlier if (block := issued[i])]
        prefixes.append(digests or None)
        presented.append(blocks[-1:] or None)
    return _RoutedTalks(
        started=turn_times(rng, starts, lengths),
        inputs=inputs,
        models=["aster-3-reason" if thinks else "aster-3-large" for thinks in reasoned],
        statuses=["rate_limited" if stop else "ok" for stop in limited],
        outputs=outputs,
        issued=issued,
        presented=presented,
        prefixes=prefixes,
    )


def _settings(*, seed: int | None = None, logprobs: int | None = None) -> dict[str, object]:
    return {"n": 1, "top_p": 1.0, "seed": seed, "logprobs": logprobs, "reasoning_effort": None}
