"""Organisations that work openly: enterprises, vendors, laboratories, aggregators."""

from __future__ import annotations

from stillwatch.simulation.clients import Software, draw_client
from stillwatch.simulation.clocks import WakingHours, nightly, office_hours
from stillwatch.simulation.cohort import Cohort
from stillwatch.simulation.frame import token
from stillwatch.simulation.habits import chat, own_work, run_job
from stillwatch.simulation.populations.population import GroupSize, Together
from stillwatch.simulation.text import AnswerStyle, WorkKind
from stillwatch.simulation.traffic import Manner

__all__ = [
    "Aggregator",
    "AnnotationVendor",
    "Enterprise",
    "EvaluationLab",
    "ReasoningAudit",
    "SharedKeyTeam",
    "SyntheticDataTeam",
]

_KEEPS_TEXT_OUT = 0.2


class Enterprise(Together):
    """An enterprise: hundreds of seats, one payer, one network, one template of its own."""

    name, share, daily, group = "enterprise", 0.06, 2.4, GroupSize(20, 70, 420)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        company = cohort.organisation(verified=str(rng.choice(["contract", "contract", "kyc"])))
        cohort.retention = "no_text" if rng.random() < _KEEPS_TEXT_OUT else "full"
        exits = [cohort.internet.office(rng, company.country) for _ in range(2)]
        template = int(rng.integers(1 << 31))
        system = cohort.library.system(WorkKind.ENTERPRISE_SEAT, rng, owner=template)
        client = draw_client(rng, Software.BROWSER, path="app")
        for volume in cohort.volumes(size, spread=1.1):
            customer = cohort.open(plan="enterprise", organisation=company, signup=exits[0])
            hours = WakingHours.draw(rng, company.country.utc_offset, at_work=True)
            work = int(volume * rng.uniform(0.3, 0.9))
            own_work(
                cohort,
                customer,
                WorkKind.ENTERPRISE_SEAT,
                max(1, work),
                client=client,
                origins=exits,
                style=AnswerStyle.AUTO,
                hours=hours,
                owner=template,
                turns=2.5,
                system=system,
                context=False,
            )
            chat(cohort, customer, int(volume) - work, client=client, origins=exits, hours=hours)


class EvaluationLab(Together):
    """An evaluation lab: whole public benchmarks, templates, and every new model at once."""

    name, share, daily, group = "evaluation_lab", 0.004, 45.0, GroupSize(3, 5, 12)

    def live(self, cohort: Cohort, size: int) -> None:
        rng, frame = cohort.rng, cohort.frame
        lab = cohort.organisation(verified="contract")
        bench = int(rng.integers(1 << 31))
        origins = cohort.internet.rack(rng, 4)
        for volume in cohort.volumes(size, spread=0.5):
            customer = cohort.open(
                plan="team", organisation=lab, verification="research", lasting=True
            )
            started = nightly(
                rng, int(volume), customer.begin, customer.end, minute_of_day=75, gap=3.0
            )
            # Every account asks the same list, from its beginning.
            listed = cohort.library.work(
                WorkKind.EVALUATION_LAB, frame.rng(bench), len(started), owner=bench
            )
            manner = Manner(
                client=draw_client(rng, Software.PYTHON_SDK),
                style=AnswerStyle.AUTO,
                temperature=0.0,
            )
            run_job(cohort, customer, listed, started, manner, origins=origins, eagerness=1.0)


class SyntheticDataTeam(Together):
    """A synthetic-data team for its own company's model: collection in the open."""

    name, share, daily, group = "synthetic_data_team", 0.004, 55.0, GroupSize(3, 6, 20)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        company = cohort.organisation(verified="contract")
        owner = int(rng.integers(1 << 31))
        origins = cohort.internet.rack(rng, 3)
        for volume in cohort.volumes(size, spread=0.6):
            customer = cohort.open(plan="enterprise", organisation=company, lasting=True)
            started = cohort.rhythms.client_times(
                rng, cohort.frame, int(volume), customer.begin, customer.end
            )
            software = Software.BATCH if rng.random() < 0.4 else Software.FRAMEWORK
            manner = Manner(
                client=draw_client(rng, software),
                style=AnswerStyle.PROSE,
                system=cohort.library.system(WorkKind.SYNTHETIC_DATA_TEAM, rng, owner=owner),
                temperature=1.0,
                max_output_tokens=4096,
            )
            inputs = cohort.library.work(
                WorkKind.SYNTHETIC_DATA_TEAM, rng, len(started), owner=owner
            )
            run_job(cohort, customer, inputs, started, manner, origins=origins)


