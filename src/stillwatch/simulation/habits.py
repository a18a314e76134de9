"""What honest accounts do all day: chat, work on their own things, run a job."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stillwatch.simulation.clients import Client, Software, draw_client
from stillwatch.simulation.clocks import WakingHours, turn_times
from stillwatch.simulation.cohort import Cohort, Customer
from stillwatch.simulation.frame import Ints
from stillwatch.simulation.internet import Country, Origin
from stillwatch.simulation.text import AnswerStyle, WorkKind
from stillwatch.simulation.traffic import Manner

__all__ = [
    "chat",
    "language_of_work",
    "own_work",
    "person_origins",
    "run_job",
    "split_into_turns",
    "turn_numbers",
    "usual_model",
]

_MODELS = ("aster-3-large", "aster-3-mini", "aster-4-mini", "aster-3-reason")
_MODEL_SHARES = (0.45, 0.2, 0.27, 0.08)
_TURNS_IN_A_CHAT = 2.6


def usual_model(rng: np.random.Generator) -> str:
    """The model an account has settled on."""
    return str(rng.choice(_MODELS, p=_MODEL_SHARES))


def person_origins(cohort: Cohort, country: Country) -> list[Origin]:
    """A person's addresses: home, often a phone, now and then a changed line, a VPN or a relay."""
    rng, internet = cohort.rng, cohort.internet
    origins = [internet.home(rng, country)]
    if rng.random() < 0.55:
        origins.append(internet.mobile(rng, country))
    if rng.random() < 0.25:
        origins.append(internet.home(rng, country))
    if rng.random() < 0.07:
        origins.append(internet.vpn(rng))
    if rng.random() < 0.05:
        origins.append(internet.relay(rng, country))
    return origins


def split_into_turns(rng: np.random.Generator, count: int, *, mean: float) -> Ints:
    """Lengths of conversations that make up `count` turns in all."""
    if count <= 0:
        return np.zeros(0, np.int64)
    lengths = rng.geometric(1 / mean, max(1, int(2 * count / mean) + 8))
    running = np.cumsum(lengths)
    last = int(np.searchsorted(running, count))
    chosen = lengths[: last + 1].copy()
    chosen[-1] -= int(running[last]) - count
    return chosen.astype(np.int64)


def chat(
    cohort: Cohort,
    customer: Customer,
    volume: int,
    *,
    client: Client | None = None,
    origins: Sequence[Origin] | None = None,
    hours: WakingHours | None = None,
    starts: Ints | None = None,
    eagerness: float = 0.3,
    end_users: Sequence[str] | None = None,
    topic: int | None = None,
    exact: bool = False,
) -> None:
    """A person's conversations, with follow-ups, in that person's waking hours and language.

    Args:
        cohort: Where it is recorded.
        customer: Who chats.
        volume: Exchanges in all, about.
        client: The software; an app if absent.
        origins: Addresses; the person's own if absent.
        hours: Habits; drawn from the country's time zone if absent.
        starts: When the conversations start, if something else than habit decides it.
        eagerness: Chance that the account turns to a new model.
        end_users: The customer's own end users, one of whom speaks in each conversation.
        topic: Whose topics; the customer's own if absent.
        exact: Break off when the volume is reached, so that it is met and not only aimed at.
    """
    rng = cohort.rng
    client = client or draw_client(rng, Software.BROWSER if rng.random() < 0.6 else Software.PHONE)
    origins = origins or person_origins(cohort, customer.country)
    hours = hours or WakingHours.draw(rng, customer.country.utc_offset)
    if starts is None:
        wanted = max(1, round(volume / (1.5 if exact else _TURNS_IN_A_CHAT)))
        starts = hours.moments(rng, wanted, customer.begin, customer.end)
    if not len(starts):
        return
    spoken = cohort.library.conversations(
        rng,
        len(starts),
        language=language_of_work(cohort, customer),
        topic=customer.seed if topic is None else topic,
    )
    if exact:
        starts, spoken = _break_off(rng, starts, spoken, volume)
    turns = np.fromiter(map(len, spoken), np.int64, len(spoken))
    numbers = cohort.conversation_numbers(len(starts))
    place = rng.integers(0, len(origins), len(starts))
    place[rng.random(len(starts)) < 0.6] = 0
    speakers: list[str] | None = None
    if end_users is not None:
        who = np.repeat(rng.integers(0, len(end_users), len(starts)), turns)
        speakers = [end_users[i] for i in who.tolist()]
    started = turn_times(rng, starts, turns)
    cohort.send(
        customer,
        Manner(client=client, style=AnswerStyle.AUTO, refusals=0.01),
        started=started,
        inputs=[text for conversation in spoken for text in conversation],
        origins=origins,
        origin_of=np.repeat(place, turns),
        model=cohort.models(started, usual=usual_model(rng), eagerness=eagerness),
        conversation=np.repeat(numbers, turns),
        turn=turn_numbers(turns),
        end_users=speakers,
    )


