"""The Sigma rules that are shipped are rules, by pySigma's own judgement."""

from __future__ import annotations

from pathlib import Path

import pytest
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

RULES = sorted((Path(__file__).resolve().parents[2] / "docs/deploy/sigma").glob("*.yml"))
# Of tags and of names of files in SigmaHQ's own repository; the first asks for a tag that the
# validator must fetch from the network.
_NOT_OURS = {"attacktag", "d3_fendtag", "fieldname_logsource"}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_a_file_holds_a_rule_and_what_counts_it(path: Path) -> None:
    """One request on its own tells nothing: each file ends in a correlation over many."""
    collection = SigmaCollection.from_yaml(path.read_text(encoding="utf-8"))
    simple, counting = collection.rules
    assert isinstance(simple, SigmaRule)
    assert isinstance(counting, SigmaCorrelationRule)
    assert simple.logsource.category == "llm_api"
    assert [reference.reference for reference in counting.rules] == [simple.name]
    assert simple.falsepositives
    assert counting.falsepositives


def test_pysigma_finds_nothing_wrong() -> None:
    """With all of its core validators that need no network."""
    collection = SigmaCollection.load_ruleset([str(path) for path in RULES])
    chosen = {name: kind for name, kind in validators.items() if name not in _NOT_OURS}
    validator = SigmaValidator(chosen.values())
    issues = validator.validate_rules(iter(collection.rules))
    assert [str(issue) for issue in issues] == []
    assert len(collection.rules) == 2 * len(RULES)


def test_country_and_language_are_no_evidence() -> None:
    """Nor is who somebody is: no rule names them."""
    for path in RULES:
        text = path.read_text(encoding="utf-8").lower()
        assert not {"country", "language", "locale", "geo"} & set(text.replace(".", " ").split())
