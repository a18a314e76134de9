"""How peers are scored: named accounts, pairs put together, and what the truth would choose."""

from __future__ import annotations

import os
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from peer_scores import (
    Edges,
    Score,
    TruthOfWorld,
    best_clusters,
    best_points,
    clusters_of,
    read_truth_of_world,
    score_accounts,
    score_groups,
)
from peer_tables import Row, page, spread
from process_tree import Cost, cost_of

TRUTH = TruthOfWorld(
    campaigns={
        "a": frozenset({"first"}),
        "b": frozenset({"first", "second"}),
        "c": frozenset({"second"}),
    },
    owners={"d": "family", "e": "family", "f": "firm", "g": "firm", "h": "firm"},
    declared=frozenset({"f", "g", "h"}),
)
EVERYONE = "abcdefghi"
ACCOUNTS = st.frozensets(st.sampled_from(EVERYONE))


def _edges(*edges: tuple[str, str, float]) -> Edges:
    names = sorted({name for one, other, _ in edges for name in (one, other)})
    ends = [(names.index(one), names.index(other)) for one, other, _ in edges]
    strength = np.array([strength for _, _, strength in edges])
    return Edges(names, np.array(ends, dtype=int).reshape(-1, 2), strength)


def test_accounts_are_right_when_they_serve_a_campaign() -> None:
    """Precision is over the named, recall over the guilty, and the rest of the named are honest."""
    score = score_accounts(TRUTH, frozenset("abdi"))

    assert (score.precision, score.recall, score.f1, score.honest) == (0.5, 2 / 3, 4 / 7, 2)


def test_who_names_nobody_has_no_precision_and_no_recall() -> None:
    """Nothing divided by nothing is no figure; F1 is then 0."""
    score = score_accounts(TRUTH, frozenset())

    assert (score.precision, score.recall, score.f1) == (None, 0.0, 0.0)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(ACCOUNTS, max_size=4))
def test_pairs_agree_with_looking_at_each(groups: list[frozenset[str]]) -> None:
    """Pairs are counted as if each were looked at, where accounts have several labels as well."""
    pairs = [pair for group in groups for pair in combinations(sorted(group), 2)]
    together = [p for p in pairs if TRUTH.labels(p[0]) & TRUTH.labels(p[1])]
    of_campaigns = {("a", "b"), ("b", "c")}

    score = score_groups(TRUTH, groups)

    assert (score.linked, score.together) == (len(pairs), len(together))
    assert score.campaign_pairs == 2
    assert score.campaign_pairs_linked == len(of_campaigns & set(pairs))


def test_clusters_are_connected_by_edges_strong_enough() -> None:
    """An edge of just the least strength counts; an account without one is in no cluster."""
    edges = _edges(("a", "b", 2.0), ("b", "c", 3.0), ("d", "e", 1.0))

    found = clusters_of(edges, least=2.0)

    assert found == [frozenset("abc")]


def test_truth_chooses_strength_size_and_declared_accounts() -> None:
    """What names all of the guilty and nobody else is found where some setting gives it."""
    edges = _edges(
        *(("a", "b", 9.0), ("b", "c", 9.0)),  # a campaign
        *(("f", "g", 9.0), ("g", "h", 9.0)),  # as large and as strong, but declared
        ("d", "e", 9.0),  # as strong, but small
        ("c", "i", 1.0),  # weak
    )

    best, words = best_clusters(TRUTH, edges)

    assert (best.named, best.right, best.f1) == (3, 3, 1.0)
    assert words == "strength 9, 3 accounts or more, declared accounts left out"


def test_truth_chooses_nothing_without_edges() -> None:
    """A peer that ties nobody names nobody."""
    best, words = best_clusters(TRUTH, _edges())

    assert (best.named, words) == (0, "no edge")


@pytest.mark.parametrize(
    ("points", "named", "words"),
    [
        ({"a": 2.0, "b": 2.0, "c": 1.0, "i": 1.0, "h": 0.0}, 4, "1 points or more"),
        ({"a": 2.0, "b": 2.0, "d": 1.0, "e": 1.0, "i": 1.0}, 2, "2 points or more"),
        ({"a": 0.0}, 0, "no point"),
    ],
)
def test_truth_chooses_the_least_points(points: dict[str, float], named: int, words: str) -> None:
    """Accounts without a point are never named."""
    best, chosen = best_points(TRUTH, points)

    assert (best.named, chosen) == (named, words)


