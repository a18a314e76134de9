"""From rare shared wording and facts to groups of accounts.

Accounts, fragments and facts are the nodes of one graph; an edge says that an account shows a
fragment or fact, and weighs what the agreement is worth. Communities of that graph are groups.
Nothing compares all pairs, and a hub glues nobody: what many share weighs next to nothing.
"""

from __future__ import annotations

from stillwatch.lake.scratch import rest
from stillwatch.linking.communities import find_communities
from stillwatch.linking.group import Group, LinkingParameters
from stillwatch.linking.members import take_members
from stillwatch.signals.shared_facts import Facts
from stillwatch.signals.templates import Fragments
from stillwatch.signals.traffic import Traffic

__all__ = ["Group", "LinkingParameters", "group_accounts"]

_USUAL = LinkingParameters()


def group_accounts(
    traffic: Traffic,
    fragments: Fragments,
    facts: Facts,
    parameters: LinkingParameters = _USUAL,
) -> list[Group]:
    """Groups of at least `minimum_accounts`, each account in one at most.

    Cost: linear in the uses of fragments and the sightings of facts, but for sorting.
    """
    exchanges = traffic.exchanges
    membership, by_facts = find_communities(fragments, facts, exchanges, parameters)
    rest()
    return take_members(traffic, fragments, membership, by_facts, exchanges, parameters)
