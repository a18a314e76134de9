"""Honest accounts that were accused, by the population whose look-alike they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from stillwatch.evaluation.bounds import honest_upper
from stillwatch.evaluation.world import HonestAccount, Truth
from stillwatch.records import Role

__all__ = ["EVERYONE", "Accusations", "PopulationFlags", "flags_by_population", "wrongly_accused"]

EVERYONE = ""
"""The name under which all honest accounts are counted together."""

Accusations = Mapping[str, Mapping[str, Role]]
"""By finding, the role each of its accounts is accused of."""


@dataclass(frozen=True, slots=True)
class PopulationFlags:
    """What happened to an honest population.

    Attributes:
        flagged: Accounts wrongly accused.
        accounts: All its accounts.
        groups_flagged: Independent groups of which at least one account was accused.
        groups: Its independent groups; a single person is one.
        upper95: Upper 95 % bound of the share of accounts flagged.
    """

    flagged: int
    accounts: int
    groups_flagged: int
    groups: int
    upper95: float | None


def wrongly_accused(truth: Truth, accusations: Accusations) -> frozenset[str]:
    """The accounts of which at least one accusation is wrong."""
    return frozenset(
        account
        for members in accusations.values()
        for account, role in members.items()
        if truth.is_wrong_accusation(account, role)
    )


def flags_by_population(truth: Truth, wrong: Set[str]) -> dict[str, PopulationFlags]:
    """Flags of every honest population, and of all of them under `EVERYONE`."""
    populations: dict[str, list[tuple[str, HonestAccount]]] = defaultdict(list)
    for account, owner in truth.honest.items():
        populations[owner.population].append((account, owner))
    result = {name: _flags(populations[name], wrong) for name in sorted(populations)}
    result[EVERYONE] = _flags(truth.honest.items(), wrong)
    return result


def _flags(owners: Iterable[tuple[str, HonestAccount]], wrong: Set[str]) -> PopulationFlags:
    sizes: dict[str, int] = defaultdict(int)
    flagged: dict[str, int] = defaultdict(int)
    for account, owner in owners:
        sizes[owner.group] += 1
        flagged[owner.group] += account in wrong
    groups = [(sizes[group], flagged[group]) for group in sorted(sizes)]
    return PopulationFlags(
        flagged=sum(flagged.values()),
        accounts=sum(sizes.values()),
        groups_flagged=sum(1 for count in flagged.values() if count),
        groups=len(groups),
        upper95=honest_upper(groups),
    )