class Aggregator(Together):
    """A declared aggregator: one address, the mixed conversations of thousands of people."""

    name, share, daily, group = "aggregator", 0.003, 90.0, GroupSize(3, 6, 16)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        company = cohort.organisation(verified="kyc")
        origins = cohort.internet.rack(rng, 2)
        client = draw_client(rng, Software.GATEWAY, path="reseller")
        for volume in cohort.volumes(size, spread=0.4):
            customer = cohort.open(plan="partner", organisation=company, lasting=True)
            people = [token("user", customer.account.account_id, i) for i in range(400)]
            hours = WakingHours(company.country.utc_offset, 15.0, 1.0, 0.5)
            chat(
                cohort,
                customer,
                int(volume),
                client=client,
                origins=origins,
                hours=hours,
                end_users=people,
            )


class AnnotationVendor(Together):
    """An annotation vendor: one rubric, grading prompts from many people's accounts."""

    name, share, daily, group = "annotation_vendor", 0.015, 6.0, GroupSize(10, 30, 120)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        vendor = cohort.organisation(verified="contract")
        rubric = int(rng.integers(1 << 31))
        client = draw_client(rng, Software.BROWSER)
        office = cohort.internet.office(rng, vendor.country)
        for volume in cohort.volumes(size, spread=0.6):
            customer = cohort.open(plan="team", organisation=vendor, signup=office)
            origins = [office, cohort.internet.home(rng, vendor.country)]
            own_work(
                cohort,
                customer,
                WorkKind.ANNOTATION,
                int(volume),
                client=client,
                origins=origins,
                style=AnswerStyle.GRADE,
                hours=WakingHours.draw(rng, vendor.country.utc_offset, at_work=True),
                owner=rubric,
                turns=1.3,
                context=False,
            )


class ReasoningAudit(Together):
    """A regulated firm that keeps the reasoning of every decision: it asks for it each time."""

    name, share, daily, group = "reasoning_audit", 0.004, 18.0, GroupSize(2, 4, 10)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        firm = cohort.organisation(verified=str(rng.choice(["contract", "kyc", "none"])))
        owner = int(rng.integers(1 << 31))
        origins = cohort.internet.rack(rng, 2)
        for volume in cohort.volumes(size, spread=0.8):
            customer = cohort.open(plan="team", organisation=firm, lasting=True)
            started = office_hours(
                rng,
                int(volume),
                customer.begin,
                customer.end,
                utc_offset=firm.country.utc_offset,
            )
            manner = Manner(
                client=draw_client(rng, Software.GO_SERVICE),
                style=AnswerStyle.REASONING,
                system=cohort.library.system(WorkKind.AUDIT_REASONING, rng, owner=owner),
                reasons=True,
                settings={
                    "n": None,
                    "top_p": None,
                    "seed": None,
                    "logprobs": None,
                    "reasoning_effort": "high",
                },
            )
            inputs = cohort.library.work(WorkKind.AUDIT_REASONING, rng, len(started), owner=owner)
            run_job(
                cohort, customer, inputs, started, manner, origins=origins, model="aster-3-reason"
            )


class SharedKeyTeam(Together):
    """A team that shares one key: many people, addresses and clients in each account."""

    name, share, daily, group = "shared_key_team", 0.004, 14.0, GroupSize(1, 2, 4)

    def live(self, cohort: Cohort, size: int) -> None:
        rng = cohort.rng
        company = cohort.organisation(verified=str(rng.choice(["domain", "none"])))
        for volume in cohort.volumes(size, spread=0.7):
            customer = cohort.open(plan="team", organisation=company)
            people = int(rng.integers(4, 12))
            for _ in range(people):
                own_work(
                    cohort,
                    customer,
                    WorkKind.DEVELOPER,
                    max(1, int(volume) // people),
                    client=draw_client(rng, Software.EDITOR),
                    origins=[cohort.internet.home(rng, company.country)],
                    owner=customer.seed,
                )
