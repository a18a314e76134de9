"""People: those who chat, and those whom something published makes alike."""

from __future__ import annotations

import numpy as np

from stillwatch.simulation.clients import Software, draw_client
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import DAY, MINUTE, SECOND, token
from stillwatch.simulation.habits import chat, own_work, person_origins
from stillwatch.simulation.internet import COUNTRIES
from stillwatch.simulation.means import VIRTUAL_CARD_BIN
from stillwatch.simulation.populations.population import GroupSize, Single, Together
from stillwatch.simulation.rows import digest_of
from stillwatch.simulation.text import AnswerStyle, WorkKind
from stillwatch.simulation.traffic import Manner

__all__ = [
    "AccountMovers",
    "Family",
    "People",
    "PromptPackBuyers",
    "ReturningCustomers",
    "TutorialReaders",
    "ViralPrompt",
    "VirtualCards",
]


class People(Single):
    """People who chat. They look guilty only by chance: shared carriers, common questions."""

    name, share, daily = "people", 0.30, 1.3

    def live(self, cohort: Cohort, size: int) -> None:
        for volume in cohort.volumes(size, spread=1.2):
            chat(cohort, cohort.open(), int(volume))


class ViralPrompt(Together):
    """A prompt that goes round: hundreds of strangers send the same rare words within days."""

    name, share, daily, group = "viral_prompt", 0.035, 1.3, GroupSize(25, 70, 400)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        owner = int(rng.integers(1 << 31))
        appears = frame.start + int(rng.uniform(0.05, 0.5) * frame.days * DAY)
        for volume in cohort.volumes(size, spread=1.1):
            customer = cohort.open()
            client = draw_client(rng, Software.PHONE)
            origins = person_origins(cohort, customer.country)
            chat(cohort, customer, int(volume), client=client, origins=origins)
            count = int(rng.integers(1, 4))
            heard = appears + int(rng.gamma(2.0, 0.09) * frame.days * DAY)
            started = heard + np.cumsum(rng.exponential(20 * MINUTE, count)).astype(np.int64)
            cohort.send(
                customer,
                Manner(client=client, style=AnswerStyle.AUTO),
                started=started,
                inputs=cohort.library.work(WorkKind.VIRAL_PROMPT, rng, count, owner=owner),
                origins=origins,
                conversation=cohort.conversation_numbers(count),
                turn=np.zeros(count, np.int64),
            )


class PromptPackBuyers(Together):
    """Buyers of one prompt pack: the same bought templates, filled with their own things."""

    name, share, daily, group = "prompt_pack", 0.012, 2.5, GroupSize(8, 20, 120)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        pack = int(rng.integers(1 << 31))
        for volume in cohort.volumes(size, spread=1.0):
            customer = cohort.open(plan="individual")
            client = draw_client(rng, Software.BROWSER)
            origins = person_origins(cohort, customer.country)
            bought = max(1, int(volume * rng.uniform(0.2, 0.8)))
            own_work(
                cohort,
                customer,
                WorkKind.PROMPT_PACK,
                bought,
                client=client,
                origins=origins,
                style=AnswerStyle.AUTO,
                owner=pack,
                turns=1.6,
                context=False,
            )
            chat(cohort, customer, int(volume) - bought, client=client, origins=origins)


class ReturningCustomers(Together):
    """Customers who wait for the end of an outage and then all come within minutes."""

    name, share, daily, group = "returning_after_outage", 0.02, 2.2, GroupSize(20, 60, 250)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        restored = frame.outage[1]
        for volume in cohort.volumes(size, spread=1.0):
            customer = cohort.open(lasting=True)
            chat(cohort, customer, int(volume))
            returns = restored + np.array([int(rng.exponential(7 * MINUTE)) + 30 * SECOND])
            cohort.send(
                customer,
                Manner(client=draw_client(rng, Software.BROWSER), style=AnswerStyle.AUTO),
                started=returns,
                inputs=cohort.library.work(WorkKind.RETURNING_CHAT, rng, 1, owner=customer.seed),
                origins=person_origins(cohort, customer.country),
                conversation=cohort.conversation_numbers(1),
                turn=np.zeros(1, np.int64),
            )


