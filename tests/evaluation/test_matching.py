"""Which finding stands for which campaign."""

from __future__ import annotations

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from stillwatch.evaluation.matching import match_findings

Groups = dict[str, frozenset[int]]

groups = st.dictionaries(
    st.sampled_from("abcd"), st.frozensets(st.integers(0, 7), min_size=1), max_size=4
)


def possible(campaign: frozenset[int], finding: frozenset[int]) -> bool:
    shared = len(campaign & finding)
    return 2 * shared >= len(campaign) and 2 * shared >= len(finding)


def best_by_trying_all(campaigns: Groups, findings: Groups) -> tuple[int, int]:
    """Most campaigns found, then most shared accounts, over every one-to-one choice."""
    best = (0, 0)
    slots = [*findings, *[None] * len(campaigns)]
    for choice in permutations(slots, len(campaigns)):
        kept = [
            (campaigns[name], findings[finding])
            for name, finding in zip(campaigns, choice, strict=True)
            if finding is not None and possible(campaigns[name], findings[finding])
        ]
        best = max(best, (len(kept), sum(len(c & f) for c, f in kept)))
    return best


@given(groups, groups)
def test_the_choice_is_as_good_as_any_other(campaigns: Groups, findings: Groups) -> None:
    """No other one-to-one choice finds more campaigns, or as many with more shared accounts."""
    string_campaigns = {k: frozenset(map(str, v)) for k, v in campaigns.items()}
    string_findings = {k: frozenset(map(str, v)) for k, v in findings.items()}

    matches = match_findings(string_campaigns, string_findings)

    shared = sum(len(campaigns[c] & findings[f]) for c, f in matches.items())
    assert len(set(matches.values())) == len(matches)
    assert all(possible(campaigns[c], findings[f]) for c, f in matches.items())
    assert (len(matches), shared) == best_by_trying_all(campaigns, findings)


def test_exactly_half_suffices() -> None:
    """Half of the campaign's accounts, in a finding that is half its own, finds it."""
    campaigns = {"amber": {"a", "b", "c", "d"}}

    assert match_findings(campaigns, {"f": {"a", "b", "x", "y"}}) == {"amber": "f"}
    assert match_findings(campaigns, {"f": {"a", "b", "x", "y", "z"}}) == {}
    assert match_findings(campaigns, {"f": {"a"}}) == {}