def test_truth_and_edges_are_read_from_tables(tmp_path: Path) -> None:
    """An account of two campaigns has two rows; only a contract or a known customer is declared."""
    rows = {
        "account_id": ["a", "b", "b", "d"],
        "campaign": ["first", "first", "second", None],
        "honest_group": [None, None, None, "family"],
    }
    pq.write_table(pa.table(rows), tmp_path / "truth_accounts.parquet")
    accounts = {"account_id": list("abd"), "organization_verified": ["none", None, "kyc"]}
    pq.write_table(pa.table(accounts), tmp_path / "accounts.parquet")
    edges = {"one": ["b", "a"], "other": ["d", "b"], "score": [1, 2]}
    pq.write_table(pa.table(edges), tmp_path / "edges.parquet")

    truth, read = read_truth_of_world(tmp_path), Edges.read(tmp_path / "edges.parquet")

    assert truth.campaigns == {"a": {"first"}, "b": {"first", "second"}}
    assert (truth.owners, truth.declared) == ({"d": "family"}, {"d"})
    assert clusters_of(read, least=2.0) == [frozenset("ab")]


def test_table_shows_means_with_their_range_and_ratios_to_the_first() -> None:
    """Costs are medians; a figure that a program lacks is left empty."""
    scan, peer = Score(4, 4, 8, 6, 6, 10, 5), Score(8, 4, 8)
    rows = [
        Row("1", "scan", Cost(9.0, 10.0, 2_000_000_000), scan, None, ""),
        Row("1", "peer", Cost(3.0, 5.0, 500_000_000), peer, scan, "chosen"),
    ]

    text = page(rows, {"everything is easy": "1"}, stamp="Measured.")

    assert "| scan | 9 | 10.0 | 1.00 | 2.00 | 1.00 | 0.50 | 0.67 | 0 |  |  |" in text
    assert "| peer | 3 | 5.0 | 0.50 | 0.50 | 0.50 | 0.50 | 0.50 | 4 | 0.67 | 0 |" in text
    assert "| scan | 6 | 1.00 | 0.50 |" in text
    assert "| peer | 6" not in text  # it makes no groups
    assert [Row.from_json(row.as_json()) for row in rows] == rows


def test_spread_leaves_out_worlds_without_the_figure() -> None:
    """The mean is over those that have one, with the least and the most."""
    scores = [Score(4, 4, 8), Score(4, 2, 8), Score(0, 0, 8), None]

    assert spread(scores, lambda score: score.precision) == "0.75 (0.50–1.00)"
    assert spread([None], lambda score: score.precision) == ""


def test_cost_counts_what_a_command_starts() -> None:
    """Time and memory of a process that its parent never waits for are counted."""
    child = "held = bytearray(150_000_000); import time\nwhile time.process_time() < 0.7: pass"
    # It reads to the child's end, and leaves it to the system.
    parent = (
        "import os, subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}], stdout=subprocess.PIPE)\n"
        "child.stdout.read(); print('done', flush=True); os._exit(0)"
    )

    cost, printed = cost_of([sys.executable, "-c", parent], environment=os.environ)

    assert printed == "done\n"
    assert cost.processor_seconds >= 0.3
    assert cost.peak_bytes >= 150_000_000


def test_a_command_that_fails_ends_the_benchmark() -> None:
    """Its words are shown, so that nobody takes a crash for a cheap run."""
    with pytest.raises(SystemExit, match="no luck"):
        cost_of([sys.executable, "-c", "import sys; sys.exit('no luck')"], environment=os.environ)


def test_every_peer_is_pinned() -> None:
    """Figures are those of exact versions, and the peers named in the page are among them."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "peers-requirements.txt"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]

    names = {line.partition("==")[0] for line in lines}

    assert all("==" in line for line in lines)
    assert names >= {"splink", "coordination-network-toolkit", "pandas", "duckdb"}


def test_programs_of_the_peers_are_valid_python() -> None:
    """They run in an environment of their own; here, at least, they compile."""
    programs = Path(__file__).resolve().parents[2] / "benchmarks" / "peer_programs"

    for program in sorted(programs.glob("*.py")):
        compile(program.read_text(encoding="utf-8"), str(program), "exec")