def own_work(
    cohort: Cohort,
    customer: Customer,
    kind: WorkKind,
    volume: int,
    *,
    client: Client,
    origins: Sequence[Origin],
    style: AnswerStyle = AnswerStyle.CODE,
    hours: WakingHours | None = None,
    owner: int | None = None,
    turns: float = 4.0,
    system: str | None = None,
    eagerness: float = 0.35,
    tools: tuple[str, ...] = (),
    context: bool = True,
    reasons: bool = False,
) -> None:
    """Someone's work with a tool: sessions of several turns in that person's working hours.

    Args:
        cohort: Where it is recorded.
        customer: Who works.
        kind: What kind of work.
        volume: Exchanges in all.
        client: The software.
        origins: Addresses.
        style: What answers look like.
        hours: Habits; those of someone at work if absent.
        owner: Whose documents; the customer's own if absent.
        turns: Mean length of a session.
        system: The tool's system prompt.
        eagerness: Chance that the account turns to a new model.
        tools: Tools offered.
        context: Files or documents travel with each request.
        reasons: Answers carry signed reasoning.
    """
    rng = cohort.rng
    hours = hours or WakingHours.draw(rng, customer.country.utc_offset, at_work=rng.random() < 0.7)
    lengths = split_into_turns(rng, volume, mean=turns)
    starts = hours.moments(rng, len(lengths), customer.begin, customer.end)
    lengths = lengths[: len(starts)]
    if not len(starts):
        return
    count = int(lengths.sum())
    owner = customer.seed if owner is None else owner
    inputs = cohort.library.work(
        kind, rng, count, owner=owner, language=language_of_work(cohort, customer)
    )
    started = turn_times(rng, starts, lengths, pause=45.0)
    place = rng.integers(0, len(origins), len(starts))
    place[rng.random(len(starts)) < 0.7] = 0
    cohort.send(
        customer,
        Manner(
            client=client,
            style=style,
            system=system,
            tools=tools,
            carries_context=context,
            shares_prefix=system is not None,
            reasons=reasons,
        ),
        started=started,
        inputs=inputs,
        origins=origins,
        origin_of=np.repeat(place, lengths),
        model=cohort.models(started, usual=usual_model(rng), eagerness=eagerness),
        conversation=np.repeat(cohort.conversation_numbers(len(starts)), lengths),
        turn=turn_numbers(lengths),
    )


def run_job(
    cohort: Cohort,
    customer: Customer,
    inputs: Sequence[str],
    started: Ints,
    manner: Manner,
    *,
    origins: Sequence[Origin],
    origin_of: Ints | None = None,
    model: str | None = None,
    eagerness: float = 0.3,
    credential: str | None = None,
) -> None:
    """A machine's single requests: one after the other, no follow-up."""
    usual = model or usual_model(cohort.rng)
    batches = None
    if manner.client.endpoint == "batch":
        day = (started // 86_400_000_000).tolist()
        batches = [f"batch_{customer.seed:08x}_{number}" for number in day]
    cohort.send(
        customer,
        manner,
        started=started,
        inputs=inputs,
        origins=origins,
        origin_of=origin_of,
        model=cohort.models(started, usual=usual, eagerness=eagerness),
        credential=credential,
        batches=batches,
    )


def language_of_work(cohort: Cohort, customer: Customer) -> str:
    """The language a customer writes in: the country's, or English."""
    language = customer.country.language
    # A third of the people elsewhere write English.
    if language != "en" and (language not in cohort.library.languages or customer.seed % 3 == 0):
        return "en"
    return language


def turn_numbers(lengths: Ints) -> Ints:
    """0, 1, 2, … within each conversation of the given lengths."""
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    return np.arange(int(lengths.sum())) - np.repeat(first, lengths)


def _break_off(
    rng: np.random.Generator, starts: Ints, spoken: list[list[str]], volume: int
) -> tuple[Ints, list[list[str]]]:
    """So many of the conversations, taken at random, that `volume` turns are met."""
    left = volume
    taken: dict[int, list[str]] = {}
    for number in rng.permutation(len(spoken)).tolist():
        if left <= 0:
            break
        taken[number] = spoken[number][:left]
        left -= len(taken[number])
    order = sorted(taken)
    return starts[order], [taken[number] for number in order]
