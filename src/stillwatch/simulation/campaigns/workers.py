"""A campaign's accounts, and what they have in common at each level of the identity dial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stillwatch.records import Role
from stillwatch.simulation.clients import Client, Software, draw_client
from stillwatch.simulation.cohort import Cohort, Customer, Organisation
from stillwatch.simulation.frame import DAY, HOUR
from stillwatch.simulation.internet import Country, Origin
from stillwatch.simulation.means import DISPOSABLE_MAIL, Means, draw_country, draw_means

__all__ = ["Recruiting", "Worker", "recruit"]

_SUB_POOL = 5
_UNDETECTED_SHARING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One account of a campaign.

    Attributes:
        customer: The account.
        client: The software it uses.
        origins: Addresses it sends from.
        role: Its part.
        begin: First moment at which it can take tasks, us.
        end: Last moment, exclusive.
        credential: The credential that serves the campaign, if not the account's own.
    """

    customer: Customer
    client: Client
    origins: tuple[Origin, ...]
    role: Role
    begin: int
    end: int
    credential: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recruiting:
    """How accounts are come by.

    Attributes:
        campaign: Name of the campaign in the truth.
        identity: The dial.
        plans: Plans to choose from.
        softwares: Clients to choose from.
        paths: Access paths to choose from; the client's own if empty.
        residential: Traffic leaves through households rather than rented machines.
        disposable: Mail addresses come from disposable providers, whatever the dial.
        shell: A company founded for the purpose that owns the accounts, if any.
    """

    campaign: str
    identity: int
    plans: tuple[str, ...] = ("pay_as_you_go", "individual")
    softwares: tuple[Software, ...] = (Software.PYTHON_SDK, Software.FRAMEWORK)
    paths: tuple[str, ...] = ()
    residential: bool = False
    disposable: bool = False
    shell: Organisation | None = None


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the members of one pool have in common."""

    means: Means
    country: Country
    client: Client
    origins: tuple[Origin, ...]
    born: int


def recruit(
    cohort: Cohort,
    count: int,
    how: Recruiting,
    *,
    roles: Sequence[Role],
    begins: Sequence[int],
    bans: Sequence[int | None],
) -> list[Worker]:
    """Open `count` accounts that begin work at `begins` and are banned at `bans`, if at all.

    `roles`, `begins` and `bans` have one entry for each account.
    """
    workers: list[Worker] = []
    operator = int(cohort.rng.integers(1000))
    pool_size = {0: count, 1: _SUB_POOL}.get(how.identity, 1)
    shared = _share(cohort, how, operator, begins[0])
    for number in range(count):
        if number and number % pool_size == 0:
            shared = _share(cohort, how, operator, begins[number])
        workers.append(_open(cohort, how, shared, roles[number], begins[number], bans[number]))
    return workers


def _share(cohort: Cohort, how: Recruiting, operator: int, begin: int) -> _Shared:
    rng, internet = cohort.rng, cohort.internet
    country = draw_country(rng)
    means = draw_means(rng, country)
    if how.identity < _UNDETECTED_SHARING or how.disposable:
        means = replace(means, email_domain=DISPOSABLE_MAIL[int(rng.integers(3))])
    if how.identity == _UNDETECTED_SHARING:
        means = replace(means, payment_bin=f"9977{operator % 100:02d}")
    if how.identity < _UNDETECTED_SHARING:
        means = replace(means, device=means.device or f"device_{means.payment[4:]}")
        origins = _one_network(cohort, how, country)
    elif how.identity == _UNDETECTED_SHARING and not how.residential:
        origins = tuple(internet.hosting(rng, company=operator) for _ in range(2))
    elif how.identity == _UNDETECTED_SHARING:
        origins = tuple(internet.carrier(rng, operator) for _ in range(2))
    else:
        origins = tuple(internet.home(rng, country) for _ in range(2))
    software = how.softwares[int(rng.integers(len(how.softwares)))]
    path = how.paths[int(rng.integers(len(how.paths)))] if how.paths else None
    # What is shared is opened together, the days before it starts to work.
    born = begin - int(rng.uniform(0.3, 6.0) * DAY)
    return _Shared(means, country, draw_client(rng, software, path=path), origins, born)


def _one_network(cohort: Cohort, how: Recruiting, country: Country) -> tuple[Origin, ...]:
    if how.residential:
        line = cohort.internet.home(cohort.rng, country)
        return (line, line)
    return tuple(cohort.internet.rack(cohort.rng, 4))


def _open(
    cohort: Cohort,
    how: Recruiting,
    shared: _Shared,
    role: Role,
    begin: int,
    banned_at: int | None,
) -> Worker:
    rng = cohort.rng
    own = draw_means(rng, shared.country)
    means = replace(
        shared.means, email=own.email, phone=own.phone if how.identity else shared.means.phone
    )
    if how.identity < _UNDETECTED_SHARING:
        born = shared.born + int(rng.exponential(5 * HOUR))
    else:
        born = begin - int(rng.exponential(60) * DAY) - HOUR
    client = shared.client
    if how.paths and how.identity:
        path = how.paths[int(rng.integers(len(how.paths)))]
        software = how.softwares[int(rng.integers(len(how.softwares)))]
        client = draw_client(rng, software, path=path)
    if how.shell:
        means = replace(means, email_domain=how.shell.domain)
    plan = str(rng.choice(how.plans))
    customer = cohort.open(
        plan=plan,
        organisation=how.shell,
        verification="edu" if plan == "edu" else "none",
        country=shared.country,
        means=means,
        signup=shared.origins[int(rng.integers(len(shared.origins)))],
        born=min(born, begin),
        lasting=True,
        banned_at=banned_at,
        campaign=how.campaign,
        role=role,
    )
    return Worker(
        customer=customer,
        client=client,
        origins=shared.origins,
        role=role,
        begin=max(begin, customer.begin),
        end=customer.end,
    )
