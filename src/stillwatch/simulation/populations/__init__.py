"""The honest: every population of a world, each with its own reason to look guilty."""

from __future__ import annotations

from stillwatch.simulation.populations import (
    developers,
    divided_work,
    education,
    machines,
    organisations,
    people,
    research,
    shared_networks,
)
from stillwatch.simulation.populations.population import Population

__all__ = ["POPULATIONS", "Population", "reason_to_look_guilty"]

_ALL: tuple[Population, ...] = (
    people.People(),
    developers.Developers(),
    developers.CodingAgents(),
    people.ViralPrompt(),
    education.SchoolClass(),
    education.Hackathon(),
    organisations.Enterprise(),
    organisations.EvaluationLab(),
    machines.NightlyJobs(),
    machines.EphemeralBuilds(),
    organisations.SyntheticDataTeam(),
    organisations.Aggregator(),
    organisations.AnnotationVendor(),
    organisations.ReasoningAudit(),
    people.Family(),
    shared_networks.Office(),
    machines.RagBackfills(),
    divided_work.CatalogueVendor(),
    divided_work.ShardedBackfill(),
    divided_work.Agency(),
    developers.NicheApp(),
    machines.PooledRouter(),
    developers.McpServers(),
    developers.SdkDefaults(),
    people.PromptPackBuyers(),
    education.MentorStudents(),
    research.PromptOptimisers(),
    research.RedTeamVendor(),
    research.ContaminationChecks(),
    research.ReasoningStudies(),
    shared_networks.CorporateVpn(),
    developers.HostedNotebooks(),
    machines.SharedRunners(),
    people.VirtualCards(),
    people.ReturningCustomers(),
    people.TutorialReaders(),
    machines.DriftMonitors(),
    machines.ProductBackends(),
    organisations.SharedKeyTeam(),
    research.ReleaseDayBenchmarks(),
    people.AccountMovers(),
)

POPULATIONS: dict[str, Population] = {population.name: population for population in _ALL}


def reason_to_look_guilty(population: Population) -> str:
    """The one sentence that says what is alike about its accounts."""
    return (type(population).__doc__ or "").strip()
