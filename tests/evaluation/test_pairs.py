"""Pair counts against the pairs themselves."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from stillwatch.evaluation.pairs import count_pairs

Groups = dict[str, frozenset[str]]

overlapping_groups = st.dictionaries(
    st.sampled_from("abcd"),
    st.frozensets(st.sampled_from([f"account-{n}" for n in range(9)]), max_size=9),
    max_size=4,
)


def pairs_within(groups: Groups) -> set[frozenset[str]]:
    return {frozenset(pair) for accounts in groups.values() for pair in combinations(accounts, 2)}


@given(overlapping_groups, overlapping_groups)
def test_counts_equal_those_of_all_pairs(campaigns: Groups, findings: Groups) -> None:
    """The contingency gives what forming every pair gives, overlapping groups included."""
    together, claimed = pairs_within(campaigns), pairs_within(findings)

    counts = count_pairs(campaigns, findings)

    assert (counts.together, counts.claimed, counts.right) == (
        len(together),
        len(claimed),
        len(together & claimed),
    )


@given(overlapping_groups, overlapping_groups)
def test_names_of_groups_do_not_matter(campaigns: Groups, findings: Groups) -> None:
    """Relabelling campaigns and findings leaves every count as it was."""
    relabelled = {f"z{name}": accounts for name, accounts in reversed(findings.items())}

    assert count_pairs(campaigns, findings) == count_pairs(campaigns, relabelled)


def test_a_campaign_of_many_accounts_needs_no_pairs_in_memory() -> None:
    """A hundred thousand accounts have five thousand million pairs, counted at once."""
    crowd = frozenset(map(str, range(100_000)))

    counts = count_pairs({"amber": crowd}, {"f": crowd})

    assert counts.right == 100_000 * 99_999 // 2