class TutorialReaders(Together):
    """Readers of a tutorial: all present the signed reasoning block it was published with."""

    name, share, daily, group = "tutorial_readers", 0.012, 1.8, GroupSize(10, 30, 150)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        tutorial = int(rng.integers(1 << 31))
        published = token("sig", frame.seed, cohort.key, "tutorial")
        author = cohort.open(plan="pay_as_you_go", born=frame.start - 90 * DAY, lasting=True)
        appears = frame.start + int(rng.uniform(0.05, 0.3) * frame.days * DAY)
        for reader, volume in enumerate(cohort.volumes(size, spread=0.9)):
            customer = author if reader == 0 else cohort.open()
            client = draw_client(rng, Software.PYTHON_SDK)
            origins = person_origins(cohort, customer.country)
            copies = 1 if reader == 0 else int(rng.integers(1, 4))
            read = appears if reader == 0 else appears + int(rng.gamma(1.5, 0.2) * frame.days * DAY)
            cohort.send(
                customer,
                Manner(client=client, style=AnswerStyle.REASONING, reasons=True),
                started=read + np.arange(copies) * 4 * MINUTE,
                inputs=cohort.library.work(WorkKind.TUTORIAL_READER, rng, copies, owner=tutorial),
                origins=origins,
                model="aster-3-reason",
                issued=[published] if reader == 0 else None,
                presented=None if reader == 0 else [[published]] * copies,
                statuses=["ok"] * copies,
            )
            chat(cohort, customer, int(volume), client=client, origins=origins)


class Family(Together):
    """A family: one card, one line at home, shared tablets, and nothing else in common."""

    name, share, daily, group = "family", 0.03, 1.4, GroupSize(2, 3, 6)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        first = cohort.open(plan="individual")
        home = person_origins(cohort, first.country)
        volumes = cohort.volumes(size, spread=1.0)
        chat(cohort, first, int(volumes[0]), origins=home)
        for volume in volumes[1:]:
            member = cohort.open_beside(
                first, plan="individual", device=rng.random() < 0.3, signup=home[0]
            )
            origins = [home[0], cohort.internet.mobile(rng, first.country)]
            chat(cohort, member, int(volume), origins=origins)


class VirtualCards(Single):
    """Customers of one issuer of virtual cards: a new card number and the same prefix for each."""

    name, share, daily = "virtual_cards", 0.03, 1.5

    def live(self, cohort: Cohort, size: int) -> None:
        for volume in cohort.volumes(size, spread=1.2):
            country = COUNTRIES[int(cohort.rng.integers(len(COUNTRIES)))]
            customer = cohort.open(plan="individual", country=country, payment_bin=VIRTUAL_CARD_BIN)
            chat(cohort, customer, int(volume))


class AccountMovers(Together):
    """People who move from a private account to their firm's, and take an open talk along."""

    name, share, daily, group = "account_movers", 0.008, 2.0, GroupSize(2, 2, 2)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        firm = cohort.organisation(verified="domain")
        born = frame.start - int(rng.integers(20, 200)) * DAY
        private = cohort.open(plan="individual", country=firm.country, born=born, lasting=True)
        seats = [
            cohort.open(plan="team", organisation=firm, born=born, lasting=True)
            for _ in range(size - 1)
        ]
        client = draw_client(rng, Software.BROWSER)
        origins = person_origins(cohort, firm.country)
        for account, volume in zip(
            (private, *seats), cohort.volumes(size, spread=0.8), strict=True
        ):
            chat(cohort, account, int(volume), client=client, origins=origins)
        moves = frame.start + int(rng.uniform(0.3, 0.7) * frame.days * DAY)
        said = cohort.library.work(WorkKind.DEVELOPER, rng, 4, owner=private.seed)
        answers = cohort.library.answers(said, rng, style=AnswerStyle.AUTO)
        talk = [
            digest_of(text.encode()) for pair in zip(said, answers, strict=True) for text in pair
        ]
        for account, turns, begins in (
            (private, (0, 1), moves - 60 * MINUTE),
            (seats[0], (2, 3), moves),
        ):
            cohort.send(
                account,
                Manner(client=client, style=AnswerStyle.AUTO),
                started=begins + np.array([0, 5 * MINUTE]),
                inputs=[said[turn] for turn in turns],
                outputs=[answers[turn] for turn in turns],
                statuses=["ok", "ok"],
                origins=origins,
                prefixes=[talk[: 2 * turn] or None for turn in turns],
            )
