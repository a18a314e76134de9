"""Those who learn together: a class, a hackathon, the students of one mentor."""

from __future__ import annotations

import numpy as np

from stillwatch.simulation.clients import Software, draw_client
from stillwatch.simulation.clocks import turn_times
from stillwatch.simulation.cohort import Cohort, Customer
from stillwatch.simulation.frame import DAY, HOUR, MINUTE, Ints
from stillwatch.simulation.habits import chat, own_work, person_origins, turn_numbers
from stillwatch.simulation.internet import Origin
from stillwatch.simulation.populations.population import GroupSize, Together
from stillwatch.simulation.text import AnswerStyle, WorkKind
from stillwatch.simulation.traffic import Manner

__all__ = ["Hackathon", "MentorStudents", "SchoolClass"]


class SchoolClass(Together):
    """A class: the same exercises within hours, one campus network, accounts born together."""

    name, share, daily, group = "class", 0.05, 1.6, GroupSize(12, 28, 160)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        school = cohort.organisation(verified="domain" if rng.random() < 0.7 else "none")
        campus = [cohort.internet.office(rng, school.country)] * 2
        course = int(rng.integers(1 << 31))
        begins = frame.start - int(rng.uniform(1, 40)) * DAY
        lessons = _lessons(cohort, school.country.utc_offset)
        for volume in cohort.volumes(size, spread=0.8):
            customer = cohort.open(
                plan="edu" if rng.random() < 0.6 else "free",
                organisation=school,
                born=begins + int(rng.exponential(6 * HOUR)),
                verification="edu",
                signup=campus[0],
            )
            origins = [campus[0], *person_origins(cohort, customer.country)]
            _attend(cohort, customer, course, lessons, int(volume), origins)
            if rng.random() < 0.5:
                chat(cohort, customer, max(1, int(volume) // 3), origins=origins)


class MentorStudents(Together):
    """A mentor's students: undeclared, scattered, and all use the prompts they were given."""

    name, share, daily, group = "mentor_students", 0.01, 2.5, GroupSize(6, 14, 40)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        mentor = int(rng.integers(1 << 31))
        for volume in cohort.volumes(size, spread=0.7):
            customer = cohort.open()
            origins = person_origins(cohort, customer.country)
            client = draw_client(rng, Software.BROWSER)
            given = max(1, int(volume * rng.uniform(0.3, 0.8)))
            own_work(
                cohort,
                customer,
                WorkKind.MENTOR_STUDENTS,
                given,
                client=client,
                origins=origins,
                style=AnswerStyle.AUTO,
                owner=mentor,
                turns=3.5,
                context=False,
            )
            chat(cohort, customer, int(volume) - given, client=client, origins=origins)


class Hackathon(Together):
    """A hackathon: a burst of sign-ups and use from one hall, and silence afterwards."""

    name, share, daily, group = "hackathon", 0.02, 2.5, GroupSize(12, 35, 150)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        event = int(rng.integers(1 << 31))
        begins = frame.start + int(rng.uniform(0.15, 0.75) * frame.days) * DAY + 9 * HOUR
        ends = begins + int(rng.choice([24, 36, 48])) * HOUR
        first = cohort.open(lasting=True)
        hall = cohort.internet.office(rng, first.country)
        for number, volume in enumerate(cohort.volumes(size, spread=0.9)):
            customer = first
            if number:
                born = begins - int(rng.exponential(4 * HOUR))
                customer = cohort.open(country=first.country, born=born, signup=hall, lasting=True)
            started = np.sort(rng.integers(begins, ends, max(1, int(volume) // 3)))
            _build(cohort, customer, event, started, hall)


def _build(cohort: Cohort, customer: Customer, event: int, starts: Ints, hall: Origin) -> None:
    rng = cohort.rng
    turns = 1 + rng.poisson(2.0, len(starts)).astype(np.int64)
    started = turn_times(rng, starts, turns, pause=50.0)
    cohort.send(
        customer,
        Manner(client=draw_client(rng, Software.PYTHON_SDK), style=AnswerStyle.CODE),
        started=started,
        inputs=cohort.library.work(WorkKind.HACKATHON, rng, len(started), owner=event),
        origins=[hall],
        conversation=np.repeat(cohort.conversation_numbers(len(turns)), turns),
        turn=turn_numbers(turns),
    )


def _lessons(cohort: Cohort, utc_offset: float) -> list[int]:
    """Moments at which exercises are set: once or twice a week, in school hours."""
    rng, frame = cohort.rng, cohort.frame
    days = [d for d in range(frame.days) if d % 7 < 5]
    chosen = rng.choice(days, size=min(len(days), max(1, frame.days // 4)), replace=False)
    hour = rng.uniform(8, 15) - utc_offset
    return [frame.start + int(day) * DAY + int(hour * HOUR) for day in np.sort(chosen)]


def _attend(
    cohort: Cohort,
    customer: Customer,
    course: int,
    lessons: list[int],
    volume: int,
    origins: list[Origin],
) -> None:
    """Ask about the exercises: everyone the same ones, each with follow-ups of their own."""
    rng = cohort.rng
    attended = [moment for moment in lessons if rng.random() < 0.8]
    if not attended:
        return
    language = customer.country.language
    language = language if language in cohort.library.languages else "en"
    each = max(1, round(volume / len(attended) / 2))
    client = draw_client(rng, Software.BROWSER)
    for number, lesson in enumerate(attended):
        exercises = cohort.library.assignments(rng, each, course=course, language=language)
        talk = cohort.library.conversations(rng, each, language=language, topic=course)
        texts = [[exercise, *turns[1:3]] for exercise, turns in zip(exercises, talk, strict=True)]
        turns = np.fromiter(map(len, texts), np.int64, len(texts))
        in_class = rng.random() < 0.6
        delay = rng.exponential(12 * MINUTE if in_class else 9 * HOUR, len(texts))
        starts = np.sort(lesson + delay.astype(np.int64))
        cohort.send(
            customer,
            Manner(client=client, style=AnswerStyle.AUTO),
            started=turn_times(rng, starts, turns, pause=110.0),
            inputs=[text for conversation in texts for text in conversation],
            origins=[origins[0] if in_class else origins[1 + number % (len(origins) - 1)]],
            conversation=np.repeat(cohort.conversation_numbers(len(turns)), turns),
            turn=turn_numbers(turns),
        )
