"""Joining communities step by step, beside measuring everything anew in each round."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix, random_array

from stillwatch.linking.joining import joined
from stillwatch.linking.likeness import MEETING, Likeness


def joined_plainly(
    of_account: np.ndarray, kind: np.ndarray, use: np.ndarray, least: float
) -> list[int]:
    """All pairs of communities in each round, dense; ties go to the first."""
    of_account = np.unique(of_account, return_inverse=True)[1]
    while True:
        count = of_account.max() + 1
        members = np.eye(count)[:, of_account]
        table, sizes = members @ use, members.sum(axis=1)
        alone = members @ (use * use).sum(axis=1)
        across = (table * table).sum(axis=1) - alone
        across[across <= 1e-9 * alone] = 0.0
        within = across / np.maximum(sizes * (sizes - 1), 1)
        kinds = np.array([kind[of_account == c][0] for c in range(count)])
        rare = (table > 0).sum(axis=0) <= MEETING
        best = [(-1.0, -1)] * count
        for a in range(count):
            for b in range(count):
                meets = ((table[a] > 0) & (table[b] > 0) & rare).any()
                if a == b or kinds[a] != kinds[b] or not meets or min(within[a], within[b]) <= 0:
                    continue
                alike = table[a] @ table[b] / (sizes[a] * sizes[b]) / np.sqrt(within[a] * within[b])
                if alike >= least and (alike, -b) > (best[a][0], -best[a][1]):
                    best[a] = (alike, b)
        pairs = [(a, b) for a, (_, b) in enumerate(best) if a < b and best[b][1] == a]
        if not pairs:
            return of_account.tolist()
        for a, b in pairs:
            of_account = np.where(of_account == b, a, of_account)
        of_account = np.unique(of_account, return_inverse=True)[1]


@pytest.mark.parametrize("seed", range(12))
def test_it_joins_what_measuring_everything_anew_joins(seed: int) -> None:
    generator = np.random.default_rng(seed)
    accounts, fragments = 150, 60
    use = random_array((accounts, fragments), density=0.1, rng=generator).toarray()
    # A few fragments that nearly everybody uses: nobody meets in them until many were joined.
    use[:, :4] = np.where(generator.random((accounts, 4)) < 0.9, 0.05, 0.0)
    of_account = generator.integers(0, 90, accounts)
    kind = np.array([0, 0, 1])[of_account % 3]
    for least in (0.3, 0.7):
        found = joined(of_account, kind, Likeness(csr_matrix(use)), least)
        assert found.tolist() == joined_plainly(of_account, kind, use, least)


def test_nobody_is_joined_without_accounts() -> None:
    nobody = np.zeros(0, np.int64)
    assert len(joined(nobody, nobody, Likeness(csr_matrix((0, 3))), 0.5)) == 0
